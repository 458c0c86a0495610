"""Perceptual path length: linear generators in closed form in both spaces, outliers, batches, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.path_length import LatentPath, _spherical, path_length

A = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)


def generate(z):
    return z @ A


def squared(a, b):
    return jnp.sum((a - b) ** 2, axis=1)


def latents(n=50, seed=0):
    pair = np.random.default_rng(seed).normal(size=(2, n, 6))
    return pair.astype(np.float32)


@pytest.mark.parametrize("ends", ["full", "end"])
def test_straight_paths_of_a_linear_generator(key, ends):
    start, end = latents()
    exact = np.sum(((end - start).astype(float) @ A) ** 2, axis=1)  # the same everywhere on the path
    found = path_length(
        generate, squared, start, end, key, path=LatentPath(space="w", ends=ends, epsilon=1e-2), keep=(0, 100)
    )
    np.testing.assert_allclose(found.lengths, exact, rtol=1e-3)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-4)
    assert found.standard_error == pytest.approx(exact.std(ddof=1) / np.sqrt(50), rel=1e-3)
    assert found.kept == 50


@pytest.mark.parametrize("ends", ["full", "end"])
def test_arcs_of_an_isometry(key, ends):
    start, end = latents()
    start, end = (5.0 * z / np.linalg.norm(z, axis=1, keepdims=True) for z in (start, end))
    angle = np.arccos(np.sum(start * end, axis=1) / 25.0)
    found = path_length(lambda z: z, squared, start, end, key, path=LatentPath(ends=ends, epsilon=1e-2), keep=(0, 100))
    np.testing.assert_allclose(found.lengths, (2 * 5.0 * np.sin(angle * 1e-2 / 2) / 1e-2) ** 2, rtol=2e-3)


def test_the_published_epsilon_is_within_float32(key):
    start, end = latents(500)
    exact = np.sum(((end - start).astype(float) @ A) ** 2, axis=1)
    found = path_length(generate, squared, start, end, key, path=LatentPath(space="w"), keep=(0, 100))
    assert found.mean == pytest.approx(exact.mean(), rel=5e-3)


def test_arcs_pass_through_both_ends_and_keep_the_norm():
    start, end = latents()
    for t, expected in ((0.0, start), (1.0, end)):
        np.testing.assert_allclose(_spherical(start, end, jnp.full(50, t)), expected, atol=1e-5)
    half = np.linalg.norm(_spherical(start, end, jnp.full(50, 0.5)), axis=1)
    np.testing.assert_allclose(half, (np.linalg.norm(start, axis=1) + np.linalg.norm(end, axis=1)) / 2, rtol=1e-5)
    np.testing.assert_allclose(_spherical(start, 2 * start, jnp.full(50, 0.5)), 1.5 * start, rtol=1e-5)


def test_latents_of_any_rank_and_places_along_the_path(key):
    start, end = (z.reshape(50, 2, 3) for z in latents())
    flat = [z.reshape(50, 6) for z in (start, end)]
    curved = lambda z: jnp.sin(3.0 * z.reshape(-1, 6))  # noqa: E731
    for space in ("z", "w"):
        a = path_length(curved, squared, start, end, key, path=LatentPath(space=space))
        b = path_length(curved, squared, *flat, key, path=LatentPath(space=space))
        np.testing.assert_allclose(a.lengths, b.lengths, rtol=1e-4)
    at_start = path_length(
        curved, squared, *flat, key, path=LatentPath(space="w", ends="end", epsilon=1e-2), keep=(0, 100)
    )
    exact = np.sum((3 * np.cos(3 * flat[0]) * (flat[1] - flat[0])) ** 2, axis=1)
    assert at_start.mean == pytest.approx(exact.mean(), rel=0.05)
    full = path_length(curved, squared, *flat, key, path=LatentPath(space="w", epsilon=1e-2), keep=(0, 100))
    t = np.asarray(jax.random.uniform(jax.random.fold_in(key, 0), (50,)))[:, None] + 5e-3
    speed = 3 * np.cos(3 * (flat[0] + t * (flat[1] - flat[0]))) * (flat[1] - flat[0])
    assert full.mean == pytest.approx(np.sum(speed**2, axis=1).mean(), rel=0.01)


def test_outliers_are_rejected_as_published(key):
    start = np.zeros((200, 1), np.float32)
    end = np.sqrt(np.arange(1, 201, dtype=np.float32))[:, None]  # lengths 1..200
    found = path_length(lambda z: z, squared, start, end, key, path=LatentPath(space="w", ends="end", epsilon=1.0))
    assert found.kept == 198  # percentiles at ranks 1.99 -> 1 and 197.01 -> 198, counted from 0
    assert found.mean == pytest.approx(np.arange(2, 200).mean(), rel=1e-5)


def test_batches_do_not_change_the_figures(key):
    start, end = latents(7)
    whole = path_length(generate, squared, start, end, key)
    parts = path_length(generate, squared, start, end, key, batch_size=3)
    np.testing.assert_allclose(parts.lengths, whole.lengths, rtol=1e-2)
    still = path_length(generate, squared, start[:2], start[:2], key)
    assert (still.mean, still.kept) == (0.0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": latents(7)[0]}, r"one shape; got \(50, 6\) and \(7, 6\)"),
        ({"start": np.full((50, 6), np.nan, np.float32)}, "start latents hold 300 non-finite values of 300"),
        ({"start": np.zeros((50, 6), np.uint8)}, "start latents are uint8"),
        ({"path": LatentPath("x")}, "space 'z' or 'w'"),
        ({"path": LatentPath(epsilon=0.0)}, "epsilon > 0"),
        ({"keep": (99.0, 1.0)}, "low < high"),
        ({"distance": lambda a, b: jnp.sum((a - b) ** 2)}, r"distance must return \[B\]"),
        ({"generate": lambda z: jnp.log(-jnp.abs(z))}, "50 of 50 path lengths are not finite"),
    ],
)
def test_refuses(key, change, message):
    start, end = latents()
    arguments = {"generate": generate, "distance": squared, "start": start, "end": end} | change
    with pytest.raises(ValueError, match=message):
        path_length(**arguments, key=key)
