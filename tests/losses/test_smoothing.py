"""Smoothed and flipped labels: cross-entropy with the labels that were asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg

TURN = jg.Turn(jax.random.key(3), jnp.zeros((), jnp.int32))
LOGITS = np.random.default_rng(0).normal(0, 1, (2, 6)).astype(np.float32)


def labels(probability, turn=TURN, shape=(6,), index=slice(None)):
    """The labels that D was given, read from its gradient: sigmoid(logit) - label, over the number of logits."""
    real, fake = (
        jnp.broadcast_to(x.reshape(-1, *(1,) * (len(shape) - 1)), shape)[index] for x in LOGITS[:, : shape[0]]
    )
    slopes = jax.grad(jg.losses.flipped(jg.losses.minimax, probability, turn).discriminator, (0, 1))(real, fake)
    return [np.asarray(jax.nn.sigmoid(x) - slope * x.size) for x, slope in zip((real, fake), slopes, strict=True)]


def test_labels_are_kept_or_flipped():
    for probability, expected in [(0.0, (1, 0)), (1.0, (0, 1))]:
        for found, label in zip(labels(probability), expected, strict=True):
            np.testing.assert_allclose(found, label, atol=1e-6)


def test_flipped_values_are_cross_entropy_with_those_labels():
    loss = jg.losses.flipped(jg.losses.non_saturating, 0.5, TURN)
    real, fake = (np.round(x) for x in labels(0.5))
    assert 0 < real.sum() < 6
    assert not np.array_equal(real, 1 - fake)  # the two batches draw their own
    d = 1 / (1 + np.exp(-LOGITS.astype(float)))
    entropies = [-np.mean(t * np.log(x) + (1 - t) * np.log(1 - x)) for t, x in zip((real, fake), d, strict=True)]
    np.testing.assert_allclose(loss.discriminator(*LOGITS), sum(entropies), rtol=1e-5)
    np.testing.assert_allclose(loss.generator(*LOGITS), jg.losses.non_saturating.generator(*LOGITS))


def test_flips_belong_to_the_example_and_to_the_turn():
    whole = labels(0.5)
    half = labels(0.5, TURN._replace(examples=jnp.arange(3, 6, dtype=jnp.int32)), index=slice(3, 6))
    for a, b in zip(whole, half, strict=True):
        np.testing.assert_allclose(a[3:], b, atol=1e-6)
    other = labels(0.5, TURN._replace(key=jax.random.key(4)))
    assert any(np.abs(a - b).max() > 0.5 for a, b in zip(whole, other, strict=True))
    patches = labels(0.5, shape=(6, 2, 2))
    np.testing.assert_allclose(patches[0], np.broadcast_to(whole[0].reshape(6, 1, 1), (6, 2, 2)), atol=1e-5)


def test_flipping_is_smoothing_on_average():
    real, fake = jnp.full(20000, 0.7), jnp.full(20000, -1.2)
    flipped = jg.losses.flipped(jg.losses.minimax, 0.2, TURN).discriminator(real, fake)
    smoothed = jg.losses.smoothed(jg.losses.minimax, 0.8, 0.2).discriminator(real, fake)
    np.testing.assert_allclose(flipped, smoothed, atol=0.02)  # 3 standard errors; unflipped it is 0.38 away


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_labels_and_probabilities_are_checked(wrong):
    with pytest.raises(ValueError, match="smoothed needs 0 <= real <= 1"):
        jg.losses.smoothed(jg.losses.minimax, wrong)
    with pytest.raises(ValueError, match="smoothed needs 0 <= fake <= 1"):
        jg.losses.smoothed(jg.losses.minimax, 0.9, wrong)
    with pytest.raises(ValueError, match="flipped needs 0 <= probability <= 1"):
        jg.losses.flipped(jg.losses.minimax, wrong, TURN)
