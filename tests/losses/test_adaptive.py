"""The weight of an adversarial term by gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg

RNG = np.random.default_rng(0)


def test_adaptive_weight_of_a_linear_last_layer():
    """rec = 1/2 E (h W - x)^2 and adv = -E h W u: ||h^T (h W - x)|| / n over ||E h|| ||u||."""
    h, w, x, u = (jnp.asarray(RNG.normal(size=s), jnp.float32) for s in ((10, 4), (4, 3), (10, 3), (3, 1)))
    rec, adv = lambda w: 0.5 * jnp.mean(jnp.square(h @ w - x)), lambda w: -jnp.mean(h @ w @ u)
    one = np.linalg.norm(np.asarray(h).T @ (np.asarray(h) @ np.asarray(w) - np.asarray(x))) / x.size
    other = np.linalg.norm(np.asarray(h).mean(axis=0)) * np.linalg.norm(u)
    weight = jg.losses.adaptive_weight(rec, adv, w)
    assert float(weight) == pytest.approx(one / (other + 1e-4), rel=1e-5)
    scaled = jg.losses.adaptive_weight(rec, lambda w: 100 * adv(w), w)
    assert float(100 * scaled) == pytest.approx(float(weight), rel=1e-3)  # but for the 1e-4
    assert float(jg.losses.adaptive_weight(rec, lambda w: 0 * adv(w), w, largest=5.0)) == 5
    assert jax.grad(lambda w: jg.losses.adaptive_weight(rec, adv, w))(w).any() == False  # noqa: E712
