"""The two resizers that published figures are made with; another one is another protocol.

tf1_bilinear  TensorFlow 1's: no half-pixel centres, no antialiasing; the FID of the original code and of most papers
pil_bicubic   Pillow's: antialiased, on floats; the "clean" resize

References:
  Parmar, Zhang, Zhu. On Aliased Resizing and Surprising Subtleties in GAN Evaluation. CVPR 2022.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike


@functools.partial(jax.jit, static_argnums=1)
def tf1_bilinear(images: ArrayLike, size: tuple[int, int]) -> Array:
    """Resizes as TensorFlow 1's resize_bilinear(align_corners=False): output pixel i samples at i * input / output.

    The grid is anchored at the top left corner, so the picture shifts by up to half a pixel, and shrinking skips
    pixels. Differentiable.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.arange(4.0).reshape(1, 1, 4, 1)
      >>> jg.metrics.extractors.tf1_bilinear(x, (1, 2)).ravel().tolist()  # every second pixel: nothing is averaged
      [0.0, 2.0]

    Args:
      images: [B, H, W, C] float, any range.
      size: (height, width) of the result, static.
    Returns:
      [B, height, width, C] float32.
    Raises:
      ValueError: images do not have rank 4 or are empty, or size is not positive.
    """
    x = jnp.asarray(images, jnp.float32)
    _check(x.shape, size)
    for axis in (2, 1):  # along the width first, as the original: rounding is the same
        low, high, weight = _grid(x.shape[axis], size[axis - 1])
        below = jnp.take(x, low, axis=axis)
        x = below + (jnp.take(x, high, axis=axis) - below) * weight.reshape(
            1, *(-1 if a == axis else 1 for a in (1, 2, 3))
        )
    return x


def pil_bicubic(images: ArrayLike, size: tuple[int, int]) -> np.ndarray:
    """Resizes on the host with Pillow's antialiased bicubic filter, each channel as floats: not rounded to levels.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.arange(4.0).reshape(1, 1, 4, 1)
      >>> [round(float(v), 1) for v in jg.metrics.extractors.pil_bicubic(x, (1, 2)).ravel()]
      [0.6, 2.4]

    Args:
      images: [B, H, W, C] pixel values in [0, 255], integer or float.
      size: (height, width) of the result.
    Returns:
      [B, height, width, C] float32, clipped to [0, 255]: the filter overshoots at edges.
    Raises:
      ValueError: images do not have rank 4 or are empty, or size is not positive.
    """
    from PIL import Image

    x = np.asarray(images, np.float32)
    _check(x.shape, size)
    height, width = size
    result = np.empty((len(x), height, width, x.shape[3]), np.float32)
    for i, image in enumerate(x):
        for c in range(x.shape[3]):
            channel = Image.fromarray(np.ascontiguousarray(image[:, :, c]))  # mode "F"
            result[i, :, :, c] = np.asarray(channel.resize((width, height), Image.Resampling.BICUBIC))
    return result.clip(0.0, 255.0)


def _grid(size: int, result: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns per output pixel its two neighbours and the weight of the second, in float32 as the original."""
    where = np.arange(result, dtype=np.float32) * np.float32(size / result)
    low = np.minimum(where.astype(np.int64), size - 1)
    return low, np.minimum(low + 1, size - 1), where - low.astype(np.float32)


def _check(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    if len(shape) != 4 or 0 in shape[1:]:
        raise ValueError(f"images must be [B, H, W, C]; got shape {shape}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size must be (height, width), at least 1 each; got {size}")
