"""Singular vectors: with them a layer here is divided by the same number as the authors' layer.

Ours is divided by ||W u||, theirs by a number that one step more of the power iteration gives (BigGAN), or that two
stored vectors give (PyTorch's `spectral_norm`). Where the iteration has converged all agree; so that they do before
too, u is turned, as little as that takes.
"""

from __future__ import annotations

import numpy as np


def vector(matrix: np.ndarray, u: np.ndarray, sigma: float) -> np.ndarray:
    """Turns u until ||W u|| is sigma.

    Args:
      matrix: W [R, C], as `SpectralNorm` sees a layer's weights.
      u: [C], where to begin.
      sigma: between the least and the largest singular value of W on the way from u.
    Returns:
      [C], of norm 1.
    Raises:
      ValueError: no direction gives sigma.
    """
    wide, u = matrix.astype(np.float64), u.astype(np.float64) / max(float(np.linalg.norm(u)), 1e-30)
    tall = wide.shape[0] >= wide.shape[1]
    values, directions = np.linalg.eigh(wide.T @ wide if tall else wide @ wide.T)
    larger = np.linalg.norm(wide @ u) < sigma
    end = directions[:, -1 if larger else 0]
    end = end if tall else wide.T @ end / max(float(np.linalg.norm(wide.T @ end)), 1e-30)
    end = end if end @ u >= 0 else -end
    least, most = np.sqrt(max(values[0], 0.0)), np.sqrt(max(values[-1], 0.0))
    if not least * (1 - 1e-5) <= sigma <= most * (1 + 1e-5):
        raise ValueError(
            f"a layer is divided by {sigma:.4g}, and its weights have singular values from {least:.4g} to {most:.4g}: "
            "its vectors are not of these weights; call the authors' network once in training, and save it again"
        )
    low, high = 0.0, 1.0
    for _ in range(60):  # ||W u|| is between its two ends, and continuous
        middle = (low + high) / 2
        now = (1 - middle) * u + middle * end
        now /= np.linalg.norm(now)
        if (np.linalg.norm(wide @ now) < sigma) == larger:
            low = middle
        else:
            high = middle
    turned = (1 - high) * u + high * end
    return (turned / np.linalg.norm(turned)).astype(np.float32)


def iterated(matrix: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Returns the vector of a layer of BigGAN-PyTorch or mimicry's own: sigma = ||W^T v||, v = W u / ||W u||.

    Args:
      matrix: W [R, C].
      u: [C], as stored.
    Returns:
      [C], of norm 1.
    """
    wide, u = matrix.astype(np.float64), u.astype(np.float64)
    v = wide @ u
    v /= max(float(np.linalg.norm(v)), 1e-12)
    return vector(matrix, wide.T @ v, float(np.linalg.norm(wide.T @ v)))


def paired(matrix: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Returns the vector of a layer of PyTorch's `spectral_norm`: sigma = v^T W u of both stored vectors.

    Args:
      matrix: W [R, C].
      u: [C], as stored.
      v: [R], as stored.
    Returns:
      [C], of norm 1.
    """
    return vector(matrix, u, float(v.astype(np.float64) @ matrix.astype(np.float64) @ u.astype(np.float64)))
