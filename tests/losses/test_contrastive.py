"""Contrastive losses: against loops over pairs, at their extremes, and where a naive form overflows."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.losses.contrastive import conditional_contrastive, data_to_data

RNG = np.random.default_rng(0)


def unit(n, width=4):
    x = RNG.normal(size=(n, width))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


H, P, Y = unit(6), unit(6), np.array([0, 0, 1, 2, 1, 0], np.int32)


def test_conditional_contrastive_by_loops():
    total = 0.0
    for i in range(6):
        own = math.exp(H[i] @ P[i] / 0.3)
        pairs = {j: math.exp(H[i] @ H[j] / 0.3) for j in range(6) if j != i}
        same = sum(v for j, v in pairs.items() if Y[j] == Y[i])
        total += -math.log((own + same) / (own + sum(pairs.values())))
    assert float(conditional_contrastive(H, P, Y, temperature=0.3)) == pytest.approx(total / 6, rel=1e-5)


def test_data_to_data_by_loops():
    total = 0.0
    for i in range(6):
        own = math.exp(min(0.0, H[i] @ P[i] - 0.8) / 0.3)
        others = [math.exp(max(0.0, H[i] @ H[j] - 0.2) / 0.3) for j in range(6) if Y[j] != Y[i]]
        total += -math.log(own / (own + sum(others)))
    found = data_to_data(H, P, Y, temperature=0.3, margin=0.8)
    assert float(found) == pytest.approx(total / 6, rel=1e-5)


def test_one_class_has_nothing_to_be_told_from():
    same = np.zeros(6, np.int32)
    assert float(conditional_contrastive(H, P, same)) == pytest.approx(0.0, abs=1e-6)
    assert float(data_to_data(H, P, same)) == pytest.approx(0.0, abs=1e-6)


def test_easy_examples_give_no_gradient():
    """Near enough to the own class and far enough from the others, D2D-CE stands still; 2C never does."""
    h = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    y = np.array([0, 1], np.int32)
    still = jax.grad(lambda h: data_to_data(h, h, y, margin=0.9))(jnp.asarray(h) * 0.95)
    np.testing.assert_allclose(still, 0, atol=1e-7)
    moving = jax.grad(lambda h: conditional_contrastive(h, h, y))(jnp.asarray(h))
    assert np.abs(moving).max() > 0.01


@pytest.mark.parametrize("loss", [conditional_contrastive, data_to_data])
def test_small_temperatures_are_finite(loss):
    value, slope = jax.value_and_grad(lambda h: loss(h, P, Y, temperature=1e-3))(jnp.asarray(H))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("loss", [conditional_contrastive, data_to_data])
def test_refusals(loss):
    with pytest.raises(ValueError, match=r"embedding and proxy \[B, E\] and integer labels \[B\]"):
        loss(H, P[:3], Y)
    with pytest.raises(ValueError, match=r"integer labels"):
        loss(H, P, Y.astype(np.float32))
    with pytest.raises(ValueError, match=r"temperature > 0; got 0"):
        loss(H, P, Y, temperature=0)


def test_the_margin_is_a_cosine():
    with pytest.raises(ValueError, match="margin"):
        data_to_data(H, P, Y, margin=1.5)
