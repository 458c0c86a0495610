"""SSIM and MS-SSIM against independent float64 definitions; diversity of copies, of noise, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from jaxgan.metrics.ms_ssim import WEIGHTS, diversity, ms_ssim, scales, ssim


def images(n, height=32, width=32, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(n, height, width, channels)), (0, 2, 2, 0))
    return np.clip(3.0 * smooth + 0.1 * rng.normal(size=smooth.shape), -1, 1).astype(np.float32)


def maps(a, b, data_range):
    """SSIM and contrast-structure maps of two [H, W] images by a 2-D window with explicit moments."""
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    smooth = lambda x: signal.convolve2d(x, window, mode="valid")  # noqa: E731
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    ma, mb = smooth(a), smooth(b)
    va, vb, ab = smooth(a * a) - ma**2, smooth(b * b) - mb**2, smooth(a * b) - ma * mb
    structure = (2 * ab + c2) / (va + vb + c2)
    return (2 * ma * mb + c1) / (ma**2 + mb**2 + c1) * structure, structure


def reference(a, b, levels, data_range=2.0):
    """MS-SSIM of two [H, W] images."""
    weights = np.array(WEIGHTS[:levels]) / sum(WEIGHTS[:levels])
    result = 1.0
    for n, weight in enumerate(weights):
        whole, structure = maps(a, b, data_range)
        result *= max(0.0, (whole if n == levels - 1 else structure).mean()) ** weight
        a, b = (
            ndimage.uniform_filter(x, 2, origin=-1)[: x.shape[0] // 2 * 2 : 2, : x.shape[1] // 2 * 2 : 2]
            for x in (a, b)
        )
    return result


@pytest.mark.parametrize(("shape", "data_range"), [((32, 32, 3), 2.0), ((11, 19, 1), 1.0)])
def test_ssim_against_definition(shape, data_range):
    a, b = images(3, *shape), 0.7 * images(3, *shape) + 0.3 * images(3, *shape, seed=1)
    found = ssim(a, b, data_range)
    for n in range(3):
        expected = np.mean(
            [maps(*(x[n, ..., c].astype(float) for x in (a, b)), data_range)[0].mean() for c in range(shape[2])]
        )
        assert found[n] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("height", "width", "levels"), [(176, 180, 5), (47, 61, 3), (32, 32, 2), (32, 32, 1)])
def test_ms_ssim_against_definition(height, width, levels):
    a = images(2, height, width, 2)
    b = np.clip(0.8 * a + 0.4 * images(2, height, width, 2, seed=1), -1, 1)
    found = ms_ssim(a, b, levels=levels)
    for n in range(2):
        expected = np.mean(
            [reference(a[n, ..., c].astype(float), b[n, ..., c].astype(float), levels) for c in range(2)]
        )
        assert 0.1 < expected < 0.95
        assert found[n] == pytest.approx(expected, abs=2e-5)


def test_levels_by_size():
    assert [scales(n, 1000) for n in (11, 21, 22, 44, 88, 175, 176, 1024)] == [1, 1, 2, 3, 4, 4, 5, 5]
    a, b = images(2), images(2, seed=1)
    np.testing.assert_array_equal(ms_ssim(a, b), ms_ssim(a, b, levels=2))


def test_constants_have_a_closed_form():
    a, b = np.full((1, 32, 32, 1), 0.5, np.float32), np.full((1, 32, 32, 1), -0.2, np.float32)
    luminance = (2 * 0.5 * -0.2 + 0.02**2) / (0.25 + 0.04 + 0.02**2)
    assert ssim(a, b)[0] == pytest.approx(luminance, abs=1e-5)  # negative
    assert ms_ssim(a, b)[0] == 0.0
    assert ms_ssim(a, a)[0] == pytest.approx(1.0, abs=1e-5)


def test_opposites_are_zero_with_finite_gradients():
    a = images(1)
    for b in (-a, np.zeros_like(a), a):
        gradient = jax.grad(lambda x: ms_ssim(x, b).sum())(jnp.asarray(a))  # noqa: B023
        assert np.isfinite(gradient).all()
    assert ms_ssim(a, -a)[0] == 0.0


def test_diversity(key):
    copies = np.repeat(images(1), 5, axis=0)
    found = diversity(copies, key, pairs=70)
    assert found == (pytest.approx(1.0, abs=1e-5), pytest.approx(0.0, abs=1e-6), 2)
    noise = np.random.default_rng(0).uniform(-1, 1, size=(20, 32, 32, 1)).astype(np.float32)
    assert diversity(noise, key, pairs=100).mean < 0.2 < diversity(0.1 * noise + copies[0] * 0.9, key, pairs=100).mean


def test_diversity_is_the_mean_over_pairs_of_different_images(key):
    x = images(3)
    exact = np.asarray(ms_ssim(x[[0, 0, 1]], x[[1, 2, 2]]))
    found = diversity(x, key, pairs=2000)
    assert found.standard_error == pytest.approx(exact.std() / np.sqrt(2000), rel=0.1)
    assert found.mean == pytest.approx(exact.mean(), abs=4 * found.standard_error)
    pair = diversity(x[:2], key, pairs=5)
    assert pair.mean == pytest.approx(float(exact[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        (images(1), {}, "at least 2 images; got 1"),
        ((images(2) * 100).astype(np.uint8), {}, "uint8.*from_uint8"),
        (np.full((2, 16, 16, 1), np.inf, np.float32), {}, "512 non-finite values of 512"),
        (images(2) * 255, {}, r"pixels in \[-1, 1\]"),
        (images(2, 10, 40), {}, "11x11 pixels or more; got 10x40"),
        (images(2), {"levels": 3}, r"levels must lie in 1\.\.2 for images of 32x32"),
        (images(2), {"pairs": 0}, "pairs >= 1"),
    ],
)
def test_diversity_refuses(key, x, kwargs, message):
    with pytest.raises(ValueError, match=message):
        diversity(x, key, **kwargs)


def test_pairs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \(2, 32, 32, 1\), \(1, 32, 32, 1\)"):
        ssim(images(2), images(1))
    with pytest.raises(ValueError, match="data_range > 0"):
        ms_ssim(images(2), images(2), data_range=0.0)
    with pytest.raises(ValueError, match="second images are int32"):
        jax.jit(ssim)(images(2), jnp.zeros((2, 32, 32, 1), jnp.int32))
