"""The resizers: by definition, pixel by pixel (TensorFlow's against another implementation: test_inception_v3)."""

import jax
import numpy as np
import pytest

from jaxgan.metrics.extractors import pil_bicubic, tf1_bilinear


def bilinear(image, height, width):
    """One output pixel at a time: it samples at i * input / output, anchored at the top left corner."""
    result = np.empty((height, width, image.shape[2]))
    for i in range(height):
        for j in range(width):
            y, x = i * image.shape[0] / height, j * image.shape[1] / width
            top, left = int(y), int(x)
            bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
            above = image[top, left] * (1 - x + left) + image[top, right] * (x - left)
            below = image[bottom, left] * (1 - x + left) + image[bottom, right] * (x - left)
            result[i, j] = above * (1 - y + top) + below * (y - top)
    return result


def bicubic_matrix(before, after):
    """[after, before]: Keys' cubic with a = -1/2 around half-pixel centres, widened where it shrinks; rows sum to 1."""
    scale = before / after
    width = max(scale, 1.0)
    matrix = np.zeros((after, before))
    for i in range(after):
        distance = np.abs((np.arange(before) + 0.5 - (i + 0.5) * scale) / width)
        near, far = 1.5 * distance**3 - 2.5 * distance**2 + 1, -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        matrix[i] = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return matrix / matrix.sum(axis=1, keepdims=True)


SHAPES = pytest.mark.parametrize(
    ("shape", "size"),
    [((5, 7, 3), (8, 4)), ((16, 16, 1), (5, 5)), ((6, 3, 4), (6, 3)), ((1, 1, 2), (3, 2)), ((9, 30, 1), (20, 11))],
)


@SHAPES
def test_tf1_bilinear_is_its_definition(shape, size):
    x = np.random.default_rng(0).uniform(0, 255, (2, *shape))
    expected = np.stack([bilinear(image, *size) for image in x])
    np.testing.assert_allclose(tf1_bilinear(x, size), expected, atol=2e-3)


def test_tf1_bilinear_is_not_the_half_pixel_resize():
    x = np.float32([0, 1, 2, 3]).reshape(1, 4, 1, 1)
    np.testing.assert_array_equal(tf1_bilinear(x, (2, 1)).ravel(), [0, 2])  # skips pixels, anchored at the first
    np.testing.assert_array_equal(tf1_bilinear(x, (8, 1)).ravel(), [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])


def test_tf1_bilinear_is_differentiable():
    """It is linear, so its gradient is the transposed map: <A x, y> = <x, A' y>."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 5, 6, 2)).astype(np.float32), rng.normal(size=(1, 9, 4, 2)).astype(np.float32)
    out, back = jax.vjp(lambda x: tf1_bilinear(x, (9, 4)), x)
    np.testing.assert_allclose(np.sum(out * y), np.sum(x * back(y)[0]), rtol=1e-5)


@SHAPES
def test_pil_bicubic_is_its_definition(shape, size):
    x = np.random.default_rng(0).uniform(60, 200, (2, *shape))
    rows, columns = bicubic_matrix(shape[0], size[0]), bicubic_matrix(shape[1], size[1])
    expected = np.einsum("ia,jb,nabc->nijc", rows, columns, x).clip(0, 255)
    result = pil_bicubic(x, size)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=2e-3)


def test_pil_bicubic_clips_and_does_not_round():
    edge = np.repeat([0, 255], 4).astype(np.uint8).reshape(1, 8, 1, 1)
    result = pil_bicubic(edge, (19, 1)).ravel()
    assert (result.min(), result.max()) == (0, 255)
    assert np.any(result != np.round(result))


@pytest.mark.parametrize("resize", [tf1_bilinear, pil_bicubic])
def test_odd_arguments_are_refused(resize):
    with pytest.raises(ValueError, match=r"must be \[B, H, W, C\]; got shape \(4, 4, 3\)"):
        resize(np.zeros((4, 4, 3)), (2, 2))
    with pytest.raises(ValueError, match="got shape"):
        resize(np.zeros((1, 0, 3, 1)), (2, 2))
    with pytest.raises(ValueError, match=r"at least 1 each; got \(2, 0\)"):
        resize(np.zeros((1, 4, 4, 3)), (2, 0))
