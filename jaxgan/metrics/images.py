"""What every metric on images checks before it computes."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def check_images(x: Any, name: str = "images") -> None:
    """Raises unless x is a batch of images [B, H, W, C], floating and finite.

    Values are looked at only where they are known: under `jax.jit`, shape and dtype alone are checked.

    Args:
      x: an array, concrete or traced.
      name: what the error calls it.
    Raises:
      ValueError: not rank 4, empty, bytes or another dtype that is not floating, or non-finite values (their count).
    """
    if x.ndim != 4 or not x.size:
        raise ValueError(f"{name} must be [N, H, W, C] with nothing empty; got shape {x.shape}")
    check_floating(x, name)


def check_floating(x: Any, name: str) -> None:
    """Raises unless x [N, ...] is floating and, where its values are known, finite.

    Raises:
      ValueError: bytes or another dtype that is not floating, or non-finite values (with their count).
    """
    if x.dtype == np.uint8:
        raise ValueError(f"{name} are uint8; expected float32 in [-1, 1]: use jg.data.from_uint8")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name} are {x.dtype}; expected a floating dtype")
    if not isinstance(x, jax.core.Tracer):
        bad = x.size - int(np.count_nonzero(np.isfinite(np.asarray(x))))
        if bad:
            raise ValueError(f"{name} hold {bad} non-finite values of {x.size}")


def checked_images(x: ArrayLike, name: str = "images", least: int = 1) -> np.ndarray:
    """Returns images on the host as float32 [N, H, W, C].

    Args:
      x: [N, H, W, C] floating images.
      name: what the error calls them.
      least: the smallest N that the metric is defined for.
    Raises:
      ValueError: as `check_images`, or fewer than `least` images.
    """
    images = np.asarray(x)
    check_images(images, name)
    if len(images) < least:
        raise ValueError(f"need at least {least} {name}; got {len(images)}")
    return images.astype(np.float32, copy=False)


def checked_image_sets(real: ArrayLike, fake: ArrayLike, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of images of one shape (H, W, C) as float32; N and M may differ.

    Raises:
      ValueError: as `checked_images`, or the images of both sets differ in shape.
    """
    a, b = checked_images(real, "real images", least), checked_images(fake, "fake images", least)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"real and fake images must have one shape; got {a.shape[1:]} and {b.shape[1:]}")
    return a, b


def warn_of_zero_to_one(x: np.ndarray, name: str = "images") -> None:
    """Warns of floating images [N, H, W, C] without a value below 0: they may be in [0, 1], as other libraries have it.

    Measured as they are, such images are brighter and of half the contrast: another set of pictures.
    """
    if x.size and 0 <= x.min() < x.max() <= 1:
        warnings.warn(
            f"{name} lie in [{x.min():.3g}, {x.max():.3g}], without a value below 0, and are measured as [-1, 1]; "
            "if they are in [0, 1], pass 2 * x - 1, or bytes",
            stacklevel=3,
        )
