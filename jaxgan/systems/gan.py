"""The two-player game of a generator and a discriminator, with labels or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.game import frozen
from jaxgan.priors import Prior
from jaxgan.types import Batch, Inputs, Loss, Metrics, Nets, Penalty, Player, System, Turn


def gan(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: optax.GradientTransformation | Mapping[str, optax.GradientTransformation],
    penalty: Penalty | None = None,
    n_critic: int = 1,
) -> System:
    """A generator G(z) or G(z, y) against a discriminator D(x) or D(x, y); the discriminator moves first.

    The batch decides: where it carries labels "y", both networks receive them. `generate` takes "index" [n] int32 (the
    samples' numbers: each draws its own latent from the key) or "z" [n, Z] (latents to use), and "y" [n] with labels.

    Metrics: each player's loss; the discriminator's `real_logits` and `fake_logits`, their sigmoids' means
    `real_probability` and `fake_probability` (D(x) and D(G(z)) of a logistic loss), and `penalty` where there is one.

    Args:
      loss: what each player minimises, from `jaxgan.losses`.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...} (two time scales).
      penalty: added to the discriminator's loss, from `jaxgan.penalties`.
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
    Returns:
      System with networks "generator" and "discriminator".
    Raises:
      ValueError: the optimizers are not named after the players.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014.
      Mirza, Osindero. Conditional Generative Adversarial Nets. 2014.
    """
    names = ("discriminator", "generator")
    optimizers = dict(optimizer) if isinstance(optimizer, Mapping) else dict.fromkeys(names, optimizer)
    if set(optimizers) != set(names):
        raise ValueError(f"optimizers are named {sorted(optimizers)}; expected {sorted(names)}")

    def sample(nets: Nets, batch: Batch, turn: Turn) -> Array:
        z = prior(turn.named("latent"), batch["x"].shape[0], turn.examples)
        return nets["generator"](z, *_condition(batch))

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, fake, condition = batch["x"], sample(nets, batch, turn), _condition(batch)
        if real.shape != fake.shape:
            raise ValueError(
                f"batch['x'] has shape {real.shape} but the generator makes {fake.shape}; "
                "choose its size and channels after the data"
            )
        real_logits = nets["discriminator"](real, *condition)
        fake_logits = nets["discriminator"](fake, *condition)
        value = loss.discriminator(real_logits, fake_logits)
        metrics = {
            "real_logits": jnp.mean(real_logits),
            "fake_logits": jnp.mean(fake_logits),
            "real_probability": jnp.mean(jax.nn.sigmoid(real_logits)),
            "fake_probability": jnp.mean(jax.nn.sigmoid(fake_logits)),
        }
        if penalty is None:
            return value, metrics
        critic = frozen(nets["discriminator"])
        cost = penalty(lambda x: critic(x, *condition), real, fake, turn)
        return value + cost, metrics | {"penalty": cost}

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake_logits = nets["discriminator"](sample(nets, batch, turn), *_condition(batch))
        real_logits = nets["discriminator"](batch["x"], *_condition(batch))  # compiled away where the loss ignores it
        return loss.generator(real_logits, fake_logits), {}

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        z = prior(jax.random.key(0), batch["x"].shape[0])  # only its shape matters
        return {"generator": (z, *_condition(batch)), "discriminator": (batch["x"], *_condition(batch))}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = inputs["z"] if "z" in inputs else prior(key, inputs["index"].shape[0], inputs["index"])
        return nets["generator"](z, *_condition(inputs))

    return System(
        players={
            "discriminator": Player(("discriminator",), discriminator_loss, optimizers["discriminator"], n_critic),
            "generator": Player(("generator",), generator_loss, optimizers["generator"]),
        },
        inputs=inputs,
        generate=generate,
    )


def _condition(batch: Mapping[str, Array]) -> tuple[Array, ...]:
    return (batch["y"],) if "y" in batch else ()
