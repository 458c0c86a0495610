"""What holds for any penalty: weights that are checked or follow a schedule; sums; laziness."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import penalties
from tests import registry

RNG = np.random.default_rng(0)
REAL, FAKE = (jnp.asarray(RNG.normal(0, 1, (4, 3)), jnp.float32) for _ in range(2))
KEY = jax.random.key(5)


def turn(step):
    return jg.Turn(KEY, jnp.asarray(step, jnp.int32))


def critic(x):
    return jnp.sum(jnp.sin(x) + jnp.square(x), axis=1)


WEIGHED = {
    "gradient_penalty": penalties.gradient_penalty,
    "zero_centred": penalties.zero_centred,
    "dragan": penalties.dragan,
    "r1": penalties.r1,
    "r2": penalties.r2,
    "jensen_shannon": penalties.jensen_shannon,
    "drift": penalties.drift,
    "approximate_r1": penalties.approximate_r1,
    "approximate_r2": penalties.approximate_r2,
    "consistency": lambda weight: penalties.consistency(weight, registry.shift),
    "balanced_consistency": lambda weight: penalties.balanced_consistency(weight, weight, registry.shift),
}


def test_all_penalties_are_here():
    # the three left out carry the weights of the penalties within them
    assert set(WEIGHED) == set(registry.penalties()) - {"total", "every", "packed"}


@pytest.mark.parametrize("name", WEIGHED)
def test_weights_multiply_and_may_follow_a_schedule(name):
    one = WEIGHED[name](1.0)(critic, REAL, FAKE, turn(3))
    assert one > 0
    np.testing.assert_allclose(WEIGHED[name](2.5)(critic, REAL, FAKE, turn(3)), 2.5 * one, rtol=1e-6)
    falling = WEIGHED[name](optax.linear_schedule(4.0, 0.0, 8))
    for step, weight in [(0, 4.0), (3, 2.5), (8, 0.0)]:
        value = falling(critic, REAL, FAKE, turn(step))
        np.testing.assert_allclose(value, weight * one, rtol=1e-6)


@pytest.mark.parametrize("wrong", [-1.0, float("nan")])
@pytest.mark.parametrize("name", WEIGHED)
def test_negative_weights_are_refused(name, wrong):
    with pytest.raises(ValueError, match=rf"{name.split('_', 1)[-1]} needs a weight >= 0; got {wrong}"):
        WEIGHED[name](wrong)


def test_each_side_of_balanced_consistency_has_its_own_weight():
    parts = [
        penalties.balanced_consistency(*weights, registry.shift)(critic, REAL, FAKE, turn(0))
        for weights in [(2.0, 0.0), (0.0, 3.0), (2.0, 3.0)]
    ]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], rtol=1e-6)
    with pytest.raises(ValueError, match="balanced_consistency needs a weight >= 0; got -3"):
        penalties.balanced_consistency(2.0, -3.0, registry.shift)


def test_terms_of_players_are_weighed_by_the_same_rule():
    np.testing.assert_allclose(penalties.weight_at(optax.linear_schedule(4.0, 0.0, 8), turn(3)), 2.5)
    assert penalties.weight_at(0.3, turn(3)) == 0.3


@pytest.mark.parametrize("jit", [False, True])
def test_lazy_penalties_cost_as_much_on_average(jit):
    plain, lazy = penalties.r1(2.0), penalties.every(4, penalties.r1(2.0))
    value = lambda step: lazy(critic, REAL, FAKE, turn(step))  # noqa: E731
    values = [float((jax.jit(value) if jit else value)(jnp.asarray(step))) for step in range(8)]
    np.testing.assert_allclose(np.mean(values), plain(critic, REAL, FAKE, turn(0)), rtol=1e-6)
    assert [v > 0 for v in values] == [True, False, False, False] * 2


def test_lazy_gradients_are_those_of_the_penalty_times_k():
    cost = lambda penalty, step: lambda w: penalty(lambda x: critic(w * x), REAL, FAKE, turn(step))  # noqa: E731
    slope = jax.grad(cost(penalties.r1(2.0), 0))(0.7)
    lazy = penalties.every(3, penalties.r1(2.0))
    np.testing.assert_allclose(jax.jit(jax.grad(cost(lazy, 6)))(0.7), 3 * slope, rtol=1e-5)
    np.testing.assert_array_equal(jax.jit(jax.grad(cost(lazy, 7)))(0.7), 0.0)


def test_skipped_steps_do_not_pay():
    """The critic is not evaluated at all, also in a compiled step."""
    calls = []

    def watched(x):
        jax.debug.callback(lambda: calls.append(1))
        return critic(x)

    lazy = penalties.every(4, penalties.drift(1.0))
    step = jax.jit(lambda step: lazy(watched, REAL, FAKE, turn(step)))
    counts = []
    for number in range(5):
        step(jnp.asarray(number)).block_until_ready()
        jax.effects_barrier()
        counts.append(len(calls))
    assert counts == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("wrong", [0, -1, 2.0])
def test_periods_are_positive_integers(wrong):
    with pytest.raises(ValueError, match=rf"integer k >= 1, .*; got {wrong}"):
        penalties.every(wrong, penalties.r1(1.0))


@pytest.mark.parametrize("name", WEIGHED)
def test_gradients_match_finite_differences(name):
    """W.r.t. a parameter of the critic, through the critic's own gradient: what trains it."""
    with jax.enable_x64(True):
        real, fake = REAL.astype(jnp.float64), FAKE.astype(jnp.float64)
        cost = lambda w: WEIGHED[name](1.5)(lambda x: w * critic(w * x), real, fake, turn(0))  # noqa: E731
        slope = (cost(0.7 + 1e-5) - cost(0.7 - 1e-5)) / 2e-5
        np.testing.assert_allclose(jax.grad(cost)(0.7), slope, rtol=1e-6)


@pytest.mark.parametrize("name", WEIGHED)
def test_half_precision_examples_and_logits_give_float32(name):
    wide = WEIGHED[name](1.5)(critic, REAL, FAKE, turn(0))
    half = WEIGHED[name](1.5)(critic, REAL.astype(jnp.bfloat16), FAKE.astype(jnp.bfloat16), turn(0))
    assert half.dtype == jnp.float32
    if name in ("r1", "r2", "jensen_shannon", "drift"):  # the others draw, in bfloat16
        np.testing.assert_allclose(half, wide, rtol=0.05)
    assert np.isfinite(half)
