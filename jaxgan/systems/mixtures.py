"""Systems made of others: several discriminators against one generator, and mixtures on both sides.

Both take a system of the players "discriminator" and "generator", such as `gan(...)`, and play its losses between
copies of the networks, which are numbered: "discriminator_0", "generator_2", and so on.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Batch, Inputs, LossFn, Metrics, Nets, Player, System, Turn, example_keys, explains

_LEAST = 1e-6  # added to a weight before its logarithm, as in the authors' code


@explains
def several_discriminators(system: System, count: int, strength: float = 0.0) -> System:
    """One generator against several discriminators, each a player of its own.

    The generator minimises sum_i softmax(strength * loss)_i loss_i: the mean at 0, ever more its hardest opponent as
    the strength grows. (The paper's V is what a discriminator gains, so that the weights are the same.)

    Args:
      system: of two players.
      count: discriminators, >= 1; the networks are "discriminator_0", ... and "generator".
      strength: lambda of the paper, >= 0.
    Returns:
      System.
    Raises:
      ValueError: count or strength is out of range, or the system's players are others.
    References:
      Durugkar, Gemp, Mahadevan. Generative Multi-Adversarial Networks. ICLR 2017, section 3.
    """
    _check(system, count)
    if not isinstance(strength, jax.core.Tracer) and not strength >= 0:
        raise ValueError(f"several_discriminators needs strength >= 0; got {strength}")
    base = system.players

    def discriminator(i: int) -> LossFn:
        return lambda nets, batch, turn: base["discriminator"].loss(_view(nets, discriminator=i), batch, turn)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        each = [base["generator"].loss(_view(nets, discriminator=i), batch, turn)[0] for i in range(count)]
        losses = jnp.stack(each)
        return jnp.sum(jax.lax.stop_gradient(jax.nn.softmax(strength * losses)) * losses), {}

    players = {
        f"discriminator_{i}": base["discriminator"]._replace(owns=(f"discriminator_{i}",), loss=discriminator(i))
        for i in range(count)
    }
    return system._replace(players=players | {"generator": base["generator"]._replace(loss=generator)}, inputs=None)


class MixtureWeights(nn.Module):
    """Log-weights of a mixture, equal at the start."""

    count: int

    @nn.compact
    def __call__(self) -> Array:
        """Returns the logarithms of weights that sum to one, [count]."""
        return nn.log_softmax(self.param("logits", nn.initializers.zeros, (self.count,), jnp.float32))


@explains
def mixture(system: System, count: int, entropy: float = 1e-2, evenness: float = 0.0) -> System:
    """A mixture of generators against a mixture of discriminators, both with learned weights.

    Each side minimises the expectation of its loss over pairs drawn by the weights, minus `entropy` times the entropy
    of its own weights w, plus `evenness` times the mean of -log(w + 1e-6), which both are best where the weights are
    equal. Towards that the entropy pulls a weight's logit by w (log w + entropy), which vanishes as the weight does:
    by SGD a network that has fallen out stays out (Adam divides by the pull's size, and moves either way). The mean of
    -log w pulls by w - 1 / count, and brings it back; it is what the authors' code has, weighted 0.1, and there the
    discriminators' side waits where the payoff is small:

        mixture(gan(...), 5, entropy=0.0, evenness=0.1)
        dynamics.gated({"discriminator": lambda metrics, step: metrics["payoff"] > 0.6})  # 0.3 of a loss that is halved

    Samples come from each generator in its share. Metrics: each side's loss, its `payoff`, the expectation alone, the
    `entropy` of its weights in nats, and `smallest`, the least of them.

    Args:
      system: of two players, without labels.
      count: networks on each side, >= 1: "generator_0", ..., "discriminator_0", ..., and the two weights,
        "generator_weights" and "discriminator_weights", both `MixtureWeights(count)`.
      entropy: weight of the entropy, >= 0.
      evenness: weight of the mean of -log(w + 1e-6), >= 0.
    Returns:
      System.
    Raises:
      ValueError: count, entropy or evenness is out of range, or the system's players are others.
    References:
      Arora, Ge, Liang, Ma, Zhang. Generalization and Equilibrium in Generative Adversarial Nets. ICML 2017, section 5.
      (The authors' code, `train_mixgan.py`, for `evenness`.)
    """
    _check(system, count)
    for name, value in {"entropy": entropy, "evenness": evenness}.items():
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"mixture needs {name} >= 0; got {value}")

    def expected(side: str) -> LossFn:
        def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
            logs = {name: nets[f"{name}_weights"]() for name in ("generator", "discriminator")}
            total = jnp.zeros((), jnp.float32)
            for g in range(count):
                for d in range(count):
                    pair = system.players[side].loss(_view(nets, generator=g, discriminator=d), batch, turn)[0]
                    total += jnp.exp(logs["generator"][g] + logs["discriminator"][d]) * pair
            weights = jnp.exp(logs[side])
            own = -jnp.sum(weights * logs[side])
            uneven = -jnp.mean(jnp.log(weights + _LEAST))
            metrics = {"payoff": total, "entropy": own, "smallest": jnp.min(weights)}
            return total - entropy * own + evenness * uneven, metrics

        return loss

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Any:
        """Draws each sample's generator by its number, so that chunks do not matter."""
        drawn = [system.generate(_view(nets, generator=g), key, inputs) for g in range(count)]
        n = drawn[0].shape[0]
        keys = example_keys(jax.random.fold_in(key, 1), n, inputs.get("index"))
        chosen = jax.vmap(lambda k: jax.random.categorical(k, nets["generator_weights"]()))(keys)
        return jnp.take_along_axis(jnp.stack(drawn), chosen.reshape(1, n, *(1,) * (drawn[0].ndim - 1)), axis=0)[0]

    def player(side: str) -> Player:
        owns = (*(f"{side}_{i}" for i in range(count)), f"{side}_weights")
        return system.players[side]._replace(owns=owns, loss=expected(side))

    return system._replace(
        players={side: player(side) for side in ("discriminator", "generator")}, inputs=None, generate=generate
    )


def _view(nets: Nets, **numbers: int) -> Nets:
    """Returns the networks as the base system knows them, with the numbered ones in their places."""
    return dict(nets) | {name: nets[f"{name}_{number}"] for name, number in numbers.items()}


def _check(system: System, count: int) -> None:
    if set(system.players) != {"discriminator", "generator"} or system.frozen:
        raise ValueError(
            f"expected a system of the players 'discriminator' and 'generator' without frozen networks; "
            f"got {list(system.players)} and frozen {list(system.frozen)}"
        )
    if count < 1:
        raise ValueError(f"count must be >= 1; got {count}")
