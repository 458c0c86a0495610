"""What systems share: optimizers by player, conditions and latents, checks of batches and outputs, common metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.priors import Prior
from jaxgan.types import Batch, Inputs, Metrics

Optimizer: TypeAlias = optax.GradientTransformation | Mapping[str, optax.GradientTransformation]


def optimizers_of(optimizer: Optimizer, players: Sequence[str]) -> dict[str, optax.GradientTransformation]:
    """Returns one optimizer for each player: the same for all, or those given by name.

    Raises:
      ValueError: the names are not the players'.
    """
    by_player: dict[str, Any] = dict(optimizer) if isinstance(optimizer, Mapping) else dict.fromkeys(players, optimizer)
    if set(by_player) != set(players):
        raise ValueError(f"optimizers are named {sorted(by_player)}; expected {sorted(players)}")
    return by_player


def condition_of(batch: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what networks are called with besides: the condition "y" where the batch has one."""
    return (batch["y"],) if "y" in batch else ()


def image_logits(outputs: Any) -> Array:
    """Returns the logits of a discriminator that may have other outputs: heads by name, or images before pixels."""
    if isinstance(outputs, Mapping):
        check_outputs("a game of logits", outputs, "logits")
        return outputs["logits"]
    return outputs[0] if isinstance(outputs, tuple) else outputs


def latents(prior: Prior, key: Array, inputs: Inputs) -> Array:
    """Returns the latents to generate from: those given as "z", or one drawn for each "index"."""
    return inputs["z"] if "z" in inputs else prior(key, inputs["index"].shape[0], inputs["index"])


def check_batch(system: str, batch: Batch, **needed: str) -> None:
    """Raises ValueError unless the batch holds what a system needs: by name, what that is in words."""
    for name, words in needed.items():
        if name not in batch:
            raise ValueError(f"{system} needs batch[{name!r}], {words}; the batch has {sorted(batch)}")


def check_outputs(system: str, outputs: Any, *heads: str) -> None:
    """Raises ValueError unless a discriminator's outputs have these heads."""
    have = sorted(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
    if not isinstance(outputs, Mapping) or set(heads) - set(outputs):
        raise ValueError(
            f"{system} needs a discriminator with outputs {sorted(heads)}, a networks.heads.Headed; it has {have}"
        )


def logit_metrics(real: Any, fake: Any) -> Metrics:
    """Returns the means of both sides' logits, of images where there are pixels too, and of their sigmoids."""
    real_logits, fake_logits = image_logits(real), image_logits(fake)
    return {
        "real_logits": jnp.mean(real_logits),
        "fake_logits": jnp.mean(fake_logits),
        "real_probability": jnp.mean(jax.nn.sigmoid(real_logits)),
        "fake_probability": jnp.mean(jax.nn.sigmoid(fake_logits)),
    }
