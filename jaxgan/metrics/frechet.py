"""The Fréchet distance between two sets of features, each summarised by a Gaussian; on the host in float64."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked


def frechet_distance(mean_a: ArrayLike, covariance_a: ArrayLike, mean_b: ArrayLike, covariance_b: ArrayLike) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians: |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    The trace of (A B)^(1/2) is the sum of the roots of the eigenvalues of S B S with S = A^(1/2): both steps are
    symmetric eigenproblems, stable also where A and B are singular. (float32 is off by up to 1e-2 there.)

    Args:
      mean_a: [F].
      covariance_a: [F, F], symmetric, positive semi-definite.
      mean_b: [F].
      covariance_b: [F, F], symmetric, positive semi-definite.
    Returns:
      The distance in squared feature units, >= 0; lower is better, 0 only for equal Gaussians.
    Raises:
      ValueError: shapes do not fit together, or a value is not finite.
    References:
      Dowson, Landau. The Frechet distance between multivariate normal distributions. 1982, eq. 4.
      Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. 2017, eq. 6.
    """
    a, b = _gaussian(mean_a, covariance_a), _gaussian(mean_b, covariance_b)
    if a[0].shape != b[0].shape:
        raise ValueError(f"the two Gaussians must have the same F; got {a[0].size} and {b[0].size}")
    values, vectors = np.linalg.eigh(a[1])
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b[1] @ root), 0.0, None)).sum()
    return _distance(a[0] - b[0], np.trace(a[1]) + np.trace(b[1]), overlap)


def fid(real: ArrayLike, fake: ArrayLike) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features (unbiased covariances, float64).

    It is *the* FID only on Inception-v3 pool features; on any other features name them beside the number. It is
    biased upwards: for N = M samples of the same N(0, I_F) it is about (2 F + F (F + 1) / 2) / N, so compare only
    figures of equal sample sizes.

    Args:
      real: [N, F] features of real data, N >= 2.
      fake: [M, F] features of samples, M >= 2.
    Returns:
      The distance in squared feature units, >= 0; lower is better.
    Raises:
      ValueError: not rank 2, different F, fewer than two examples, or non-finite features.
    References:
      Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. 2017, eq. 6.
    """
    a, b = checked(real, fake, least=2)
    mean_a, mean_b = a.mean(0), b.mean(0)
    if max(len(a), len(b)) > a.shape[1]:
        return frechet_distance(mean_a, _covariance(a), mean_b, _covariance(b))
    # Fewer examples than features: tr((A B)^(1/2)) is the nuclear norm of the [N, M] cross-Gram of X, A = X^T X.
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return _distance(mean_a - mean_b, np.sum(a * a) + np.sum(b * b), overlap)


def _distance(shift: np.ndarray, traces: float, overlap: float) -> float:
    return max(0.0, float(shift @ shift + traces - 2.0 * overlap))


def _covariance(x: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.cov(x, rowvar=False))


def _gaussian(mean: ArrayLike, covariance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    m, c = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if m.ndim != 1 or c.shape != (m.size, m.size):
        raise ValueError(f"need a mean [F] and a square covariance [F, F]; got {m.shape} and {c.shape}")
    if not (np.isfinite(m).all() and np.isfinite(c).all()):
        raise ValueError("mean and covariance must be finite")
    return m, c
