"""DiffAugment against definitions in NumPy, its draws, and what the generator learns through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgan.augment import diffaugment
from jaxgan.augment.differentiable import adjust_color, translate
from tests.augment.conftest import turn

RNG = np.random.default_rng(0)
N = 2000  # draws in a Monte Carlo test


def images(shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_color_is_its_definition(channels):
    x = images((3, 4, 6, channels))
    brightness, saturation, contrast = RNG.uniform(0, 2, (3, 3)).astype(np.float32)
    found = adjust_color(jnp.asarray(x), *map(jnp.asarray, (brightness, saturation, contrast)))
    for n in range(3):
        image = x[n].astype(float) + brightness[n]
        for i in range(4):
            for j in range(6):
                grey = sum(image[i, j]) / channels
                image[i, j] = [grey + saturation[n] * (value - grey) for value in image[i, j]]
        expected = (image - image.mean()) * contrast[n] + image.mean()
        np.testing.assert_allclose(found[n], expected, atol=1e-5)


def test_translation_is_its_definition():
    x = images((4, 5, 7, 2))
    shift = np.array([[0, 0], [2, -3], [-1, 3], [-2, 0]])
    found = jax.jit(translate, static_argnums=2)(x, jnp.asarray(shift), (2, 3))
    for n, (down, right) in enumerate(shift):
        for i in range(5):
            for j in range(7):
                inside = 0 <= i - down < 5 and 0 <= j - right < 7
                np.testing.assert_array_equal(found[n, i, j], x[n, i - down, j - right] if inside else np.zeros(2))


def test_color_draws_from_the_papers_ranges():
    """A constant image shows brightness alone, one channel contrast, chroma around grey 0 contrast x saturation."""
    color = jax.jit(lambda x: diffaugment("color")(x, turn(), "real"))
    brightness = np.asarray(color(jnp.zeros((N, 2, 2, 1)))[:, 0, 0, 0])
    assert stats.kstest(brightness, "uniform", (-0.5, 1.0)).pvalue > 1e-3
    signs = jnp.array([-1.0, 1.0]).reshape(1, 2, 1, 1) * jnp.ones((N, 2, 2, 1))
    seen = np.asarray(color(signs)[:, :, 0, 0])
    contrast = (seen[:, 1] - seen[:, 0]) / 2
    assert stats.kstest(contrast, "uniform", (0.5, 1.0)).pvalue > 1e-3
    chroma = jnp.array([-1.0, 0.0, 1.0]).reshape(1, 1, 1, 3) * jnp.ones((N, 2, 2, 3))
    seen = np.asarray(color(chroma)[:, 0, 0])
    saturation = (seen[:, 2] - seen[:, 0]) / 2 / contrast  # the same keys, so the same contrast
    assert stats.kstest(saturation, "uniform", (0.0, 2.0)).pvalue > 1e-3
    draws = np.corrcoef([brightness, contrast, saturation])
    assert np.abs(draws - np.eye(3)).max() < 4 / N**0.5  # none repeats another's


def test_translation_is_uniform_over_an_eighth_of_each_side():
    x = jnp.zeros((N, 16, 24, 1)).at[:, 8, 12].set(1.0)
    seen = np.asarray(jax.jit(lambda x: diffaugment("translation")(x, turn(), "real"))(x))[..., 0]
    _, rows, columns = np.nonzero(seen)
    counts = np.zeros((5, 7))
    np.add.at(counts, (rows - 6, columns - 9), 1)
    assert counts.sum() == N  # never beyond two rows and three columns, and every pixel is still there
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 10)])
def test_cutout_is_a_box_of_half_the_sides_around_a_uniform_centre(height, width):
    x = jnp.ones((N, height, width, 2))
    seen = np.asarray(jax.jit(lambda x: diffaugment("cutout")(x, turn(), "fake"))(x))
    erased = seen[..., 0] == 0
    np.testing.assert_array_equal(seen[..., 1] == 0, erased)
    for axis, side in ((2, height), (1, width)):  # a box is any row's columns and any column's rows
        line = erased.any(axis=axis)
        box = round(side / 2)
        centres = range(side + 1 - box % 2)
        possible = [tuple(c - box // 2 <= i < c - box // 2 + box for i in range(side)) for c in centres]
        counts = dict.fromkeys(possible, 0)
        for row in map(tuple, line.tolist()):
            counts[row] += 1  # fails where the box is none of these
        expected = np.array([possible.count(edges) for edges in counts]) / len(possible) * N
        assert stats.chisquare(list(counts.values()), expected).pvalue > 1e-3
    np.testing.assert_array_equal(erased, erased.any(axis=2)[:, :, None] & erased.any(axis=1)[:, None, :])


@pytest.mark.parametrize("shape", [(8, 8, 8, 1), (8, 6, 10, 3), (8, 8, 4, 5)])
def test_draws_belong_to_examples_of_the_global_batch(shape):
    augment = jax.jit(
        lambda x, examples, use: diffaugment("color", "translation", "cutout")(x, turn(examples), use),
        static_argnums=2,
    )
    x = jnp.asarray(images(shape))
    whole = augment(x, jnp.arange(8), "real")
    assert whole.shape == x.shape
    part = augment(x[6:], jnp.arange(6, 8), "real")
    np.testing.assert_allclose(whole[6:], part, atol=1e-6)
    assert not np.allclose(whole, augment(x, jnp.arange(8), "fake"))
    same = augment(jnp.broadcast_to(x[:1], shape), jnp.arange(8), "real")
    assert len(np.unique(np.asarray(same).reshape(8, -1), axis=0)) == 8


def test_the_generator_learns_through_it():
    """Every transform is affine in x, so that a directional derivative is a difference."""
    x, direction = (jnp.asarray(images((4, 8, 8, 3))) for _ in range(2))
    augment = lambda x: diffaugment("color", "translation", "cutout")(x, turn(), "fake")  # noqa: E731
    weights = jnp.asarray(images((4, 8, 8, 3)))
    slope = jax.jit(jax.grad(lambda x: jnp.sum(weights * augment(x))))(x)
    difference = jnp.sum(weights * (augment(x + direction) - augment(x)))
    np.testing.assert_allclose(jnp.sum(slope * direction), difference, rtol=1e-3)
    assert float(jnp.abs(slope).sum()) > 1


def test_policies_apply_in_the_order_of_their_names():
    x = jnp.ones((2, 8, 8, 1))
    first = diffaugment("cutout", "color")(x, turn(), "real")
    last = diffaugment("color", "cutout")(x, turn(), "real")
    assert (np.asarray(last) == 0).any()
    assert not (np.asarray(first) == 0).any()


def test_bad_input():
    with pytest.raises(ValueError, match="knows 'color', 'translation', 'cutout'; got 'colour'"):
        diffaugment("colour")
    with pytest.raises(ValueError, match="got none"):
        diffaugment()
    with pytest.raises(ValueError, match=r"takes images \[B, H, W, C\].*got shape \(4, 2\)"):
        diffaugment("color")(jnp.ones((4, 2)), turn(), "real")
