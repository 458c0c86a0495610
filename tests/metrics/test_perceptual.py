"""Perceptual distance: by loops in float64, weights, scale invariance of features, gradients, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.perceptual import perceptual_distance

FILTERS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def maps(x):
    return [jnp.tanh(x @ FILTERS), jnp.abs(x[:, ::2, ::2] @ FILTERS[:, :4]) + 0.1]


def images(n=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, 6, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
def test_against_loops(weighted):
    a, b = images(), images(seed=1)
    weights = [np.arange(5.0, dtype=np.float32), np.array([0.5, 0.0, 2.0, 1.0], np.float32)]
    expected = np.zeros(2)
    for layer, (f, g) in enumerate(zip(maps(a), maps(b), strict=True)):
        f, g = np.asarray(f, np.float64), np.asarray(g, np.float64)
        for n, i, j in np.ndindex(f.shape[:3]):
            difference = f[n, i, j] / np.linalg.norm(f[n, i, j]) - g[n, i, j] / np.linalg.norm(g[n, i, j])
            w = weights[layer] if weighted else np.ones(f.shape[3])
            expected[n] += w @ difference**2 / (f.shape[1] * f.shape[2])
    found = perceptual_distance(maps, a, b, weights if weighted else None)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_equal_images_and_scaled_features():
    a, b = images(), images(seed=1)
    assert perceptual_distance(maps, a, a).tolist() == [0.0, 0.0]
    scaled = perceptual_distance(lambda x: [7.0 * f for f in maps(x)], a, b)
    np.testing.assert_allclose(scaled, perceptual_distance(maps, a, b), rtol=1e-5)
    opposite = perceptual_distance(lambda x: [x], a, -a)  # 2 everywhere along one line: |u - (-u)|^2 = 4
    np.testing.assert_allclose(opposite, 4.0, rtol=1e-5)


def test_half_precision_is_floating_too():
    a, b = (jnp.asarray(x, jnp.bfloat16) for x in (images(), images(seed=1)))
    found = perceptual_distance(lambda x: [x.astype(jnp.float32)], a, b)
    np.testing.assert_allclose(found, perceptual_distance(lambda x: [x], images(), images(seed=1)), rtol=0.05)


def test_gradients_are_finite_where_features_vanish():
    zero = jnp.zeros((1, 4, 4, 3))
    for a, b in ((zero, zero), (zero, images(1)[:, :4, :4])):
        gradient = jax.jit(jax.grad(lambda x: perceptual_distance(lambda x: [x], x, b).sum()))(a)  # noqa: B023
        assert np.isfinite(gradient).all()
    assert perceptual_distance(lambda x: [x], zero, zero).tolist() == [0.0]


@pytest.mark.parametrize(
    ("a", "b", "of", "weights", "message"),
    [
        (images(), images(1), maps, None, "one shape"),
        (images(), np.zeros((2, 6, 8, 3), np.uint8), maps, None, "uint8.*from_uint8"),
        (images(), images() * np.nan, maps, None, "second images hold 288 non-finite values of 288"),
        (images(), images(), lambda x: [], None, "maps must return"),
        (images(), images(), lambda x: [x.mean((1, 2))], None, r"\[2, h, w, F\] arrays; got \[\(2, 3\)\]"),
        (images(), images(), maps, [np.ones(5), np.ones(5)], "need weights of"),
        (images(), images(), maps, [np.ones(5)], "need weights of"),
    ],
)
def test_refuses(a, b, of, weights, message):
    with pytest.raises(ValueError, match=message):
        perceptual_distance(of, a, b, weights)
