"""Denoising score matching, and the two gradients of distillation, against arithmetic and Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import losses

X = jnp.asarray([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]], jnp.float32)


def test_denoising_by_hand():
    """Errors 1 and 2 at levels 0.5 and 2, sigma_data 0.5: ((4 + 4) 1 + (0.25 + 4) 4) / 2."""
    x, made = jnp.zeros((2, 1)), jnp.asarray([[1.0], [-2.0]])
    assert losses.denoising(made, x, jnp.asarray([0.5, 2.0]), 0.5) == pytest.approx((8 + 17) / 2)
    with pytest.raises(ValueError, match=r"denoising compares arrays of one shape; got \[\(2, 1\), \(2,\)\]"):
        losses.denoising(made, x[:, 0], jnp.ones(2))


def test_distribution_matching_has_the_gradient_of_the_divergence():
    """p = N(0, 1), G = N(m, 1): F - R = sigma^2 m / (1 + sigma^2), sigma^2 times dKL/dm; over mean |x - R| and size."""
    m, s2 = 1.3, 0.64
    real, fake = X / (1 + s2), m + (X - m) / (1 + s2)
    np.testing.assert_allclose(fake - real, s2 * jax.grad(lambda m: m**2 / (2 * (1 + s2)))(m), rtol=1e-5)
    found = jax.grad(losses.distribution_matching)(X, real, fake)
    by_hand = (fake - real) / np.mean(np.abs(X - real), axis=1, keepdims=True) / X.size
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)
    value = losses.distribution_matching(X, real, fake)
    np.testing.assert_allclose(value, 0.5 * np.mean(np.square(by_hand * X.size)), rtol=1e-5)
    assert not np.any(jax.grad(losses.distribution_matching, argnums=1)(X, real, fake))  # to the samples alone
    assert np.all(np.isfinite(jax.grad(losses.distribution_matching)(X, X, X)))  # a teacher that agrees


def test_score_identity_passes_through_both_denoisers():
    """Linear R and F of x + c, one coordinate: (R' - F') A + (R - F) (R' - 1 - alpha (R' - F')), over |x - R|."""
    x, c, r, f, d, alpha = jnp.asarray([[0.7]]), 0.2, 0.5, 0.8, -0.3, 1.2

    def loss(x):
        return losses.score_identity(x, r * (x + c), f * (x + c) + d, alpha)

    real, fake = r * 0.9, f * 0.9 + d
    inner = real - 0.7 - alpha * (real - fake)
    by_hand = ((r - f) * inner + (real - fake) * (r - 1 - alpha * (r - f))) / abs(0.7 - real)
    np.testing.assert_allclose(loss(x), (real - fake) * inner / abs(0.7 - real), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(loss)(x), [[by_hand]], rtol=1e-4)


def test_the_projection_identity_at_the_best_denoiser():
    """E (R - F)(F - x) = 0 for F = E[x | x_sigma], by quadrature that is exact for polynomials; not for another F."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    m, sigma = 1.3, 0.8
    x = m + nodes[:, None] * np.ones((1, 8))
    noised = x + sigma * nodes[None]
    real = noised / (1 + sigma**2)
    best = m + (noised - m) / (1 + sigma**2)
    assert np.sum(weights * (real - best) * (best - x)) == pytest.approx(0, abs=1e-12)
    other = best + 0.3 * noised
    assert abs(np.sum(weights * (real - other) * (other - x))) > 0.1
    # so the loss, where its divisor is the same everywhere, has the mean (1 - alpha) E |R - F|^2
    apart = real - best
    whole = np.sum(weights * apart * ((real - x) - 1.2 * apart))
    assert whole == pytest.approx(-0.2 * np.sum(weights * apart**2))
