"""Arrays as sources."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import data

IMAGES = np.zeros((6, 8, 8, 1), np.float32)


def test_from_uint8_spans_the_range():
    x = data.from_uint8(np.array([0, 51, 255], np.uint8))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, [-1, -0.6, 1], atol=1e-7)
    with pytest.raises(ValueError, match="takes uint8 pixels; got float32"):
        data.from_uint8(x)


def test_examples_keep_their_labels():
    x = np.linspace(-1, 1, 10, dtype=np.float32)[:, None, None] * np.ones((1, 3, 3), np.float32)
    source = data.arrays(x, np.arange(10), name="ramp")
    assert source[:2] == ("ramp", 10)
    assert source.classes == 10
    batch = data.batch_at(source, 7, seed=0)(4)
    assert batch["y"].dtype == np.int32
    np.testing.assert_array_equal(batch["x"], x[batch["y"]])


def test_points_may_lie_anywhere_and_jax_arrays_are_arrays():
    source = data.arrays(jnp.full((4, 2), 7.0))
    batch = data.batch_at(source, 2, seed=0)(0)
    assert set(batch) == {"x"}
    assert source.classes == 0


def test_classes_may_exceed_the_labels_seen():
    assert data.arrays(IMAGES, np.zeros(6, np.uint8), classes=10).classes == 10


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES.tolist(), "x must be an array; got list"),
        (IMAGES[:, 0, 0, 0], "rank 2 or more"),
        (IMAGES[:0], "x is empty"),
        (IMAGES.astype(np.uint8), "uint8; expected float32 in .*jg.data.from_uint8"),
        (IMAGES.astype(np.float64), "x is float64; expected float32"),
        (IMAGES + 255, r"in \[255.00, 255.00\]; expected \[-1, 1\]: x / 127.5 - 1"),
        (IMAGES - 3, r"in \[-3.00, -3.00\]; expected \[-1, 1\]: scale it"),
        (np.zeros((4, 3, 16, 16), np.float32), r"\(4, 3, 16, 16\); looks channels-first"),
    ],
)
def test_bad_examples(x, message):
    with pytest.raises(ValueError, match=message):
        data.arrays(x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value):
    x = IMAGES.copy()
    x[3, 2, 1] = x[5, 0, 0] = value
    with pytest.raises(ValueError, match=r"x has 2 non-finite value\(s\), the first in example 3"):
        data.arrays(x)


def test_conditions_of_any_kind_come_with_their_examples():
    attributes = np.arange(12, dtype=np.float32).reshape(6, 2)
    source = data.arrays(IMAGES, {"attributes": attributes, "digit": np.arange(6)})
    batch = data.batch_at(source, 3, seed=0)(0)
    assert source.classes == 0
    assert batch["y"]["digit"].dtype == np.int32
    np.testing.assert_array_equal(batch["y"]["attributes"], attributes[batch["y"]["digit"]])
    assert set(data.batch_at(data.unlabelled(source), 3, seed=0)(0)) == {"x"}


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.zeros(5, int), None, r"y is int32 \(5,\); labels must be int32 \(6,\)"),
        (np.zeros(6), None, "y is float64"),
        (np.zeros((6, 3)), None, r"y is float64 \(6, 3\); .* float32 \(6, ...\)"),
        (np.zeros((6, 3), np.float32), 3, "classes is 3, but y are not labels"),
        ({"a": np.zeros(6, int), "b": np.zeros((5, 2), np.float32)}, None, r"y\['b'\] is float32 \(5, 2\)"),
        ({"a": np.full(6, -1)}, None, r"y\['a'\]: label -1 out of range \[0, \.\.\.\) at example 0"),
        ({"b": np.full((6, 1), np.nan, np.float32)}, None, r"y\['b'\] has values that are not finite"),
        (np.zeros((6, 10), int), None, r"\(6, 10\)"),
        (np.array([0, 1, 2, 10, 0, 11]), 10, r"label 10 out of range \[0, 10\) at example 3"),
        (np.array([0, -1, 2, 3, 4, 5]), None, r"label -1 out of range \[0, \.\.\.\) at example 1"),
        (None, 10, "classes is 10, but there are no labels"),
    ],
)
def test_bad_labels(y, classes, message):
    with pytest.raises(ValueError, match=message):
        data.arrays(IMAGES, y, classes=classes)
