"""Moves of images against definitions in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from jaxgan.augment import geometry

RNG = np.random.default_rng(1)


def mirrored(index, side):
    """A walk between two mirrors, step by step."""
    while not 0 <= index < side:
        index = -index if index < 0 else 2 * (side - 1) - index
    return index


def test_reflection_is_a_walk_between_two_mirrors():
    for side in (2, 3, 7):
        index = np.arange(-30, 31)
        expected = [mirrored(i, side) for i in index]
        np.testing.assert_array_equal(geometry.reflect(jnp.asarray(index), side), expected)


@pytest.mark.parametrize(("height", "width", "turns"), [(6, 6, (0, 1, 2, 3)), (4, 7, (0, 2))])
def test_blits_are_mirrored_then_turned_then_moved(height, width, turns):
    cases = list(itertools.product((False, True), turns, ((0, 0), (2, -1), (-3, 3))))
    x = RNG.normal(0, 1, (len(cases), height, width, 2)).astype(np.float32)
    flip, k, shift = (np.array([case[part] for case in cases]) for part in range(3))
    found = jax.jit(geometry.blit)(x, flip, k, shift)
    for n, (flipped, quarter, (down, right)) in enumerate(cases):
        image = np.rot90(np.fliplr(x[n]) if flipped else x[n], quarter)
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")
        expected = padded[3 - down : 3 - down + height, 3 - right : 3 - right + width]
        np.testing.assert_array_equal(found[n], expected)


def test_the_filter_is_scipys():
    np.testing.assert_array_equal(geometry.low_pass(), signal.firwin(12, 0.5, window=("kaiser", 4.0)))


def definition(image, matrix, shift):
    """The resampling of one channel, sum by sum, on a plane without ends."""
    taps = geometry.low_pass()
    height, width = image.shape

    def large(k, axis_value):
        """Sample k of a doubled signal, given its samples as a function of any whole number."""
        total = 0.0
        for t, weight in enumerate(taps):
            place = k + 5 - t
            if place % 2 == 0:
                total = total + 2 * weight * axis_value(place // 2)
        return total

    cache = {}

    def doubled(k, m):
        if (k, m) not in cache:
            row = lambda i: large(m, lambda j: image[mirrored(i, height), mirrored(j, width)])  # noqa: E731
            cache[k, m] = large(k, row)
        return cache[k, m]

    def moved(k, m):
        q = np.array([k / 2 - 0.25 - (height - 1) / 2, m / 2 - 0.25 - (width - 1) / 2]) - shift
        place = 2 * (matrix @ q + np.array([(height - 1) / 2, (width - 1) / 2])) + 0.5
        (i, j), (u, v) = np.floor(place).astype(int), place - np.floor(place)
        rows = [(1 - v) * doubled(a, j) + v * doubled(a, j + 1) for a in (i, i + 1)]
        return (1 - u) * rows[0] + u * rows[1]

    samples = {(k, m): moved(k, m) for k in range(-5, 2 * height + 5) for m in range(-5, 2 * width + 5)}
    return np.array(
        [
            [
                sum(taps[a] * taps[b] * samples[2 * i + a - 5, 2 * j + b - 5] for a in range(12) for b in range(12))
                for j in range(width)
            ]
            for i in range(height)
        ]
    )


def test_resampling_is_its_definition():
    """Reflection after the enlargement is reflection before it, because the filter is symmetric."""
    x = RNG.normal(0, 1, (2, 4, 6, 1)).astype(np.float32)
    matrix = np.array([[[0.8, -0.5], [0.6, 1.1]], [[1.3, 0.2], [-0.4, 0.7]]], np.float32)
    shift = np.array([[0.3, -1.7], [-2.2, 0.9]], np.float32)
    found = jax.jit(geometry.resample)(x, matrix, shift)
    for n in range(2):
        expected = definition(x[n, ..., 0].astype(float), matrix[n].astype(float), shift[n].astype(float))
        np.testing.assert_allclose(found[n, ..., 0], expected, atol=2e-4)


def wave(rows, columns):
    return np.cos(0.5 * rows + 0.2 * columns) + np.sin(0.15 * rows - 0.6 * columns)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.5])
def test_a_turned_wave_is_the_wave_at_turned_places(angle):
    height, width = 20, 24
    rows, columns = np.meshgrid(np.arange(height) - 9.5, np.arange(width) - 11.5, indexing="ij")
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([0.5, -1.25])
    x = wave(rows, columns)[None, ..., None].astype(np.float32)
    found = geometry.resample(x, jnp.asarray(matrix[None], jnp.float32), jnp.asarray(shift[None], jnp.float32))
    places = np.einsum("ab,bij->aij", matrix, np.stack([rows - shift[0], columns - shift[1]]))
    centre = (slice(7, -7), slice(8, -8))  # far from what is reflected
    np.testing.assert_allclose(found[0, ..., 0][centre], wave(*places)[centre], atol=0.08)


def test_constants_stay_and_every_pixel_has_a_gradient():
    x = jnp.full((1, 6, 8, 3), 0.7)
    matrix, shift = jnp.array([[[0.9, -0.4], [0.5, 1.2]]]), jnp.array([[0.2, 3.3]])
    resample = jax.jit(geometry.resample)
    np.testing.assert_allclose(resample(x, matrix, shift), x, atol=1e-5)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(geometry.resample(x, matrix, shift))))(x)
    direction = jnp.asarray(RNG.normal(0, 1, x.shape), jnp.float32)
    expected = jnp.sum(resample(direction, matrix, shift))  # linear in x
    np.testing.assert_allclose(jnp.sum(slope * direction), expected, rtol=1e-3)
    assert (np.abs(slope) > 0).mean() > 0.9


def test_turning_there_and_back_keeps_detail():
    """A wave at about half of the highest frequency, turned by 45 degrees twice; bilinear reading alone keeps 0.71."""
    columns = np.tile(np.arange(32), (32, 1))
    x = np.cos(1.5 * columns)[None, ..., None].astype(np.float32)
    turn = lambda a: jnp.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]], jnp.float32)  # noqa: E731
    there = geometry.resample(jnp.asarray(x), turn(np.pi / 4), jnp.zeros((1, 2)))
    back = geometry.resample(there, turn(-np.pi / 4), jnp.zeros((1, 2)))
    centre = (0, slice(12, 20), slice(12, 20), 0)
    kept = float(np.sum(np.asarray(back[centre]) * x[centre]) / np.sum(x[centre] ** 2))
    assert kept > 0.85
