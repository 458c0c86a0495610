"""Figures of sequences against arithmetic."""

import numpy as np
import pytest

import jaxgan as jg
from jaxgan.metrics import Point


def test_validity_without_any():
    shares = jg.metrics.validity(["a", "b"], lambda s: False)
    assert shares[:2] == (0.0, 0.0)
    assert np.isnan(shares.novel)
    with pytest.raises(ValueError, match="one sample or more"):
        jg.metrics.validity([], lambda s: True)


def test_ngram_divergence_by_hand():
    """Bigrams (0,1), (1,0) against (0,1), (0,1): p = (1/2, 1/2), q = (1, 0)."""
    a, b = np.array([[0, 1, 0]]), np.array([[0, 1], [0, 1]])
    p, q = np.array([0.5, 0.5]), np.array([1.0, 1e-300])
    m = (p + q) / 2
    assert jg.metrics.ngram_divergence(a, b) == pytest.approx(np.sum(p * np.log(p / m) + q * np.log(q / m)) / 2)
    assert jg.metrics.ngram_divergence(a, a) == 0
    assert jg.metrics.ngram_divergence(a, a + 2) == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match="T >= n >= 1"):
        jg.metrics.ngram_divergence(a, b, n=3)


def test_ngrams_by_hand():
    """Of 0 0 1: unigrams 2/3 and 1/3, smoothed by two tokens of the uniform law; then bigrams by two of those."""
    model = jg.metrics.fit_ngrams(np.array([[0, 0, 1]]), 2, 2)
    first, second = (2 + 2 * 0.5) / (3 + 2), (1 + 2 * 0.5) / (3 + 2)
    start = (1 + 2 * first) / (1 + 2)  # after the beginning comes 0, once
    after = (1 + 2 * second) / (2 + 2)  # after 0 comes 1, once of two
    unseen = (0 + 2 * first) / (0 + 2)  # after 1 came nothing
    np.testing.assert_allclose(model.log_likelihood([[0, 1, 0]]), np.log([[start, after, unseen]]))
    total = [np.exp(model.log_likelihood([[a, b]]).sum()) for a in (0, 1) for b in (0, 1)]
    assert sum(total) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"tokens in 0..1; got 1, 0..2"):
        jg.metrics.fit_ngrams(np.array([[0, 2]]), 1, 2)


def test_quality_at_a_diversity():
    curve = [Point(0.5, 1.0, 4.0), Point(1.0, 3.0, 2.0), Point(1.5, 4.0, 2.5)]
    assert jg.metrics.quality_at(curve, 5.0) == 1.0
    assert jg.metrics.quality_at(curve, 3.0) == 2.0
    assert jg.metrics.quality_at(curve, 2.0) == 3.0
    assert jg.metrics.quality_at(curve, 1.9) == np.inf
    with pytest.raises(ValueError, match="one point or more"):
        jg.metrics.quality_at([], 1.0)
