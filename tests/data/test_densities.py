"""Toy densities: each point a pure function of (seed, position)."""

import jax
import numpy as np
import pytest

from jaxgan import data

DENSITIES = [data.ring, data.grid, data.swiss_roll]


def draw(source, n, seed=0, first=0):
    return source.read(data.Draw(seed, np.arange(first, first + n), None))["x"]


@pytest.mark.parametrize("density", DENSITIES)
def test_a_point_does_not_know_its_batch(density):
    whole = np.asarray(draw(density(), 24))
    assert whole.dtype == np.float32
    for size in (1, 5, 8):
        at = data.batch_at(density(), size, seed=0)
        parts = np.concatenate([at(step)["x"] for step in range(-(-24 // size))])
        np.testing.assert_allclose(parts[:24], whole, atol=1e-6)  # the compiler may round otherwise


def test_points_are_made_on_the_device_and_are_all_different():
    x = draw(data.ring(), 1000)
    assert isinstance(x, jax.Array)
    assert len(np.unique(np.asarray(x), axis=0)) == 1000


def test_positions_beyond_32_bits_and_seeds_differ():
    x = [np.asarray(draw(data.ring(), 8, seed, first)) for seed, first in ((0, 0), (0, 2**32), (0, 2**33), (1, 0))]
    assert len({points.tobytes() for points in x}) == 4


def test_iterating_is_seeking():
    at = data.batch_at(data.grid(), 8, seed=2)
    for step, batch in zip(range(4, 8), data.batches(data.grid(), 8, seed=2, start=4), strict=False):
        np.testing.assert_array_equal(batch["x"], at(step)["x"])


@pytest.mark.parametrize("source", [data.ring(), data.ring(5, 1.0, 0.01), data.grid(), data.grid(3, 1.0, 0.02)])
def test_modes_are_equal_isotropic_normals(source):
    n, (centres, std) = 20_000, source.modes
    x = np.asarray(draw(source, n))
    nearest = ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
    count = np.bincount(nearest, minlength=len(centres))
    assert ((count - n / len(centres)) ** 2).sum() / (n / len(centres)) < 3 * len(centres)  # chi square
    offset = (x - centres[nearest]) / std
    np.testing.assert_allclose(offset.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(offset.T), np.eye(2), atol=0.04)
    share = (np.linalg.norm(offset, axis=1) < 3).mean()
    assert abs(share - (1 - np.exp(-4.5))) < 0.003  # 98.89 %


def test_ring_and_grid_centres():
    np.testing.assert_allclose(data.ring(4, 3.0).modes.centres, [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-6)
    assert len(np.unique(data.ring().modes.centres.round(4), axis=0)) == 8  # none twice, at 0 and 2 pi
    assert {tuple(c) for c in data.grid().modes.centres.tolist()} == {
        (a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)
    }


def test_swiss_roll_is_a_spiral():
    x = np.asarray(draw(data.swiss_roll(noise=0.0), 5000)) * 7.5
    t = np.linalg.norm(x, axis=1)
    assert 1.5 * np.pi <= t.min() < 1.51 * np.pi
    assert 4.49 * np.pi < t.max() <= 4.5 * np.pi + 1e-4
    np.testing.assert_allclose(x, t[:, None] * np.stack([np.cos(t), np.sin(t)], 1), atol=2e-4)
    np.testing.assert_allclose(np.histogram(t, 4)[0] / 5000, 0.25, atol=0.03)  # uniform along t
    noise = np.asarray(draw(data.swiss_roll(), 5000) - draw(data.swiss_roll(noise=0.0), 5000)) * 7.5
    np.testing.assert_allclose(noise.std(0), 0.25, atol=0.01)


def test_moons_are_half_circles_by_label_and_turn():
    n = 4000
    examples = data.batch_at(data.moons(noise=0.0), n, 0)(0)
    x, y = np.asarray(examples["x"]) + np.array([0.5, 0.25]), np.asarray(examples["y"])
    np.testing.assert_allclose(np.linalg.norm(x[y == 0], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(x[y == 1] - [1, 0.5], axis=1), 1, atol=1e-5)
    assert x[y == 0][:, 1].min() > -1e-5
    assert x[y == 1][:, 1].max() < 0.5 + 1e-5
    assert abs(y.mean() - 0.5) < 0.04
    assert y.dtype == np.int32
    angle = np.arccos(np.clip(x[y == 0][:, 0], -1, 1))
    np.testing.assert_allclose(np.histogram(angle, 4, (0, np.pi))[0] / (y == 0).sum(), 0.25, atol=0.04)
    turned = np.asarray(data.batch_at(data.moons(90.0, noise=0.0), n, 0)(0)["x"])
    plain = np.asarray(examples["x"])
    np.testing.assert_allclose(turned, np.stack([-plain[:, 1], plain[:, 0]], axis=1), atol=1e-5)
    noise = np.asarray(data.batch_at(data.moons(noise=0.2), n, 0)(0)["x"]) - plain
    np.testing.assert_allclose(noise.std(0), 0.2, atol=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.ring(modes=0), "ring needs modes >= 1"),
        (lambda: data.ring(radius=0.0), "radius > 0"),
        (lambda: data.ring(std=0.0), "std > 0; got 8, 2.0, 0.0"),
        (lambda: data.grid(side=0), "grid needs side >= 1"),
        (lambda: data.grid(spacing=-1.0), "spacing > 0"),
        (lambda: data.swiss_roll(noise=-1.0), "swiss_roll needs noise >= 0"),
        (lambda: data.swiss_roll(scale=0.0), "scale > 0"),
        (lambda: data.moons(noise=-0.1), "noise >= 0; got 0.0 and -0.1"),
        (lambda: data.moons(float("nan")), "a finite angle, in degrees"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
