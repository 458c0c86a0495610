"""The Metropolis-Hastings GAN: a chain of generated proposals whose stationary law is the data's."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.checks import check_key
from jaxgan.samplers.rejection import LogRatio, Propose


class Chains(NamedTuple):
    """The ends of independent chains."""

    samples: Array  # [n, ...]
    log_ratio: Array  # [n] of these samples
    acceptance: Array  # [] share of the proposals that were taken
    moved: Array  # [n] bool: the chain took a proposal at all; False: it still stands where it began


def metropolis_hastings(
    propose: Propose,
    log_ratio: LogRatio,
    key: Array,
    *,
    n: int,
    length: int = 640,
    start: Array | None = None,
) -> Chains:
    """Draws n samples, each the end of its own chain of independent proposals.

    A proposal x' is taken with probability min(1, r(x') / r(x)), r the density ratio: for a logistic discriminator
    min(1, (1 / D(x) - 1) / (1 / D(x') - 1)). Unlike rejection, no bound of the ratio is needed.

    Args:
      propose: the generator's samples.
      log_ratio: their log density ratios, such as calibrated logits.
      key: [] typed key.
      n: chains, >= 1.
      length: proposals in each, >= 1.
      start: real examples [n, ...] where the chains begin, which spares the burn-in; chains that never moved return
        them, so use `moved` to leave these out. None: begin with a proposal.
    Returns:
      Chains.
    Raises:
      ValueError: n or length is not positive, or start holds another number of examples.
    References:
      Turner, Hung, Frank, Saatchi, Yosinski. Metropolis-Hastings Generative Adversarial Networks. ICML 2019, section 3.
    """
    check_key("metropolis_hastings", key)
    if n < 1 or length < 1 or (start is not None and start.shape[0] != n):
        raise ValueError(
            f"metropolis_hastings needs n >= 1, length >= 1 and n examples to start from; got n={n}, length={length} "
            f"and start {None if start is None else start.shape}"
        )

    def step(chain: tuple[Array, ...], key: Array) -> tuple[tuple[Array, ...], None]:
        x, ratio, taken, moved = chain
        proposal, choice = jax.random.split(key)
        other = propose(proposal, n)
        other_ratio = log_ratio(other)
        take = jnp.log(jax.random.uniform(choice, (n,), jnp.float32)) < other_ratio - ratio
        x = jnp.where(take.reshape(-1, *(1,) * (x.ndim - 1)), other, x)
        return (x, jnp.where(take, other_ratio, ratio), taken + jnp.mean(take), moved | take), None

    @jax.jit
    def run(key: Array, start: Array | None) -> Chains:
        first, then = jax.random.split(key)
        x = propose(first, n) if start is None else start
        chain: tuple[Array, ...] = (x, log_ratio(x), jnp.zeros((), jnp.float32), jnp.full((n,), start is None))
        (x, ratio, taken, moved), _ = jax.lax.scan(step, chain, jax.random.split(then, length))
        return Chains(x, ratio, taken / length, moved)

    return run(key, start)
