"""Context encoders: what is missing in a picture is painted into it, after what surrounds it."""

from __future__ import annotations

from typing import Any, Literal, Unpack, get_args

import jax.numpy as jnp
from jax import Array, lax

from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

Sees = Literal["hole", "picture"]


@explains
def context_encoder(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: float = 0.001,
    overlap: int = 4,
    overlap_weight: float = 10.0,
    fill: float = 0.0,
    sees: Sees = "hole",
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator that completes pictures: squared error in the hole, and a discriminator of what is in it.

    The batch has pictures "x" and a "mask", 1 where they are hidden, as `data.hole` and `data.hide` make it. The
    generator G([hidden, mask]) sees the picture with `fill` in the hole and the mask as a further channel, and makes
    a whole picture. It minimises (1 - weight) times the squared error plus `weight` times its adversarial loss. The
    error is the mean over the hole and a border of `overlap` pixels around it, where it counts `overlap_weight` times,
    so that what is painted joins on to what is known.

    The discriminator sees the hole and the border alone, `fill` elsewhere, as the paper's sees its centre; or the
    completed picture. `generate` takes pictures "x" and the "mask": it never looks into the hole, and leaves what is
    outside as it was, bit for bit.

    Metrics: each player's loss; the generator's `squared_error`, without overlap weights and per pixel of the hole; the
    discriminator's as in `gan`.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; the paper's is the logistic one.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}; the authors' code gives the
        generator 10 times the discriminator's rate, 2e-3.
      weight: of the adversarial loss, in [0, 1]; the paper's is 0.001, and 0 is the error alone.
      overlap: width of the border in pixels, >= 0.
      overlap_weight: of the squared error in the border, >= 0.
      fill: what is in the hole, in [-1, 1]; the authors' code has the data's mean colour.
      sees: "hole" or "picture", what the discriminator judges.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator". It generates from "x" and "mask".
    Raises:
      ValueError: an argument is out of range, or the optimizers are not named after the players; at trace time, no
        "mask" [B, H, W, 1] in the batch, or pictures unlike the data.
    References:
      Pathak, Krähenbühl, Donahue, Darrell, Efros. Context Encoders: Feature Learning by Inpainting. CVPR 2016, eq. 1
      to 3; overlap and rates as in the authors' code.
    """
    if not 0 <= weight <= 1 or overlap < 0 or not overlap_weight >= 0 or not -1 <= fill <= 1:
        raise ValueError(
            "context_encoder needs weight in [0, 1], overlap >= 0, overlap_weight >= 0 and fill in [-1, 1]; "
            f"got {weight}, {overlap}, {overlap_weight} and {fill}"
        )
    if sees not in get_args(Sees):
        raise ValueError(f"context_encoder has a discriminator of the 'hole' or the 'picture'; got sees={sees!r}")
    judge = adversary(loss, **adversarial)

    def painted(nets: Nets, x: Array, mask: Array) -> Array:
        hidden = jnp.where(mask > 0, fill, x)
        made: Array = nets["generator"](jnp.concatenate([hidden, mask.astype(x.dtype)], axis=-1))
        if made.shape != x.shape:
            raise ValueError(f"context_encoder needs pictures {x.shape} of 'generator'; it makes {made.shape}")
        return made

    def shown(nets: Nets, batch: Batch) -> tuple[Array, Array, Array]:
        """Returns what the generator made, and what is real and what is not as the discriminator sees them."""
        x, mask = _checked(batch)
        made = painted(nets, x, mask)
        if sees == "picture":
            return made, x, jnp.where(mask > 0, made, x)
        near = widened(mask, overlap) > 0
        return made, jnp.where(near, x, fill), jnp.where(near, made, fill)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        made, *sides = shown(nets, batch)
        x, mask = batch["x"], batch["mask"]
        weights = overlap_weights(mask, overlap, overlap_weight)
        error = _mean(weights * jnp.square(made - x), widened(mask, overlap))
        value = (1 - weight) * error + weight * judge.generator(nets, turn, *sides).loss
        return value, {"squared_error": _mean(mask * jnp.square(made - x), mask)}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        x, mask = _checked(inputs)
        return jnp.where(mask > 0, painted(nets, x, mask), x)

    discriminator = player_loss(judge.discriminator, lambda nets, batch, turn: shown(nets, batch)[1:])
    asks = {"x": "pictures", "mask": "where they are hidden, 1, or known, 0: [n, H, W, 1]"}
    return between(judge, two_players(optimizer, discriminator, generator, n_critic), generate, asks=asks)


def widened(mask: Array, border: int) -> Array:
    """Returns a mask [B, H, W, 1] that also has what lies within `border` pixels of it, diagonally counted as one."""
    if not border:
        return mask
    window, padding = (1, 2 * border + 1, 2 * border + 1, 1), ((0, 0), (border, border), (border, border), (0, 0))
    return lax.reduce_window(mask, jnp.zeros((), mask.dtype), lax.max, window, (1, 1, 1, 1), padding)


def overlap_weights(mask: Array, overlap: int, weight: float) -> Array:
    """Returns what a squared error counts at each pixel: 1 in the hole, `weight` in its border, 0 elsewhere.

    Example:
      >>> import jax.numpy as jnp
      >>> mask = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1)
      >>> float(overlap_weights(mask, 1, 10.0).sum())  # one pixel, and eight around it
      81.0

    Args:
      mask: [B, H, W, 1], 1 in the hole.
      overlap: width of the border in pixels.
      weight: of the border.
    Returns:
      [B, H, W, 1].
    """
    return mask + weight * (widened(mask, overlap) - mask)


def _mean(values: Array, mask: Array) -> Array:
    """Returns the mean over examples of each one's mean over the pixels of its mask and all channels."""
    size = jnp.maximum(jnp.sum(mask, axis=(1, 2, 3)), 1) * values.shape[-1]
    return jnp.mean(jnp.sum(values, axis=(1, 2, 3)) / size)


def _checked(batch: Any) -> tuple[Array, Array]:
    check_batch("context_encoder", batch, x="pictures", mask="where they are hidden")
    x, mask = batch["x"], batch["mask"]
    if x.ndim != 4 or mask.shape != (*x.shape[:3], 1):
        raise ValueError(f"context_encoder takes x [B, H, W, C] and mask [B, H, W, 1]; got {x.shape} and {mask.shape}")
    return x, mask
