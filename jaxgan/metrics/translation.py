"""How good is a translation? Figures of outputs beside the truth, on the host: of pairs, and of the laws of patches."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.frechet import fid
from jaxgan.metrics.images import checked_images

PATCH, PATCHES = 8, 20_000  # pixels of a side, and how many patches at most


def psnr(a: ArrayLike, b: ArrayLike, data_range: float = 2.0) -> float:
    """Peak signal-to-noise ratio of images and their truth: 10 log10(data_range^2 / mean squared error), in dB.

    The error is the mean over each pair's pixels and channels, the ratio that over pairs, as papers report it.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> round(jg.metrics.psnr(np.zeros((1, 4, 4, 1)), np.full((1, 4, 4, 1), 0.2)), 3)
      20.0

    Args:
      a: [N, H, W, C] in [-1, 1].
      b: the same shape.
      data_range: largest minus smallest possible pixel.
    Returns:
      dB; infinite where a pair is equal.
    Raises:
      ValueError: shapes differ or are not images, or data_range is not > 0.
    """
    x, y = _pair("psnr", a, b)
    if not data_range > 0:
        raise ValueError(f"psnr needs data_range > 0; got {data_range}")
    error = np.mean(np.square(x - y), axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(data_range**2 / error)))


def gradient_energy_ratio(a: ArrayLike, b: ArrayLike, exponent: float = 1.0) -> float:
    """Sharpness of images beside the truth's: E|grad a|^p / E|grad b|^p, by differences of neighbouring pixels.

    Below 1 they are smoother than the truth, as means of several answers are; noise is above 1.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> truth = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 1))
      >>> round(jg.metrics.gradient_energy_ratio(0.5 * truth, truth), 3)
      0.5

    Args:
      a: [N, H, W, C] in [-1, 1], H and W >= 2.
      b: the same shape.
      exponent: p, > 0; 2 is an energy, in which steep edges count most.
    Returns:
      Ratio, >= 0.
    Raises:
      ValueError: shapes differ or are not images, the truth is constant, or the exponent is not positive.
    """
    x, y = _pair("gradient_energy_ratio", a, b)
    if not exponent > 0:
        raise ValueError(f"gradient_energy_ratio needs exponent > 0; got {exponent}")
    steps = [[np.abs(np.diff(images, axis=axis)) ** exponent for axis in (1, 2)] for images in (x, y)]
    energy = [sum(float(np.mean(along)) for along in both_axes) for both_axes in steps]
    if not energy[1] > 0:
        raise ValueError("gradient_energy_ratio needs a truth that varies; all its images are constant")
    return energy[0] / energy[1]


def patch_distance(a: ArrayLike, b: ArrayLike, *, size: int = PATCH) -> float:
    """Fréchet distance of the laws of patches' pixels, in units of the variance along the truth's first component.

    It sees texture and sharpness and not where things are: a blurred picture is far, a shifted one near. Patches lie on
    a grid of half their side; beyond PATCHES of them an evenly spaced choice is taken.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> truth = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1))
      >>> away = lambda x: jg.metrics.patch_distance(x, truth, size=4)
      >>> abs(round(away(truth[::-1]), 3)), away(0 * truth) > 1  # in another order; grey
      (0.0, True)

    Args:
      a: [N, H, W, C] in [-1, 1], sides >= size.
      b: [M, H, W, C], the truth.
      size: pixels of a patch's side, >= 2.
    Returns:
      Distance, >= 0; comparable for the same truth and size alone.
    Raises:
      ValueError: bad images, a size out of range, or a constant truth.
    """
    images, truth = (checked_images(x, f"patch_distance: {name}") for name, x in (("a", a), ("b", b)))
    least = min(*images.shape[1:3], *truth.shape[1:3])
    if not 2 <= size <= least:
        raise ValueError(f"patch_distance needs size in 2..{least}, the shortest side; got {size}")
    real, fake = _patches(truth, size), _patches(images, size)
    largest = float(np.linalg.eigvalsh(np.cov(real, rowvar=False))[-1])
    if not largest > 0:
        raise ValueError("patch_distance needs a truth that varies; all its patches are equal")
    return fid(real, fake) / largest


def _patches(images: np.ndarray, size: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    windows = windows[:, :: size // 2, :: size // 2]
    count = int(np.prod(windows.shape[:3]))
    chosen = np.unique(np.linspace(0, count - 1, min(count, PATCHES)).astype(np.int64))
    return windows[np.unravel_index(chosen, windows.shape[:3])].reshape(len(chosen), -1).astype(np.float64)


def _pair(caller: str, a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = (checked_images(value, f"{caller}: {name}").astype(np.float64) for name, value in (("a", a), ("b", b)))
    if x.shape != y.shape:
        raise ValueError(f"{caller} compares images with their truth, of one shape; got {x.shape} and {y.shape}")
    return x, y
