"""The two-player game of a generator and a discriminator, told something or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses.pairs import check_number
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, condition_of, drawn, generates, two_players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, example_keys, explains

# (nets, z [B, Z], condition, turn) -> (z [B, Z], cost [] for the generator)
OptimizeLatents = Callable[[Nets, Array, tuple[Array, ...], Turn], tuple[Array, Array]]


@explains
def gan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    n_critic: int = 1,
    optimize_latents: OptimizeLatents | None = None,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator G(z) or G(z, y) against a discriminator D(x) or D(x, y); the discriminator moves first.

    The batch decides: where it carries a condition "y" (labels, vectors, or any pytree that the networks take), both
    networks receive it. `generate` takes "index" [n] int32 (the samples' numbers: each draws its own latent from the
    key) or "z" [n, Z] (latents to use), and then "y" of n.

    Metrics: each player's loss; the discriminator's `real_logits` and `fake_logits`, their sigmoids' means
    `real_probability` and `fake_probability` (D(x) and D(G(z)) of a logistic loss), and `penalty` where there is one.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; a function of the turn that returns it; or the name of a
        loss that remembers (`losses.Equilibrium`).
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...} (two time scales).
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
      optimize_latents: moves latents before they are used in training, `latent_optimization()`.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator", and those that remember.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, samples unlike the data, or a penalty
        beside a replay of samples with conditions.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014.
      Mirza, Osindero. Conditional Generative Adversarial Nets. 2014.
    """
    judge = adversary(loss, **adversarial)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any, Array]:
        """Returns what is real, samples, and the cost of having moved their latents."""
        z, condition, cost = drawn(prior, batch, turn), condition_of(batch), jnp.zeros((), jnp.float32)
        if optimize_latents:
            z, cost = optimize_latents(nets, z, condition, turn)
        return (batch["x"], *condition), (nets["generator"](z, *condition), *condition), cost

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        *sides, cost = shown(nets, batch, turn)
        return judge.generator(nets, turn, *sides).loss + cost, {}

    discriminator = player_loss(judge.discriminator, lambda *given: shown(*given)[:2])
    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates(prior), takes={"y": "conditions of n, as in the batch"})


@explains
def latent_optimization(
    rate: float = 0.9, damping: float = 0.1, share: float = 0.8, weight: float = 0.1
) -> OptimizeLatents:
    """LOGAN's step: both players are trained on latents that the discriminator likes better, and through that choice.

    z + rate * g / (damping + ||g||^2) with g = grad_z D(G(z)), a natural gradient step; the generator also minimises
    weight * E ||step||^2.

    Args:
      rate: alpha, >= 0.
      damping: beta, > 0.
      share: of the latents of a batch that take the step, in [0, 1].
      weight: of the squared step in the generator's loss, >= 0.
    Returns:
      (nets, z [B, Z], condition, turn) -> (z, cost []), for `gan(optimize_latents=...)`.
    Raises:
      ValueError: an argument is out of range.
    References:
      Wu et al. LOGAN: Latent Optimisation for Generative Adversarial Networks. 2019, eq. 17 and algorithm 1.
    """
    for name, value in {"rate": rate, "damping": damping, "weight": weight}.items():
        check_number("latent_optimization", name, value, low=0.0)
    check_number("latent_optimization", "share", share, low=0.0, high=1.0)
    if isinstance(damping, int | float) and damping == 0:
        raise ValueError(f"latent_optimization needs damping > 0; got {damping}")

    def optimize(nets: Nets, z: Array, condition: tuple[Array, ...], turn: Turn) -> tuple[Array, Array]:
        generator, discriminator = frozen(nets["generator"]), frozen(nets["discriminator"])
        g = jax.grad(lambda z: jnp.sum(discriminator(generator(z, *condition), *condition)))(z)
        step = rate * g / (damping + jnp.sum(jnp.square(g), axis=-1, keepdims=True))
        keys = example_keys(turn.named("latent optimization"), z.shape[0], turn.examples)
        taken = jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32))(keys) < share
        step = jnp.where(taken[:, None], step, 0.0)
        return z + step, weight * jnp.mean(jnp.sum(jnp.square(step), axis=-1))

    return optimize
