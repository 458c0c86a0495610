"""Figures of tables against values by hand."""

import numpy as np
import pytest

from jaxgan import metrics

AB = np.array(["a", "a", "b", "b"], object)
UP, DOWN = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 3.0, 2.0, 1.0])


def test_variation_of_margins_by_hand():
    fake = {"c": np.array(["a", "b", "b", "z"], object), "x": np.array([1.0, 1.0, 1.0, 9.0])}
    found = metrics.marginal_variations({"c": AB, "x": UP}, fake, bins=2)
    # shares (1/2, 1/2, 0) against (1/4, 1/2, 1/4); halves below and above 2.5 against 3/4 and 1/4
    assert found == {"c": pytest.approx(0.25), "x": pytest.approx(0.25)}


def test_a_value_that_many_share_has_a_bin_of_its_own():
    real = {"x": np.array([0.0] * 6 + [1.0, 2.0, 3.0, 4.0])}
    fake = {"x": np.array([0.0] * 3 + [0.5] * 3 + [1.0, 2.0, 3.0, 4.0])}
    assert metrics.marginal_variations(real, fake, bins=10)["x"] >= 0.3


def test_variation_of_pairs_sees_what_margins_do_not():
    real, fake = {"c": AB, "d": AB}, {"c": AB, "d": AB[::-1]}
    assert metrics.marginal_variations(real, fake) == {"c": 0.0, "d": 0.0}
    assert metrics.pair_variations(real, fake) == {("c", "d"): 1.0}
    assert metrics.pair_variations(real, real) == {("c", "d"): 0.0}
    # aa, ab, ba against aa, ab, ab
    a, b = "aab", "aaa"
    real, fake = ({"c": np.array([*c], object), "d": np.array([*d], object)} for c, d in ((a, "aba"), (b, "abb")))
    assert metrics.pair_variations(real, fake) == {("c", "d"): pytest.approx(1 / 3)}


def test_correlations_by_hand():
    real, fake = {"x": UP, "y": UP**3, "c": AB}, {"x": UP, "y": DOWN, "c": AB}
    assert metrics.correlation_error(real, fake) == pytest.approx(2.0)  # from 1 to -1; words have no order
    assert metrics.correlation_error(real, fake | {"y": np.ones(4)}) == pytest.approx(1.0)
    tied = {"x": UP, "y": np.array([1.0, 1.0, 2.0, 2.0]), "c": AB}  # ranks 1.5, 1.5, 3.5, 3.5: 4 / sqrt(5 * 4)
    assert metrics.correlation_error(real, tied) == pytest.approx(1 - 4 / np.sqrt(20))
    numbers = {"x": UP, "k": np.array([1, 2, 3, 4], object)}  # categories that are numbers have one
    assert metrics.correlation_error(numbers, {"x": UP, "k": np.array([4, 3, 2, 1], object)}) == pytest.approx(2.0)


def test_scores_of_what_rows_teach():
    from sklearn.linear_model import LinearRegression, LogisticRegression

    rng, logistic = np.random.default_rng(0), LogisticRegression()

    def rows(sign, n=200):
        x = rng.normal(size=n)
        return {"x": x, "y": np.where(sign * x > 0, "yes", "no").astype(object)}

    held_out = rows(1)
    assert metrics.held_out_score(rows(1), held_out, "y", logistic) == pytest.approx(1, abs=0.01)
    assert metrics.held_out_score(rows(-1), held_out, "y", logistic) < 0.01
    assert metrics.held_out_score(rows(1), held_out, "y") > 0.95
    constant = {"x": held_out["x"], "y": np.full(200, "no", object)}
    assert metrics.held_out_score(constant, held_out, "y", logistic) == 0.5
    line = {"x": UP, "y": 2 * UP, "c": AB}
    assert metrics.held_out_score(line, line, "y", LinearRegression()) == pytest.approx(1)
    three = {"c": np.array(list("abc") * 4, object), "y": np.array(list("xyz") * 4, object)}
    assert metrics.held_out_score(three, three, "y", logistic) == 1  # accuracy
    assert metrics.held_out_score(three | {"y": np.full(12, "x", object)}, three, "y", logistic) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.marginal_variations({"x": UP}, {"y": UP}), r"same columns in one order; got \['x'\]"),
        (lambda: metrics.marginal_variations({"x": UP}, {"x": AB}), "column 'x' is float64"),
        (lambda: metrics.marginal_variations({"x": UP}, {"x": UP * np.nan}), "not finite"),
        (lambda: metrics.marginal_variations({"x": UP}, {"x": UP}, bins=1), "bins >= 2; got 1"),
        (lambda: metrics.pair_variations({"x": UP}, {"x": UP}), r"pairs of columns; got \['x'\]"),
        (lambda: metrics.correlation_error({"x": UP, "c": AB}, {"x": UP, "c": AB}), r"or more; got \['x'\]"),
        (lambda: metrics.held_out_score({"x": UP}, {"x": UP}, "y"), "predicts 'y' from other columns"),
    ],
)
def test_refusals(call, says):
    with pytest.raises(ValueError, match=says):
        call()
