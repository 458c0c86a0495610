"""What networks refuse, and which sizes their strides reach: one `ValueError` each, with the value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers.resampling import height_and_width


def check_condition(module: nn.Module, y: Array | None) -> None:
    """Raises ValueError unless a condition is given exactly where the network has classes, as labels or as vectors."""
    classes, name = module.classes, type(module).__name__
    if y is None and classes:
        raise ValueError(f"{name} has classes={classes} but was called without labels; pass y [B] (batch['y'])")
    if y is None:
        return
    if not classes:
        raise ValueError(f"{name} was called with labels but has classes=0; set classes, or leave 'y' out of the batch")
    if not hasattr(y, "ndim"):
        raise ValueError(
            f"{name} takes one array y, labels [B] or vectors [B, {classes}]; of a {type(y).__name__} make one by "
            "networks.conditioning.Joined"
        )
    labels = y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer)
    vectors = y.ndim == 2 and y.shape[1] == classes and jnp.issubdtype(y.dtype, jnp.floating)
    if not labels and not vectors:
        raise ValueError(
            f"{name} takes class labels [B] int32 or vectors [B, {classes}] float32; got shape {y.shape}, "
            f"dtype {y.dtype}"
        )


def check_latents(module: nn.Module, z: Array) -> None:
    """Raises ValueError unless latents are [B, Z]."""
    if z.ndim != 2:
        raise ValueError(f"{type(module).__name__} takes latents [B, Z]; got shape {z.shape}")


def check_images(module: nn.Module, x: Array, sides: tuple[int, int]) -> None:
    """Raises ValueError unless images are [B, H, W, C] of the network's size."""
    if x.ndim != 4 or x.shape[1:3] != sides:
        raise ValueError(f"{type(module).__name__} takes images [B, {sides[0]}, {sides[1]}, C]; got shape {x.shape}")


def check_choice(module: nn.Module, name: str, known: tuple[str, ...]) -> None:
    """Raises ValueError unless a setting of the network is one of those known."""
    if getattr(module, name) not in known:
        raise ValueError(f"{name}={getattr(module, name)!r} is unknown; choose one of {known}")


def check_strides(network: str, x: Array, step: int, least: int) -> None:
    """Raises ValueError unless x is of images [B, H, W, C] whose sides are multiples of `step` from `least` on."""
    if x.ndim != 4:
        raise ValueError(f"{network} takes images [B, H, W, C]; got shape {x.shape}")
    check_sides(network, x.shape[1:3], step, least)


def check_sides(network: str, sides: Sequence[int], step: int, least: int) -> None:
    """Raises ValueError, with the nearest sides that would do, unless all are multiples of `step` from `least` on."""
    if all(side % step == 0 and side >= least for side in sides):
        return
    near = [sorted({max(least, side // step * step), max(least, -(-side // step) * step)}) for side in sides]
    square = len(set(sides)) == 1
    named = " by ".join(" or ".join(map(str, choice)) for choice in (near[:1] if square else near))
    raise ValueError(
        f"{network} takes sides that are multiples of {step}, {least} or more, since its strides reach no others; got "
        f"{tuple(sides)}, and the nearest sizes are {named}"
    )


def halvings(size: int | tuple[int, ...], count: int | None, name: str) -> tuple[tuple[int, int], int]:
    """How often a network halves its images.

    Args:
      size: of the images, a side or (H, W).
      count: how often it must; None: down to a smallest side of 4, or up to 7 where it is no power of 2.
      name: of the network, for the error.
    Returns:
      ((H, W), how often).
    Raises:
      ValueError: the sides do not divide, and the nearest that do are named; or there are not two.
    """
    sides = height_and_width(size)
    if count is not None:
        check_sides(name, sides, 2**count, 2**count)
        return sides, count
    check_sides(name, sides, 4, 16)
    return sides, max(n for n in range(2, 32) if min(sides) >> n >= 4 and all(side % 2**n == 0 for side in sides))
