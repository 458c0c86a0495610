"""Motion priors: rewards by hand, one step by hand, where the penalty is paid, and what is remembered."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import observed
from jaxgan.systems.motion_prior import motion_prior
from tests.systems.tiny_core import fixed
from tests.systems.tiny_restored import HORIZON, STEPS, moved


class Same(nn.Module):
    """What it is given."""

    @nn.compact
    def __call__(self, x):
        return x


LOSS = jg.losses.least_squares_targets(-1, 1, 1)


def test_rewards_by_hand():
    """(logit, reward): taken for demonstrated, undecided, refused, refused by far, and beyond the target."""
    pairs = np.array([[1, 1], [0, 0.75], [-1, 0], [-9, 0], [2, 0.75], [3, 0]])
    np.testing.assert_allclose(jg.losses.style_rewards(pairs[:, 0]), pairs[:, 1], atol=1e-7)
    assert float(jg.losses.style_rewards(jnp.full(600, -1e3)).min()) == 0  # a step never costs: no wish to end


def played(style=0.25, **options):
    """The policy does m in every state, the value is v, the discriminator says a times the first entry of s'."""
    networks = {
        "policy": fixed(lambda p, s: (jnp.full((len(s), 2), p["m"]), jnp.full((len(s), 2), -20.0)), m=0.5),
        "value": fixed(lambda p, s: jnp.full(len(s), p["v"]), v=2.0),
        "discriminator": fixed(lambda p, s, following: p["a"] * following[:, 0], a=0.5),
    }
    task = jg.data.point_mass(HORIZON)._replace(
        reset=lambda key: jnp.zeros(4, jnp.float32),
        step=lambda state, action: state + jnp.asarray([1.0, 0.0, 0.0, 0.0], jnp.float32),
        reward=lambda state, action: 3.0 * state[0],
    )
    optimizer = {"discriminator": optax.sgd(0.1), "policy": optax.sgd(1.0)}
    settings = {"task": task, "loss": LOSS, "optimizer": optimizer, "style": style, "learning": (0.5, 0.5, 0.0)}
    networks |= {"pool": jg.networks.remedies.Replay(8)} if "replay" in options else {}
    game = jg.game(networks, motion_prior(**settings | options))
    return game, game.init(jax.random.key(0), BATCH)


BATCH = {name: jnp.full((4, 4), 0.25, jnp.float32) for name in ("state", "next")}


def test_the_discriminator_moves_first_and_both_rewards_are_mixed():
    """Roll-outs of two steps from 0: s' is 1, then 2; the task pays 0, then 3; the horizon cuts, v is added."""
    game, before = played()
    after, metrics = jax.jit(game.train_step)(before, BATCH)
    a = 0.5
    slope = (a * 0.25 - 1) * 0.25 + np.mean([(a * s + 1) * s for s in (1, 2)])
    a -= 0.1 * slope
    assert float(after.params["discriminator"]["a"]) == pytest.approx(a, rel=1e-5)
    manner = [max(0, 1 - (a * s - 1) ** 2 / 4) for s in (1, 2)]
    rewards = [0.25 * manner[0], 0.75 * 3 + 0.25 * manner[1]]
    assert float(metrics["policy/style"]) == pytest.approx(np.mean(manner), rel=1e-5)
    assert float(metrics["policy/reward"]) == pytest.approx(np.mean(rewards), rel=1e-5)
    assert float(metrics["policy/task_return"]) == 3
    errors = [reward + 0.5 * 2 - 2 for reward in rewards]
    advantages = [errors[0] + 0.25 * errors[1], errors[1]]
    assert float(metrics["policy/value_error"]) == pytest.approx(np.mean(np.square(advantages)), rel=1e-4)
    assert float(after.params["value"]["v"]) == pytest.approx(2 + 2 * np.mean(advantages), rel=1e-4)


