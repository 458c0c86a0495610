"""What systems of tokens share: maximum likelihood, what they are shown, and what they draw.

A batch has "tokens" [B, T] int32 and, where blanks are to be filled, a "mask" [B, T], 1 where they are. A generator is
one of `networks.sequences`, whose latents are Gumbel noise: of `priors.gumbel(T, V)`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxgan.losses import token_log_probabilities
from jaxgan.networks.sequences import hot
from jaxgan.priors import Prior
from jaxgan.systems.parts import Optimizer, check_batch, check_prior, drawn, latents, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

TOKENS, MASK = "integers [B, T]", "1 where a token is blank and 0 where it is there: [B, T]"
WARMTH = "by which logits are divided, > 0, a number or one for each sample"


@explains
def maximum_likelihood(*, prior: Prior, optimizer: Optimizer) -> System:
    """A language model trained by maximum likelihood: the first phase of text GANs, and their strong baseline.

    The generator minimises -log p of the batch's tokens, each after those before it, summed over the sequence. Where
    the batch has a "mask" the generator fills blanks, a `networks.sequences.Infill`, and only they count. There is no
    discriminator. A state goes on in another game by `jg.carried.carry`.

    Metrics: the generator's loss, in nats for each sequence; `token`, the same for each token that counts.

    Args:
      prior: Gumbel noise of the samples, `priors.gumbel(length, vocabulary)`.
      optimizer: of the player "generator".
    Returns:
      System with the network "generator". It generates tokens [n, T] from "index" or "z", and takes a "temperature"
      and, with a "mask", "tokens" with blanks.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, a batch without "tokens".
    References:
      Caccia et al. Language GANs Falling Short. ICLR 2020: the temperature of such a model trades diversity for
      quality, and few text GANs are on the better side of that curve.
    """
    check_prior(prior)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        check_batch("maximum_likelihood", batch, tokens=TOKENS)
        tokens, given = batch["tokens"], (batch["mask"],) if "mask" in batch else ()
        free = batch.get("mask", jnp.ones(tokens.shape, jnp.float32))
        log_p = free * token_log_probabilities(nets["generator"](tokens, *given), tokens)
        value = -jnp.mean(jnp.sum(log_p, axis=1))
        return value, {"token": value / jnp.maximum(turn.average(jnp.mean(jnp.sum(free, axis=1))), 1e-6)}

    takes = {"temperature": WARMTH, "tokens": TOKENS, "mask": MASK}
    return System(players(optimizer, generator=("generator", generator)), None, generates_tokens(prior), takes=takes)


def generates_tokens(prior: Prior) -> Any:
    """Returns (nets, key, inputs) -> tokens [n, T], drawn at a "temperature" where one is given, and into a "mask"."""

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        given = {name: inputs[name] for name in ("tokens", "mask") if name in inputs}
        warmth = jnp.asarray(inputs.get("temperature", 1.0), jnp.float32)
        made: Array = nets["generator"](latents(prior, key, inputs), warmth, **given, method="draw")
        return made

    return generate


def drawn_tokens(prior: Prior, nets: Nets, batch: Batch, turn: Turn, **given: Array) -> tuple[Array, Array, Array]:
    """Draws a sequence for each example: where there are "tokens" and a "mask", into its blanks.

    Returns:
      The drawn tokens [B, T]; and the batch's and the drawn ones as a discriminator sees them, [B, T, V] one-hot.
    Raises:
      ValueError: sequences are of another length than the data's.
    """
    z = drawn(prior, batch, turn)
    check_length(z, batch["tokens"])
    tokens: Array = nets["generator"](z, **given, method="draw")
    return tokens, hot(batch["tokens"], z.shape[-1]), hot(tokens, z.shape[-1])


def check_length(z: Array, tokens: Array) -> None:
    """Raises ValueError unless noise [B, T, V] is for sequences [B, T] of the data's length."""
    if z.ndim != 3 or tokens.shape != z.shape[:2]:
        raise ValueError(
            f"tokens {tokens.shape} of the batch do not fit the prior's noise {z.shape}: use "
            f"priors.gumbel({tokens.shape[-1]}, vocabulary)"
        )
