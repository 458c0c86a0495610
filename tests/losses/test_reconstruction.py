"""What a reconstruction costs: worked by hand, and where it is smallest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg

X = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)


def test_half_the_squared_error_is_summed_over_entries_and_averaged_over_examples():
    mean = np.array([[3.0, 1.0], [1.0, 5.0]], np.float32)
    assert jg.losses.unit_gaussian(X, mean) == pytest.approx((9 / 2 + 16 / 2) / 2)
    images = np.zeros((2, 3, 3, 2), np.float32)
    assert jg.losses.unit_gaussian(images, images + 1) == pytest.approx(9.0)


def test_coins():
    logits = np.array([[0.0, 0.0], [np.log(3.0), 100.0]], np.float32)
    assert jg.losses.bernoulli(X, logits) == pytest.approx((2 * np.log(2) - np.log(0.75)) / 2, rel=1e-6)
    slope = jax.grad(lambda t: jg.losses.bernoulli(jnp.full((1, 1), 0.3), t))(jnp.log(jnp.full((1, 1), 3.0 / 7.0)))
    assert float(slope[0, 0]) == pytest.approx(0.0, abs=1e-6)  # smallest where the coin has the entry's odds


@pytest.mark.parametrize(
    "name", ["unit_gaussian", "bernoulli", "absolute_error", "squared_error", "gradient_difference"]
)
def test_shapes_that_would_broadcast(name):
    for other in (X[:, :1], X[:1], X[:, 0]):
        with pytest.raises(ValueError, match=rf"{name} compares arrays of one shape; got \(2, 2\) and "):
            getattr(jg.losses, name)(X, other)


def test_errors_are_means_over_all_entries():
    assert float(jg.losses.absolute_error(X, X + np.array([[1.0, -3.0]], np.float32))) == 2.0
    assert float(jg.losses.squared_error(X, X + np.array([[1.0, -3.0]], np.float32))) == 5.0


def test_gradient_difference_of_a_ramp():
    """30 over its 6x5 differences; blind to where the ramp leads, down or up, and along either axis."""
    ramp = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None], (6, 6))[None, :, :, None]
    for x in (ramp, ramp.transpose(0, 2, 1, 3)):
        assert float(jg.losses.gradient_difference(x, 0 * x)) * 30 == pytest.approx(30)
        assert float(jg.losses.gradient_difference(x, x[:, ::-1, ::-1])) == 0
        assert float(jg.losses.gradient_difference(3 * x, x, 2.0)) == pytest.approx(4)
    with pytest.raises(ValueError, match=r"images \[B, H, W, C\] and exponent >= 1; got \(2, 2\), 1.0"):
        jg.losses.gradient_difference(X, X)
    with pytest.raises(ValueError, match="exponent >= 1; got"):
        jg.losses.gradient_difference(ramp, ramp, 0.5)


@pytest.mark.parametrize("loss", [jg.losses.unit_gaussian, jg.losses.bernoulli])
def test_half_precision_is_summed_in_float32(loss):
    half = jnp.ones((1, 4096), jnp.float16)
    assert loss(half, 0 * half).dtype == jnp.float32
    assert jnp.isfinite(loss(half, 200 * half))
