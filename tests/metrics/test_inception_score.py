"""Inception score: its bounds, by hand, splits, zeros, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.inception_score import inception_score


def test_bounds():
    certain = np.tile(np.eye(7), (20, 1))
    assert inception_score(certain, splits=1) == (pytest.approx(7.0, rel=1e-12), 0.0)
    assert inception_score(certain, splits=20) == (pytest.approx(7.0), pytest.approx(0.0, abs=1e-12))
    assert inception_score(np.eye(7)[np.zeros(140, int)], splits=5) == (1.0, 0.0)
    assert inception_score(np.full((140, 7), 1 / 7), splits=5).mean == pytest.approx(1.0, rel=1e-12)
    rng = np.random.default_rng(0)
    assert 1.0 < inception_score(rng.dirichlet(np.full(7, 0.3), size=200)).mean < 7.0


def test_by_hand():
    p = [[0.75, 0.25], [0.25, 0.75]]  # marginal 1/2, 1/2
    expected = np.exp(0.75 * np.log(1.5) + 0.25 * np.log(0.5))
    assert inception_score(p, splits=1).mean == pytest.approx(expected, rel=1e-13)


def test_each_split_has_its_own_marginal():
    p = np.eye(4)[np.repeat([0, 1, 2, 3], 5)]  # sorted by class: within a split there is one class
    assert inception_score(p, splits=4) == (1.0, 0.0)
    assert inception_score(p, splits=1).mean == pytest.approx(4.0)
    scores = [1.0, 2.0]  # the last half sees two classes
    q = np.concatenate([p[:10] * 0 + np.eye(4)[0], np.eye(4)[[2, 3] * 5]])
    assert inception_score(q, splits=2) == (pytest.approx(np.mean(scores)), pytest.approx(np.std(scores)))


def test_a_remainder_is_spread_over_the_splits_and_lost_to_none():
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=11)

    def score(part):
        marginal = part.mean(axis=0)
        return np.exp(np.mean([sum(a * np.log(a / m) for a, m in zip(row, marginal, strict=True)) for row in part]))

    found = inception_score(p, splits=4)
    expected = [score(part) for part in (p[0:2], p[2:5], p[5:8], p[8:11])]
    assert found == (pytest.approx(np.mean(expected), rel=1e-12), pytest.approx(np.std(expected), rel=1e-12))


def test_probabilities_of_a_softmax_in_float32_and_half_precision():
    logits = jax.random.normal(jax.random.key(0), (300, 50)) * 4.0
    found = [inception_score(jax.nn.softmax(logits.astype(dtype))).mean for dtype in (jnp.float32, jnp.float16)]
    assert found[1] == pytest.approx(found[0], rel=1e-2)


@pytest.mark.parametrize(
    ("p", "splits", "message"),
    [
        (np.eye(3) * 0.9, 1, "rows must sum to 1; 3 of 3 do not, by up to 0.1"),
        (np.eye(3) * 3.0 - 1.0, 1, r"lie in \[0, 1\]; 9 of 9 do not \(are these logits\?\)"),
        ([[0.5, 0.5], [np.nan, 1.0]], 1, "1 of 4 do not"),
        (np.eye(3), 4, "1 <= splits <= N = 3; got 4"),
        (np.eye(3), 0, "got 0"),
        (np.ones(3), 1, r"\[N, K\], not empty; got shape \(3,\)"),
        (np.ones((0, 3)), 1, r"not empty; got shape \(0, 3\)"),
    ],
)
def test_refuses(p, splits, message):
    with pytest.raises(ValueError, match=message):
        inception_score(p, splits)