@pytest.mark.parametrize(("style", "reward"), [(0.0, 1.5), (1.0, None)])
def test_one_of_the_two_rewards_alone(style, reward):
    game, before = played(style)
    _, metrics = jax.jit(game.train_step)(before, BATCH)
    assert float(metrics["policy/reward"]) == pytest.approx(float(metrics["policy/style"]) if style else reward)


def test_the_penalty_is_paid_on_demonstrations_alone():
    """D = a s'_0^2 / 2 has the slope a s'_0: at 1/4 of the demonstrations, and not at 1 or 2 of the policy's."""
    game, _ = played(penalty=jg.penalties.r1(10.0))
    network = fixed(lambda p, s, following: 0.5 * p["a"] * jnp.square(following[:, 0]), a=0.5)
    game = jg.game({**game.networks, "discriminator": network}, game.system)
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), BATCH), BATCH)
    assert float(metrics["discriminator/penalty"]) == pytest.approx(5 * (0.5 * 0.25) ** 2, rel=1e-5)


def test_the_past_is_replayed_to_the_discriminator_and_never_rewarded():
    """The pool has the policy's transitions, s' = 1 and 2, and the style reward is that of the steps of now."""
    game, state = played(replay="pool")
    step = jax.jit(game.train_step)
    for _ in range(2):
        state, _ = step(state, BATCH)
    kept = state.model_state["pool"]["replay"]["samples"][1][:, 0]
    assert sorted(kept.tolist()) == [1.0] * 4 + [2.0] * 4
    other = state.model_state["pool"]["replay"]["samples"][1].at[:].set(-7.0)
    old = dict(state.model_state)
    old["pool"] = {"replay": state.model_state["pool"]["replay"] | {"samples": (other, other)}}
    state, observed_metrics = step(state._replace(model_state=old), BATCH)
    a = float(state.params["discriminator"]["a"])
    manner = [max(0, 1 - (a * s - 1) ** 2 / 4) for s in (1, 2)]
    assert float(observed_metrics["policy/style"]) == pytest.approx(np.mean(manner), rel=1e-5)


def test_standardized_arrays_are_in_deviations_of_all_that_was_met(key):
    network = observed.Standardized(Same(), limit=3.0)
    rng = np.random.default_rng(0)
    batches = [rng.normal(5, 2, size=(n, 3)).astype(np.float32) for n in (4, 6, 10)]
    variables = network.init(key, batches[0])
    for batch in batches:
        outputs, variables = network.apply(variables, batch, mutable=["observed"])
        if batch is batches[0]:
            np.testing.assert_allclose(outputs, np.clip(batch, -3, 3), rtol=1e-4)  # nothing was met before
    whole, kept = np.concatenate(batches), variables["observed"]
    assert kept["count_0"] == 20
    np.testing.assert_allclose(kept["mean_0"], whole.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(kept["variance_0"], whole.var(axis=0), rtol=1e-4)
    expected = np.clip((batches[0] - whole.mean(axis=0)) / np.sqrt(whole.var(axis=0) + 1e-5), -3, 3)
    np.testing.assert_allclose(network.apply(variables, batches[0], train=False), expected, rtol=1e-4, atol=1e-5)


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"style in \[0, 1\], its share of the reward; got 2"):
        moved(style=2)
    with pytest.raises(ValueError, match=r"motion_prior needs discount and smoothing in \[0, 1\] .*; got 2, 0.5 and 0"):
        moved(learning=(2, 0.5, 0))
    networks, system, batch = moved()
    with pytest.raises(ValueError, match=r"motion_prior meets every step .* roll-outs of 2; the batch has 5"):
        jg.game(networks, system).init(jax.random.key(0), {name: value[:5] for name, value in batch.items()})
    with pytest.raises(ValueError, match=r"motion_prior needs batch\['next'\], of transitions"):
        jg.game(networks, system).init(jax.random.key(0), {"state": STEPS["state"]})
