"""Figures of translations: by hand, beside scikit-image's, and what blur, noise and shifts do to them."""

import numpy as np
import pytest
import skimage.metrics
from scipy import ndimage

from jaxgan import metrics

RNG = np.random.default_rng(0)
TRUTH = np.clip(ndimage.gaussian_filter(RNG.normal(size=(6, 32, 32, 1)), (0, 1, 1, 0)) * 2, -1, 1).astype(np.float32)


def test_psnr_is_scikit_images():
    other = np.clip(TRUTH + 0.1 * RNG.normal(size=TRUTH.shape), -1, 1).astype(np.float32)
    expected = np.mean(
        [skimage.metrics.peak_signal_noise_ratio(a, b, data_range=2) for a, b in zip(TRUTH, other, strict=True)]
    )
    assert metrics.psnr(other, TRUTH) == pytest.approx(expected, rel=1e-5)
    assert metrics.psnr(TRUTH, TRUTH) == np.inf


def test_gradient_energy_of_ramps():
    """A ramp of slope 2 beside one of 1, along one axis and the other."""
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[None, :, None, None] / 16, (1, 8, 8, 1))
    assert metrics.gradient_energy_ratio(2 * ramp, ramp) == pytest.approx(2)
    assert metrics.gradient_energy_ratio(2 * ramp, ramp, exponent=2.0) == pytest.approx(4)
    assert metrics.gradient_energy_ratio(2 * np.swapaxes(ramp, 1, 2), ramp) == pytest.approx(2)


def test_blur_and_noise_are_apart_and_a_shift_is_near():
    blurred = ndimage.gaussian_filter(TRUTH, (0, 2, 2, 0))
    noisy = TRUTH + 0.3 * RNG.normal(size=TRUTH.shape).astype(np.float32)
    shifted = np.roll(TRUTH, 4, axis=1)
    assert metrics.gradient_energy_ratio(blurred, TRUTH) < 0.5 < 1.5 < metrics.gradient_energy_ratio(noisy, TRUTH)
    far = [metrics.patch_distance(x, TRUTH) for x in (blurred, noisy)]
    assert metrics.patch_distance(TRUTH, TRUTH) == pytest.approx(0, abs=1e-6)
    assert metrics.patch_distance(shifted, TRUTH) < 0.2 * min(far)


def test_patch_distance_of_a_shift_of_the_mean_by_hand():
    """Flat patches have one component; a shift by half of its deviation is a distance of 1/4."""
    flat = np.repeat(RNG.normal(size=(400, 1, 1, 1)).astype(np.float32), 8, axis=1).repeat(8, axis=2)
    moved = metrics.patch_distance(flat + np.float32(0.5 * flat[:, 0, 0, 0].std()), flat)
    assert moved == pytest.approx(0.25, rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.psnr(TRUTH, TRUTH[:, :8]), "of one shape"),
        (lambda: metrics.psnr(TRUTH, TRUTH, data_range=0), "data_range > 0; got 0"),
        (lambda: metrics.gradient_energy_ratio(TRUTH, TRUTH, exponent=0.0), "exponent > 0; got 0.0"),
        (lambda: metrics.gradient_energy_ratio(TRUTH, np.zeros_like(TRUTH)), "all its images are constant"),
        (lambda: metrics.patch_distance(TRUTH, TRUTH, size=40), r"size in 2..32, .* got 40"),
        (lambda: metrics.patch_distance(TRUTH, np.zeros_like(TRUTH)), "all its patches are equal"),
        (lambda: metrics.patch_distance(TRUTH[0], TRUTH), r"must be \[N, H, W, C\]"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_posterior_samples_double_the_least_error_and_cost_three_decibels():
    """Gaussian denoising, y = x + sigma n: perception is bought with distortion, and how dear is known exactly.

    Signs in every combination have the moments of independent normals, so that what depends on those alone is exact:
    the posterior mean y / (1 + sigma^2) has the least error m = sigma^2 / (1 + sigma^2) and the variance 1 - m, its
    sample sqrt(m) farther has the law of x and the error 2 m (Blau, Michaeli 2018, theorem 2). The stretched mean has
    that law too, at m + (1 - sqrt(1 - m))^2: no more than the sample's.
    """
    sigma, pixel = 0.75, 0.25
    x, n, noise = (np.array(s).reshape(1, 2, 2, 2) for s in np.meshgrid([-1.0, 1], [-1.0, 1], [-1.0, 1], indexing="ij"))
    least = sigma**2 / (1 + sigma**2)  # 0.36
    mean = (x + sigma * n) / (1 + sigma**2)
    sample, stretched = mean + np.sqrt(least) * noise, mean / np.sqrt(1 - least)
    errors = [np.mean(np.square(made - x)) for made in (mean, sample, stretched)]
    np.testing.assert_allclose(errors, [0.36, 0.72, 0.36 + 0.2**2], rtol=1e-9)
    decibels = [metrics.psnr(pixel * made, pixel * x) for made in (mean, sample, stretched)]
    np.testing.assert_allclose(decibels[0] - np.array(decibels), 10 * np.log10([1, 2, 0.4 / 0.36]), atol=1e-5)
    apart = [metrics.fid(x.reshape(-1, 1), made.reshape(-1, 1)) for made in (mean, sample, stretched)]
    np.testing.assert_allclose(apart, [(8 / 7) * 0.2**2, 0, 0], atol=1e-6)  # unbiased variances of eight numbers
