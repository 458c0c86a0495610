"""The two-player game of a generator and a discriminator, told something or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.priors import Prior
from jaxgan.systems.players import Optimizer, check_samples, condition_of, latents, logit_metrics, two_players
from jaxgan.types import Augment, Batch, Inputs, Loss, Metrics, Nets, Penalty, System, Turn, example_keys

# (nets, z [B, Z], condition, turn) -> (z [B, Z], cost [] for the generator)
OptimizeLatents = Callable[[Nets, Array, tuple[Array, ...], Turn], tuple[Array, Array]]


def gan(
    *,
    loss: Loss | Callable[[Turn], Loss],
    prior: Prior,
    optimizer: Optimizer,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    augment: Augment | str | None = None,
    replay: str | None = None,
    optimize_latents: OptimizeLatents | None = None,
) -> System:
    """A generator G(z) or G(z, y) against a discriminator D(x) or D(x, y); the discriminator moves first.

    The batch decides: where it carries a condition "y" (labels, vectors, or any pytree that the networks take), both
    networks receive it. `generate` takes "index" [n] int32 (the samples' numbers: each draws its own latent from the
    key) or "z" [n, Z] (latents to use), and then "y" of n.

    Metrics: each player's loss; the discriminator's `real_logits` and `fake_logits`, their sigmoids' means
    `real_probability` and `fake_probability` (D(x) and D(G(z)) of a logistic loss), and `penalty` where there is one.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; or a function of the turn that returns it.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...} (two time scales).
      penalty: added to the discriminator's loss, from `jaxgan.penalties`.
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
      augment: of all that the discriminator sees, from `jaxgan.augment`; or the name of an `augment.Adaptive`, whose
        probability is then among the discriminator's metrics.
      replay: name of a `networks.remedies.Replay`, through which the discriminator meets earlier samples again.
      optimize_latents: moves latents before they are used in training, `latent_optimization()`.
    Returns:
      System with networks "generator" and "discriminator", the replay's and the adaptive augmentation's.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, samples unlike the data, or labels with
        a replay, which does not keep any.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014.
      Mirza, Osindero. Conditional Generative Adversarial Nets. 2014.
    """

    def sample(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        """Returns samples and the cost of having moved their latents."""
        z, condition = prior(turn.named("latent"), batch["x"].shape[0], turn.examples), condition_of(batch)
        cost = jnp.zeros(())
        if optimize_latents:
            z, cost = optimize_latents(nets, z, condition, turn)
        return nets["generator"](z, *condition), cost

    def seen(nets: Nets, x: Array, turn: Turn, use: str) -> Array:
        if isinstance(augment, str):
            return nets[augment](x, turn, use)
        return augment(x, turn, use) if augment else x

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake, _ = sample(nets, batch, turn)
        condition = condition_of(batch)
        check_samples(batch["x"], fake)
        if replay and condition:
            raise ValueError(f"replay={replay!r} keeps samples without their labels; leave 'y' out of the batch")
        real = seen(nets, batch["x"], turn, "real")
        fake = seen(nets, nets[replay](fake) if replay else fake, turn, "fake")
        real_logits = nets["discriminator"](real, *condition)
        fake_logits = nets["discriminator"](fake, *condition)
        value = _at(loss, turn).discriminator(real_logits, fake_logits)
        metrics = logit_metrics(real_logits, fake_logits)
        if isinstance(augment, str):
            metrics |= nets[augment](real_logits, method="observe")
        if penalty is None:
            return value, metrics
        critic = frozen(nets["discriminator"])
        cost = penalty(lambda x: critic(x, *condition), real, fake, turn)
        return value + cost, metrics | {"penalty": cost}

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake, cost = sample(nets, batch, turn)
        fake_logits = nets["discriminator"](seen(nets, fake, turn, "fake"), *condition_of(batch))
        real = seen(nets, batch["x"], turn, "real")
        real_logits = nets["discriminator"](real, *condition_of(batch))  # compiled away where the loss ignores it
        return _at(loss, turn).generator(real_logits, fake_logits) + cost, {}

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        z = prior(jax.random.key(0), batch["x"].shape[0])  # only its shape matters
        made: dict[str, tuple[Any, ...]]
        made = {"generator": (z, *condition_of(batch)), "discriminator": (batch["x"], *condition_of(batch))}
        if replay:
            made[replay] = (batch["x"],)
        if isinstance(augment, str):
            made[augment] = (batch["x"], Turn(jax.random.key(0), jnp.zeros((), jnp.int32)), "real")
        return made

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = latents(prior, key, inputs)
        return nets["generator"](z, *condition_of(inputs))

    return System(
        players=two_players(optimizer, discriminator_loss, generator_loss, n_critic),
        inputs=inputs,
        generate=generate,
        frozen=tuple(name for name in (replay, augment) if isinstance(name, str)),
    )


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
    if rate < 0 or damping <= 0 or not 0 <= share <= 1 or weight < 0:
        raise ValueError(
            "latent_optimization needs rate >= 0, damping > 0, share in [0, 1] and weight >= 0; "
            f"got {rate}, {damping}, {share} and {weight}"
        )

    def optimize(nets: Nets, z: Array, condition: tuple[Array, ...], turn: Turn) -> tuple[Array, Array]:
        generator, discriminator = frozen(nets["generator"]), frozen(nets["discriminator"])
        g = jax.grad(lambda z: jnp.sum(discriminator(generator(z, *condition), *condition)))(z)
        step = rate * g / (damping + jnp.sum(jnp.square(g), axis=-1, keepdims=True))
        keys = example_keys(turn.named("latent optimization"), z.shape[0], turn.examples)
        taken = jax.vmap(jax.random.uniform)(keys) < share
        step = jnp.where(taken[:, None], step, 0.0)
        return z + step, weight * jnp.mean(jnp.sum(jnp.square(step), axis=-1))

    return optimize


def _at(loss: Loss | Callable[[Turn], Loss], turn: Turn) -> Loss:
    return loss if isinstance(loss, Loss) else loss(turn)
