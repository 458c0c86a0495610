"""ADA's pipeline: the identity at probability 0, how often and how strongly each transform happens, and no leak."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgan.augment import ada
from jaxgan.augment.pipeline import GROUPS
from tests.augment.conftest import turn

RNG = np.random.default_rng(3)
N = 2000  # draws in a Monte Carlo test
EVERY = tuple(GROUPS)


def images(shape):
    return jnp.asarray(RNG.normal(0, 1, shape), jnp.float32)


def run(names, x, probability, examples=None, use="real"):
    augment = ada(*names)
    return jax.jit(lambda x, p: augment(x, p, turn(examples), use))(x, probability)


@pytest.mark.parametrize("shape", [(6, 8, 8, 1), (6, 6, 10, 3)])
def test_the_identity_at_probability_0_and_change_at_1(shape):
    x = images(shape)
    augment = jax.jit(lambda x, p: ada(*EVERY)(x, p, turn(), "real"))
    np.testing.assert_array_equal(augment(x, 0.0), x)
    changed = augment(x, 1.0)
    assert changed.shape == shape
    assert np.isfinite(changed).all()
    assert all((changed[n] != x[n]).any() for n in range(6))
    slope = jax.jit(jax.grad(lambda x: jnp.sum(jnp.square(ada(*EVERY)(x, 0.0, turn(), "real")))))(x)
    np.testing.assert_allclose(slope, 2 * x, rtol=1e-5)


def test_draws_belong_to_examples_of_the_global_batch():
    x = images((4, 8, 8, 3))
    augment = jax.jit(lambda x, examples: ada(*EVERY)(x, 0.9, turn(examples), "real"))
    whole = augment(x, jnp.arange(4))
    np.testing.assert_allclose(whole[2:], augment(x[2:], jnp.arange(2, 4)), atol=1e-5)
    assert not np.allclose(whole, run(EVERY, x, 0.9, use="fake"))


def test_each_transform_happens_with_the_probability():
    """Which images are untouched, of 2000: a flip does nothing half of the time, a quarter turn a fourth of the time.

    A whole-pixel shift by up to an eighth of 8 pixels is 0 half of the time along each side.
    """
    x = images((1, 8, 8, 3)) * jnp.ones((N, 1, 1, 1))
    p = 0.6
    shares = {"flip": p / 2, "quarter_turn": 3 * p / 4, "shift": 3 * p / 4, "luma_flip": p / 2}
    shares |= {"filter": 1 - (1 - p) ** 4}
    for name in dict.fromkeys(name for group in GROUPS.values() for name in group):
        changed = (np.asarray(run((name,), x, p)) != np.asarray(x)).any(axis=(1, 2, 3)).mean()
        share = shares.get(name, p)
        assert abs(changed - share) < 4 * (share * (1 - share) / N) ** 0.5, name


def test_colours_have_the_papers_strengths():
    flat = jnp.full((N, 2, 2, 1), 1.0)
    brightness = np.asarray(run(("brightness",), flat, 1.0))[:, 0, 0, 0] - 1
    assert stats.kstest(brightness, "norm", (0, 0.2)).pvalue > 1e-3
    contrast = np.log2(np.asarray(run(("contrast",), flat, 1.0))[:, 0, 0, 0])
    assert stats.kstest(contrast, "norm", (0, 0.5)).pvalue > 1e-3
    chroma = jnp.array([2.0, -1.0, -1.0]).reshape(1, 1, 1, 3) * jnp.ones((N, 2, 2, 3))
    saturation = np.log2(np.asarray(run(("saturation",), chroma, 1.0))[:, 0, 0, 0] / 2)
    assert stats.kstest(saturation, "norm", (0, 1)).pvalue > 1e-3
    turned = np.asarray(run(("hue",), chroma, 1.0))[:, 0, 0]
    angles = np.arctan2((turned[:, 1] - turned[:, 2]) / 2**0.5, turned[:, 0] * 1.5**0.5)
    assert stats.kstest(angles, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    noisy = np.asarray(run(("noise",), jnp.zeros((N, 8, 8, 1)), 1.0))
    assert stats.kstest(noisy.std(axis=(1, 2, 3)) / 0.1, stats.halfnorm.cdf).pvalue > 1e-4  # 64 pixels a deviation


def test_bands_are_amplified_one_after_the_other_and_the_expected_power_kept():
    """The lowest band by what a constant becomes, the highest by stripes, against the procedure drawn by NumPy."""
    lowest = np.sqrt(np.asarray(run(("filter",), jnp.ones((N, 2, 2, 1)), 1.0))[:, 0, 0, 0])  # along rows and columns
    stripes = jnp.asarray(np.tile([1.0, -1.0], 4).reshape(1, 1, 8, 1) * np.ones((N, 8, 1, 1)), jnp.float32)
    highest = np.asarray(run(("filter",), stripes, 1.0))[:, 0, 2, 0] / lowest
    gains = np.ones((N, 4))
    for band in range(4):
        one = np.ones((N, 4))
        one[:, band] = 2 ** RNG.normal(0, 1, N)
        gains *= one / np.sqrt(one**2 @ np.array([10, 1, 1, 1]) / np.full(N, 13))[:, None]
    assert stats.ks_2samp(lowest, gains[:, 0]).pvalue > 1e-3
    assert stats.ks_2samp(highest, gains[:, 3]).pvalue > 1e-3
    ratio = np.log2(highest / lowest)
    assert stats.kstest(ratio, "norm", (0, 2**0.5)).pvalue > 1e-3  # of two independent N(0, 1)


def test_cutout_erases_half_the_sides_around_a_uniform_centre():
    seen = np.asarray(run(("cutout",), jnp.ones((N, 16, 16, 1)), 1.0))[..., 0] == 0
    sides = seen.any(axis=2).sum(axis=1)
    assert sides.max() <= 8
    # With the centre at u in [0, 1], min(u + 1/4, 1) - max(u - 1/4, 0) of the side is erased: 7/16 of it on average.
    np.testing.assert_allclose(sides.mean() / 16, 7 / 16, atol=4 * 0.083 / N**0.5)


def test_geometry_has_the_papers_strengths():
    """What a ramp becomes in the middle of the image shows the matrix; reflections are far away."""
    side, n = 24, 400
    ramp = jnp.asarray(np.arange(side)[:, None] * np.ones((side, side)), jnp.float32).reshape(1, side, side, 1)
    x = ramp * jnp.ones((n, 1, 1, 1))

    def slopes(name):
        middle = np.asarray(run((name,), x, 1.0))[..., 0]
        return (middle[:, 14, 11] - middle[:, 9, 11]) / 5, (middle[:, 11, 14] - middle[:, 11, 9]) / 5

    down, right = slopes("scale")
    assert stats.kstest(np.log2(down), "norm", (0, 0.2)).pvalue > 1e-3
    np.testing.assert_allclose(right, 0, atol=0.02)
    assert stats.kstest(np.log2(slopes("stretch")[0]), "norm", (0, 0.2)).pvalue > 1e-3
    down, right = slopes("rotation")  # before and after, both at probability 1: a sum of two uniform angles
    np.testing.assert_allclose(np.hypot(down, right), 1, atol=0.03)
    assert stats.kstest(np.arctan2(right, down), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    moved = np.asarray(run(("translation",), x, 1.0))[:, 11, 11, 0] - 11
    close = np.abs(moved) < 4  # three pixels are one deviation; farther ones meet the border's reflection
    assert abs(close.mean() - 0.8176) < 4 * (0.82 * 0.18 / n) ** 0.5
    assert stats.kstest(moved[close] / 3, stats.truncnorm(-4 / 3, 4 / 3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.4, 0.8])
def test_quarter_turns_do_not_leak_below_one(p):
    """The clean distribution over four orientations is found again from the augmented one.

    Turned by k uniform in 0..3 with probability p, orientations move by T = (1 - p) I + p/4: its eigenvalues are 1 and
    1 - p, so that T is invertible for p < 1, and errors of the estimate grow by 1 / (1 - p).
    """
    n, clean = 20000, np.array([0.55, 0.25, 0.15, 0.05])
    corner = np.zeros((4, 2, 2, 1), np.float32)
    for k, place in enumerate([(0, 0), (1, 0), (1, 1), (0, 1)]):  # counter-clockwise
        corner[(k, *place)] = 1
    chosen = RNG.choice(4, n, p=clean)

    def orientations(p):
        seen = np.asarray(run(("quarter_turn",), jnp.asarray(corner[chosen]), p))
        counts = [np.all(seen == corner[k], axis=(1, 2, 3)).sum() for k in range(4)]
        assert sum(counts) == n
        return np.array(counts) / n

    transition = (1 - p) * np.eye(4) + p / 4
    augmented = orientations(p)
    np.testing.assert_allclose(augmented, clean @ transition, atol=4 * 0.5 / n**0.5)
    found = np.linalg.solve(transition.T, augmented)
    np.testing.assert_allclose(found, clean, atol=4 * 0.5 / n**0.5 / (1 - p))
    if p == 0.8:  # at 1 nothing of the clean distribution is left
        np.testing.assert_allclose(orientations(1.0), 0.25, atol=4 * 0.5 / n**0.5)


def test_brightness_does_not_leak_below_one():
    """A distribution convolved with (1 - p) delta + p N(0, s^2) has a characteristic function divided by more than 0.

    Two grey levels with shares 0.3 and 0.7 are told apart by that division at any frequency.
    """
    p, frequency, levels, share = 0.8, 2.0, np.array([-0.5, 0.5]), 0.3
    n = 20000
    x = np.where(RNG.uniform(size=n) < share, *levels).astype(np.float32)
    seen = np.asarray(run(("brightness",), jnp.asarray(x.reshape(n, 1, 1, 1)) * jnp.ones((1, 2, 2, 1)), p))[:, 0, 0, 0]
    blur = (1 - p) + p * np.exp(-((0.2 * frequency) ** 2) / 2)
    found = np.exp(1j * frequency * seen).mean() / blur
    clean = share * np.exp(1j * frequency * levels[0]) + (1 - share) * np.exp(1j * frequency * levels[1])
    assert abs(found - clean) < 4 / n**0.5 / blur


def test_the_generator_learns_through_it():
    """For given draws the pipeline is affine in x."""
    x, direction, weights = (images((4, 8, 8, 3)) for _ in range(3))
    augment = jax.jit(lambda x: ada(*EVERY)(x, 0.9, turn(), "fake"))
    slope = jax.jit(jax.grad(lambda x: jnp.sum(weights * augment(x))))(x)
    difference = jnp.sum(weights * (augment(x + direction) - augment(x)))
    np.testing.assert_allclose(jnp.sum(slope * direction), difference, rtol=1e-3)


def test_bad_input():
    with pytest.raises(ValueError, match=r"'blit', 'geometry', 'color', .*'luma_flip'.*; got 'colour'"):
        ada("colour")
    with pytest.raises(ValueError, match=r"takes images \[B, H, W, C\]"):
        ada()(jnp.ones((4, 2)), jnp.zeros(()), turn(), "real")
