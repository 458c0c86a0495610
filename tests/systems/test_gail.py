"""Imitation: who moves first, what a step earns, and what is exact of occupancies, advantages and the surrogate."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import metrics
from tests.systems.tiny_control import EXPERT, HORIZON, imitated

RNG = np.random.default_rng(1)
GAMMA = 0.9


def table(states=4, actions=2):
    """A decision process: transitions [S, A, S], a start [S], and two policies [S, A]."""
    p = RNG.dirichlet(np.ones(states), size=(states, actions))
    return p, RNG.dirichlet(np.ones(states)), *RNG.dirichlet(np.ones(actions), size=(2, states))


def test_occupancies_sum_to_the_horizon_and_give_the_policy_back():
    p, start, policy, other = table()
    rho = metrics.occupancy(policy, p, start, GAMMA)
    assert rho.sum() == pytest.approx(1 / (1 - GAMMA), rel=1e-9)
    np.testing.assert_allclose(rho / rho.sum(axis=1, keepdims=True), policy, rtol=1e-9)
    flow = start + GAMMA * np.einsum("sa,sat->t", rho, p)  # what enters a state leaves it
    np.testing.assert_allclose(rho.sum(axis=1), flow, rtol=1e-9)
    by_hand, law = np.zeros_like(rho), start
    for t in range(400):
        by_hand += GAMMA**t * law[:, None] * policy
        law = np.einsum("s,sa,sat->t", law, policy, p)
    np.testing.assert_allclose(rho, by_hand, rtol=1e-8)
    assert np.abs(metrics.occupancy(other, p, start, GAMMA) - rho).max() > 0.1


def test_the_best_discriminator_of_two_occupancies_gives_their_jensen_shannon_divergence():
    p, start, policy, expert = table()
    real, fake = ((1 - GAMMA) * metrics.occupancy(pi, p, start, GAMMA).reshape(-1) for pi in (expert, policy))
    logits = np.log(real) - np.log(fake)  # D* = rho_E / (rho_E + rho_pi)
    softplus = np.logaddexp(0, [-logits, logits])
    value = -(real @ softplus[0] + fake @ softplus[1])
    middle = (real + fake) / 2
    js = (real @ np.log(real / middle) + fake @ np.log(fake / middle)) / 2
    assert value == pytest.approx(2 * js - np.log(4), rel=1e-9)
    slope = real * (1 / (1 + np.exp(-logits)) - 1) + fake / (1 + np.exp(-logits))  # of the loss, in each logit
    np.testing.assert_allclose(slope, 0, atol=1e-12)
    judge = jg.systems.adversary(jg.losses.minimax)
    atoms = 20_000
    sides = [np.repeat(logits, np.round(law * atoms).astype(int))[:19_900, None] for law in (real, fake)]
    nets = {"discriminator": lambda x: x[:, 0]}
    seen_value = judge.discriminator(nets, None, *(jnp.asarray(x, jnp.float32) for x in sides)).loss
    assert float(-seen_value) == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize(
    ("loss", "once", "forever"), [("minimax", 0.6931, 13.863), ("non_saturating", -0.6931, -13.863)]
)
def test_the_sign_of_a_reward_is_a_wish_to_go_on_or_to_end(loss, once, forever):
    """One state, stay or exit, discount 0.95, and D = 1/2 everywhere: the expert exits at once."""
    reward = jg.losses.imitation_rewards(getattr(jg.losses, loss), jnp.zeros(600), jnp.zeros(600))
    assert float(reward[0]) == pytest.approx(once, abs=1e-4)
    assert float(jg.losses.discounted_returns(reward[None], 0.95)[0, 0]) == pytest.approx(forever, abs=1e-2)


def test_rewards_are_of_each_step_alone():
    real, fake = jnp.asarray([0.0, 0.0, 0.0]), jnp.asarray([-1.0, 0.0, 2.0])
    logit = jg.losses.imitation_rewards(jg.losses.wasserstein, real, fake)
    np.testing.assert_allclose(logit, fake)
    square = jg.losses.imitation_rewards(jg.losses.least_squares, real, fake)
    np.testing.assert_allclose(square, [-2.0, -0.5, -0.5])


def test_advantages_by_hand():
    """delta = (1 + .5*2 - 1, 2 + .5*4 - 2) = (1, 2); with smoothing 1/2: A = (1 + 1/4 * 2, 2)."""
    settings = (jnp.asarray([[1.0, 2.0]]), jnp.asarray([[1.0, 2.0]]), jnp.asarray([4.0]))
    np.testing.assert_allclose(jg.losses.generalized_advantages(*settings, 0.5, 0.5), [[1.5, 2.0]])
    np.testing.assert_allclose(jg.losses.generalized_advantages(*settings, 0.5, 0.0), [[1.0, 2.0]])
    ends = jg.losses.generalized_advantages(jnp.asarray([[1.0, 2.0, 3.0]]), jnp.zeros((1, 3)), jnp.zeros(1), 0.5, 1.0)
    np.testing.assert_allclose(ends, jg.losses.discounted_returns(jnp.asarray([[1.0, 2.0, 3.0]]), 0.5))
    np.testing.assert_allclose(ends, [[2.75, 3.5, 3.0]])
    with pytest.raises(ValueError, match=r"last \[B\]; got \(1, 2\), \(1, 2\) and \(2,\)"):
        jg.losses.generalized_advantages(settings[0], settings[1], jnp.zeros(2))


def test_the_surrogates_mean_gradient_is_the_gradient_of_the_return():
    """Two states, two actions, three steps, enumerated; with a baseline of the state too."""
    p, start, *_ = table(2, 2)
    reward, value = RNG.normal(size=(2, 2)), RNG.normal(size=2)
    paths = list(itertools.product(range(2), range(2), range(2), range(2), range(2), range(2)))  # s a s a s a
    states, actions = np.asarray([path[::2] for path in paths]), np.asarray([path[1::2] for path in paths])
    rewards = reward[states, actions]
    moves = (
        start[states[:, 0]]
        * p[states[:, 0], actions[:, 0], states[:, 1]]
        * p[states[:, 1], actions[:, 1], states[:, 2]]
    )

    def log_pi(logits):
        return jax.nn.log_softmax(logits)[states, actions]

    def mean_return(logits):
        chance = moves * jnp.exp(jnp.sum(log_pi(logits), axis=1))
        return jnp.sum(chance * jg.losses.discounted_returns(rewards, GAMMA)[:, 0])

    def surrogate(logits, baseline):
        chance = jax.lax.stop_gradient(moves * jnp.exp(jnp.sum(log_pi(logits), axis=1)))
        advantages = jg.losses.generalized_advantages(rewards, baseline[states], jnp.zeros(len(paths)), GAMMA, 1.0)
        weighted = advantages * GAMMA ** jnp.arange(3.0)[None] * chance[:, None] * len(paths)
        return -jg.losses.policy_gradient(log_pi(logits), weighted)

    logits = jnp.asarray(RNG.normal(size=(2, 2)), jnp.float32)
    exact = jax.grad(mean_return)(logits)
    for baseline in (np.zeros(2), value):
        np.testing.assert_allclose(jax.grad(surrogate)(logits, baseline), exact, atol=2e-6)


def test_densities_and_entropies_of_normal_actions():
    x, mean, log_std = jnp.asarray([[1.0, 3.0]]), jnp.asarray([[0.0, 1.0]]), jnp.log(jnp.asarray([[1.0, 2.0]]))
    expected = -0.5 * (1 + 1 + 2 * np.log(2) + 2 * np.log(2 * np.pi))
    np.testing.assert_allclose(jg.losses.normal_log_density(x, mean, log_std), [expected], rtol=1e-6)
    np.testing.assert_allclose(jg.losses.normal_entropy(log_std), [np.log(2) + np.log(2 * np.pi * np.e)], rtol=1e-6)


def fixed(apply, **params):
    class Network:
        def init(self, key, *inputs):
            return {"params": {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}}

        def apply(self, variables, *inputs):
            return apply(variables["params"], *inputs)

    return Network()


def test_the_discriminator_moves_first_and_the_policy_is_paid_by_it():
    """D = a x_1; the policy stands still at u = m with a deviation too small to matter; two steps are by hand."""
    networks = {
        "policy": fixed(lambda p, s: (jnp.full((len(s), 2), p["m"]), jnp.full((len(s), 2), -20.0)), m=0.5),
        "value": fixed(lambda p, s: jnp.full(len(s), p["v"]), v=2.0),
        "discriminator": fixed(lambda p, s, a: p["a"] * a[:, 0], a=1.0),
    }
    optimizer = {"discriminator": optax.sgd(0.1), "policy": optax.sgd(1.0)}
    batch = EXPERT | {"action": jnp.full((12, 2), -0.25, jnp.float32)}
    task = jg.data.point_mass(HORIZON)
    system = jg.systems.gail(task=task, loss=jg.losses.minimax, optimizer=optimizer, discount=0.5, smoothing=0.5)
    game = jg.game(networks, system)
    before = game.init(jax.random.key(0), batch)
    after, shown = jax.jit(game.train_step)(before, batch)

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    slope = -0.25 * (sigmoid(-0.25) - 1) + 0.5 * sigmoid(0.5)
    a = 1.0 - 0.1 * slope
    assert float(after.params["discriminator"]["a"]) == pytest.approx(a, rel=1e-5)
    reward = np.log1p(np.exp(a * 0.5))  # -log(1 - D), by the discriminator that has moved
    assert float(shown["policy/reward"]) == pytest.approx(reward, rel=1e-5)
    error = reward + 0.5 * 2 - 2  # of one step; A_2 = error, A_1 = error + error / 4
    assert float(shown["policy/value_error"]) == pytest.approx((error**2 + (1.25 * error) ** 2) / 2, rel=1e-4)
    slope = -2 * (1.25 * error + error) / 2
    assert float(after.params["value"]["v"]) == pytest.approx(2.0 - slope, rel=1e-4)


def alone(loss=jg.losses.minimax, v=0.0, log_std=0.0, **settings):
    """One step by SGD of a policy of normal actions about m from a fixed start; the discriminator stays as it is."""
    start = jnp.asarray([0.5, -0.5, 0.0, 0.0], jnp.float32)
    task = jg.data.point_mass(HORIZON)._replace(reset=lambda key: start)
    networks = {
        "policy": fixed(lambda p, s: (jnp.full((len(s), 2), p["m"]), jnp.full((len(s), 2), p["l"])), m=0.5, l=log_std),
        "value": fixed(lambda p, s: p["v"] * s[:, 0], v=v),
        "discriminator": fixed(lambda p, s, a: p["a"] * a[:, 0], a=1.0),
    }
    optimizer = {"discriminator": optax.sgd(0.0), "policy": optax.sgd(1.0)}
    game = jg.game(networks, jg.systems.gail(task=task, loss=loss, optimizer=optimizer, **settings))
    after, shown = jax.jit(game.train_step)(game.init(jax.random.key(0), EXPERT), EXPERT)
    return after.params, shown, task, start


def test_entropy_is_paid_for():
    """Of two actions it is 2 l + constant, so that its weight moves l by twice as much."""
    with_it, without = (alone(entropy=weight)[0]["policy"]["l"] for weight in (0.3, 0.0))
    assert float(with_it - without) == pytest.approx(0.6, rel=1e-4)


def test_advantages_have_no_scale():
    """Seven times the reward is the same step of the policy: its advantages have a variance of 1."""
    one, seven = jg.losses.minimax, jg.losses.minimax._replace(generator=lambda *x: 7 * jg.losses.minimax.generator(*x))
    assert float(alone(one)[0]["policy"]["m"]) == pytest.approx(float(alone(seven)[0]["policy"]["m"]), rel=1e-4)


def test_the_horizon_cuts_and_does_not_end():
    """With V = 2 x, at a policy without spread, the last state's value is part of the last step's error."""
    _, shown, task, state = alone(v=2.0, log_std=-20.0, discount=0.5, smoothing=0.0)
    reward, errors, action = np.log1p(np.exp(0.5)), [], jnp.full(2, 0.5, jnp.float32)
    for _ in range(HORIZON):
        following = task.step(state, action)
        errors.append(reward + 0.5 * 2 * float(following[0]) - 2 * float(state[0]))
        state = following
    assert float(shown["policy/value_error"]) == pytest.approx(np.mean(np.square(errors)), rel=1e-4)


def test_roll_outs_are_the_tasks_and_actions_are_cut_off():
    task = jg.data.point_mass(5)
    made = jg.data.rollout(task, lambda states, step: jnp.full((len(states), 2), 3.0), jax.random.key(0), 2)
    assert float(made["action"].max()) == 1.0
    assert float(made["chosen"].min()) == 3.0
    np.testing.assert_allclose(made["state"][:, 1:], made["next"][:, :-1])
    x, v = made["state"][0, 0, :2], made["state"][0, 0, 2:] + 0.1
    np.testing.assert_allclose(made["next"][0, 0], jnp.concatenate([x + 0.1 * v, v]), rtol=1e-5)


@pytest.mark.parametrize(("task", "least"), [(jg.data.pendulum(), -400), (jg.data.point_mass(), -30)])
def test_experts_reach_the_goal(task, least):
    expert = metrics.returns(task, jg.data.expert(task), jax.random.key(0), 20)
    random = metrics.returns(task, jg.data.uniform_actions(task, jax.random.key(1)), jax.random.key(0), 20)
    assert expert.min() > least > random.mean()
    assert metrics.normalized_return(random, random, expert) == 0
    assert metrics.normalized_return(expert, random, expert) == 1


def test_demonstrations_are_the_experts_steps():
    task = jg.data.point_mass(10)
    source = jg.data.demonstrations(task, 3, 5, seed=1)
    batch = jg.data.batch_at(source, 64, 0)(0)
    assert len(np.unique(batch["state"], axis=0)) <= 6  # two steps of each roll-out
    step = jax.vmap(task.step)(batch["state"], batch["action"])
    np.testing.assert_allclose(step, batch["next"], atol=1e-6)
    np.testing.assert_allclose(jax.vmap(task.expert)(batch["state"]), batch["action"], atol=1e-6)
    with pytest.raises(ValueError, match=r"every in 1..10; got 3 and 11"):
        jg.data.demonstrations(task, 3, 11)


def test_what_it_refuses():
    for settings, says in (
        ({"judges": ("pixels",)}, r"judges one or several of .*got \('pixels',\)"),
        ({"discount": 2.0}, r"discount and smoothing in \[0, 1\] and entropy >= 0; got 2.0"),
        ({"loss": "equilibrium"}, r"rewards each step for itself"),
    ):
        with pytest.raises(ValueError, match=says):
            imitated(**settings)
    networks, system, batch = imitated()
    with pytest.raises(ValueError, match=r"whole roll-outs of 2; the batch has 5"):
        jg.game(networks, system).init(jax.random.key(0), {name: value[:5] for name, value in batch.items()})
    with pytest.raises(ValueError, match=r"gail needs batch\['action'\], of the expert's steps"):
        jg.game(networks, system).init(jax.random.key(0), {"state": batch["state"]})


def test_transitions_can_be_judged_without_actions():
    networks, system, batch = imitated(judges=("state", "next"))
    game = jg.game(networks, system)
    without = {name: batch[name] for name in ("state", "next")}
    state = jax.eval_shape(game.init, jax.random.key(0), without)
    assert "policy/reward" in jax.eval_shape(game.train_step, state, without)[1]
