"""The Fréchet distance between two sets of features, each summarised by a Gaussian; on the host in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked_as_given
from jaxgan.metrics.moments import Moments, covariance, moments_of


def frechet_distance(mean_a: ArrayLike, covariance_a: ArrayLike, mean_b: ArrayLike, covariance_b: ArrayLike) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians: |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    The trace of (A B)^(1/2) is the sum of the roots of the eigenvalues of S B S with S = A^(1/2): both steps are
    symmetric eigenproblems, stable also where A and B are singular. (float32 is off by up to 1e-2 there.)

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> eye = np.eye(2)
      >>> round(jg.metrics.frechet_distance([0, 0], eye, [3, 4], eye), 6)  # a shift: 3^2 + 4^2
      25.0
      >>> round(jg.metrics.frechet_distance([0, 0], eye, [0, 0], 4 * eye), 6)  # twice as wide: (2 - 1)^2 in each of two
      2.0

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
    return _with_root(*a, _root(a[1]), *b)


def fid(real: ArrayLike, fake: ArrayLike) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features (unbiased covariances, float64).

    It is *the* FID only on Inception-v3 pool features; on any other features name them beside the number. It is
    biased upwards: for N = M samples of the same N(0, I_F) it is about (2 F + F (F + 1) / 2) / N, so compare only
    figures of equal sample sizes.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.random.default_rng(0).normal(size=(100, 4))
      >>> round(jg.metrics.fid(real, real), 6), round(jg.metrics.fid(real, real + 1.0), 6)  # 4 * 1^2
      (0.0, 4.0)

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
    a, b = checked_as_given(real, fake, least=2)
    if max(len(a), len(b)) > a.shape[1]:
        return fid_of_moments(moments_of(a), moments_of(b))
    # Fewer examples than features: tr((A B)^(1/2)) is the nuclear norm of the [N, M] cross-Gram of X, A = X^T X.
    mean_a, mean_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return _distance(mean_a - mean_b, np.sum(a * a) + np.sum(b * b), overlap)


def fid_of_moments(real: Moments, fake: Moments) -> float:
    """FID of two streams of features, from their moments alone.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.random.default_rng(0).normal(size=(100, 4))
      >>> round(jg.metrics.fid_of_moments(jg.metrics.moments_of(real), jg.metrics.moments_of(real + 1.0)), 6)
      4.0

    Args:
      real: moments of the features of real data, at least two; see `moments.add` and `moments.merge`.
      fake: moments of the features of samples, at least two.
    Returns:
      The same figure as `fid` of all features at once, up to rounding.
    Raises:
      ValueError: fewer than two examples, or different F.
    References:
      Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. 2017, eq. 6.
    """
    return frechet_distance(real.mean, covariance(real), fake.mean, covariance(fake))


class FIDInfinity(NamedTuple):
    """FID extrapolated to infinitely many samples."""

    value: float  # squared feature units; lower is better, and below 0 by chance
    standard_error: float  # of the fit over subsets: these overlap, so it understates; `bootstrap` does not


def fid_infinity(real: ArrayLike, fake: ArrayLike, seed: int, sizes: Sequence[int] | None = None) -> FIDInfinity:
    """FID for infinitely many samples: the intercept of a straight line fitted to FID over 1/M.

    The bias of FID falls as 1/M with a slope that depends on the generator, so figures of equal M may be ranked
    wrongly. The bias that stems from the finitely many *real* examples remains.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.random.default_rng(0).normal(size=(2, 1000, 4))  # two sets of one law
      >>> limit = jg.metrics.fid_infinity(*x, seed=0)
      >>> abs(limit.value) < jg.metrics.fid(*x)
      True

    Args:
      real: [N, F] features of real data, N >= 2.
      fake: [M, F] features of samples.
      seed: of the subsets of fake, each drawn without replacement (NumPy, on the host).
      sizes: of the subsets, each in 2..M, at least three different ones; by default 15 from M/10 to M (5,000 to
        50,000 in the paper). Sizes below F are outside of the range in which the bias is linear in 1/M.
    Returns:
      FIDInfinity.
    Raises:
      ValueError: sizes are out of range or too few, not rank 2, different F, or non-finite features.
    References:
      Chong, Forsyth. Effectively Unbiased FID and Inception Score and where to find them. 2020.
    """
    a, b = checked_as_given(real, fake, least=2)
    chosen = np.linspace(max(2, len(b) // 10), len(b), 15).astype(int) if sizes is None else np.asarray(sizes)
    if chosen.ndim != 1 or len(set(chosen.tolist())) < 3 or chosen.min() < 2 or chosen.max() > len(b):
        raise ValueError(f"need at least three different sizes in 2..M = {len(b)}; got {chosen.tolist()}")
    rng, of_real = np.random.default_rng(seed), moments_of(a)
    mean, spread = of_real.mean, covariance(of_real)
    root, figures = _root(spread), []
    for size in chosen:
        part = moments_of(b[rng.choice(len(b), size, replace=False)])
        figures.append(_with_root(mean, spread, root, part.mean, covariance(part)))
    import scipy.stats  # a second of start-up for whoever does not come here

    fit = scipy.stats.linregress(1.0 / chosen, figures)
    return FIDInfinity(float(fit.intercept), float(fit.intercept_stderr))


class ClassFID(NamedTuple):
    """FID within each class."""

    mean: float  # over the classes, all alike; lower is better
    classes: np.ndarray  # [K] the labels, ascending
    values: np.ndarray  # [K] float64, the FID of each


def class_fid(real: ArrayLike, real_labels: ArrayLike, fake: ArrayLike, fake_labels: ArrayLike) -> ClassFID:
    """Intra-class FID: FID between real data and samples of the same class, for each class.

    It sees what FID over all classes does not: a conditional generator that ignores its label. Classes are small, so
    the bias is large; compare only figures of equal numbers per class.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x, y = np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1])
      >>> x_swapped = x[::-1]  # the same set, and every label wrong
      >>> round(jg.metrics.fid(x, x_swapped), 6), round(jg.metrics.class_fid(x, y, x_swapped, y).mean, 6)
      (0.0, 100.0)

    Args:
      real: [N, F] features of real data, at least two of each class.
      real_labels: [N] integers.
      fake: [M, F] features of samples, at least two of each class.
      fake_labels: [M] integers, what the generator was asked for; the same classes.
    Returns:
      ClassFID.
    Raises:
      ValueError: labels do not fit, the classes differ, a class has fewer than two examples, or as `fid`.
    References:
      Miyato, Koyama. cGANs with Projection Discriminator. 2018 (intra FID).
    """
    a, b = checked_as_given(real, fake, least=2)
    of_a, of_b = np.asarray(real_labels), np.asarray(fake_labels)
    for name, labels, n in (("real", of_a, len(a)), ("fake", of_b, len(b))):
        if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"{name} labels must be [{n}] integers; got {labels.dtype} of shape {labels.shape}")
    classes = np.unique(of_a)
    if not np.array_equal(classes, np.unique(of_b)):
        odd = sorted(set(of_a.tolist()) ^ set(of_b.tolist()))
        raise ValueError(f"real and fake must have the same classes; only one of them has {odd}")
    few = [c for c in classes.tolist() if min(np.sum(of_a == c), np.sum(of_b == c)) < 2]
    if few:
        raise ValueError(f"need at least 2 real and 2 fake features of each class; too few of {few}")
    values = np.array([fid(a[of_a == c], b[of_b == c]) for c in classes])
    return ClassFID(float(values.mean()), classes, values)


def spatial_fid(real: ArrayLike, fake: ArrayLike, channels: int = 7) -> float:
    """sFID: FID on the first channels of a feature map, its positions kept, so that the layout of images counts.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> maps = np.random.default_rng(0).normal(size=(50, 2, 2, 8))
      >>> round(jg.metrics.spatial_fid(maps, maps + 1.0, channels=7), 6)  # 1 in each of 2 * 2 * 7
      28.0

    Args:
      real: [N, h, w, C] feature maps of real data, N >= 2; in the paper the 17x17 map of Inception's mixed_6 block.
      fake: [M, h, w, C] feature maps of samples, M >= 2.
      channels: how many channels enter, 1..C; 7 in the paper, so that 17 * 17 * 7 = 2023 is near the 2048 of FID.
    Returns:
      The distance in squared feature units, >= 0; lower is better.
    Raises:
      ValueError: not rank 4, different h, w or C, channels out of range, or as `fid`.
    References:
      Nash et al. Generating Images with Sparse Representations. 2021 (sFID).
    """
    a, b = np.asarray(real), np.asarray(fake)
    if a.ndim != 4 or b.ndim != 4 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"need feature maps [N, h, w, C] and [M, h, w, C]; got {a.shape} and {b.shape}")
    if not 1 <= channels <= a.shape[3]:
        raise ValueError(f"need 1 <= channels <= C = {a.shape[3]}; got {channels}")
    return fid(*(x[..., :channels].reshape(len(x), -1) for x in (a, b)))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T


def _with_root(
    mean_a: np.ndarray, covariance_a: np.ndarray, root_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root_a @ covariance_b @ root_a), 0.0, None)).sum()
    return _distance(mean_a - mean_b, np.trace(covariance_a) + np.trace(covariance_b), overlap)


def _distance(shift: np.ndarray, traces: float, overlap: float) -> float:
    return max(0.0, float(shift @ shift + traces - 2.0 * overlap))


def _gaussian(mean: ArrayLike, covariance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    m, c = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if m.ndim != 1 or c.shape != (m.size, m.size):
        raise ValueError(f"need a mean [F] and a square covariance [F, F]; got {m.shape} and {c.shape}")
    if not (np.isfinite(m).all() and np.isfinite(c).all()):
        raise ValueError("mean and covariance must be finite")
    return m, c
