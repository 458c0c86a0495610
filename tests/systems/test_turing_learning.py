"""Turing Learning: fitness on tables by hand, selection by hand, and populations."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import estimators
from jaxgan.networks import elman, mlp, populations


def logits(words):
    """A row for each example, a column for each classifier: + genuine, - counterfeit."""
    return jnp.asarray([[1.0 if c == "+" else -1.0 for c in row] for row in words.split()])


def test_fitness_on_a_table_by_hand():
    """Two classifiers: sensitivities 3/4 and 1/2, specificities 1/2 and 1; of eight judgements two call it genuine."""
    real, fake = logits("++ ++ +- --"), logits("+- +- -- --")
    fitness = jg.losses.hard_threshold
    assert float(fitness.discriminator(real, fake)) == pytest.approx(-(0.625 + 0.75) / 2)
    assert float(fitness.discriminator(real[:, :1], fake[:, :1])) == pytest.approx(-0.625)
    assert float(fitness.discriminator(real[:, 1:], fake[:, 1:])) == pytest.approx(-0.75)
    assert float(fitness.generator(real, fake)) == pytest.approx(-0.25)


@pytest.mark.parametrize("always", [-3.0, 3.0])
def test_a_constant_classifier_has_fitness_one_half(always):
    same = jnp.full((5, 1), always)
    assert float(jg.losses.hard_threshold.discriminator(same, same)) == -0.5


def population(values, strength=0.0):
    members = {"w": jnp.asarray(values, jnp.float32)}
    return {"net": {"members": members, "strengths": {"w": jnp.full_like(members["w"], strength)}}}


def objective(owned):
    """A loss of each member's own: a population of one is asked for it."""
    return jnp.mean(jnp.sum(jnp.square(owned["net"]["members"]["w"]), axis=-1)), {}


def test_the_best_stay_and_come_first():
    owned = population([[3.0], [-1.0], [2.0], [0.5], [4.0]])
    (value, _), slope = estimators.selection(2, least=1e-12)(objective, owned, jax.random.key(0))
    after = jax.tree.map(lambda old, change: old - change, owned, slope)["net"]["members"]["w"]
    assert float(value) == pytest.approx(np.mean([9, 1, 4, 0.25, 16]))
    np.testing.assert_allclose(after[:2, 0], [0.5, -1.0])
    assert set(np.round(after[2:, 0], 4).tolist()) <= {0.5, -1.0}  # children without mutation are their parents'


def test_mutation_has_the_strength_that_it_adapts():
    owned = population(np.zeros((4002, 3)), 0.5)
    _, slope = estimators.selection(2)(objective, owned, jax.random.key(1))
    after = jax.tree.map(lambda old, change: old - change, owned, slope)["net"]
    moved, strength = (np.asarray(after[name]["w"])[2:] for name in ("members", "strengths"))
    assert np.std(moved / strength) == pytest.approx(1, abs=0.03)
    n = 3
    assert np.mean(np.log(strength / 0.5)) == pytest.approx(0, abs=0.03)
    assert np.var(np.log(strength / 0.5)) == pytest.approx(1 / (2 * n) + 1 / (2 * np.sqrt(n)), rel=0.08)


def test_selection_finds_the_minimum():
    owned = population(np.random.default_rng(0).uniform(-1, 1, (20, 2)) + 3, 0.5)
    estimate = estimators.selection(10)

    def generation(owned, key):
        slope = estimate(objective, owned, key)[1]
        return jax.tree.map(lambda old, change: old - change, owned, slope), None

    last, _ = jax.lax.scan(generation, owned, jax.random.split(jax.random.key(0), 60))
    assert np.abs(np.asarray(last["net"]["members"]["w"])[0]).max() < 0.02


def test_evolution_strategies_have_the_gradient_of_a_smoothed_square():
    """E ||theta + std e||^2 has the gradient 2 theta."""
    theta = {"w": jnp.asarray([1.0, -2.0, 0.5])}
    estimate = estimators.evolution_strategies(0.1, 20_000)
    _, slope = jax.jit(lambda key: estimate(lambda owned: (jnp.sum(jnp.square(owned["w"])), {}), theta, key))(
        jax.random.key(0)
    )
    np.testing.assert_allclose(slope["w"], 2 * theta["w"], atol=0.15)


def test_every_example_is_by_another_member_and_every_member_judges_all():
    crowd = populations.Crowd(mlp.Generator((2,), ()), 3)
    z = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32)
    variables = crowd.init(jax.random.key(0), z)
    members = variables["params"]["members"]
    made = crowd.apply(variables, z, jnp.arange(2, 7))
    for row, member in enumerate([2, 0, 1, 2, 0]):
        own = jax.tree.map(lambda leaf, k=member: leaf[k], members)
        np.testing.assert_allclose(made[row], crowd.member.apply({"params": own}, z[row : row + 1])[0], rtol=1e-5)
    jury = populations.Jury(mlp.Discriminator(()), 3)
    variables = jury.init(jax.random.key(1), z)
    judged = jury.apply(variables, z)
    assert judged.shape == (5, 3)
    own = jax.tree.map(lambda leaf: leaf[1], variables["params"]["members"])
    np.testing.assert_allclose(judged[:, 1], jury.member.apply({"params": own}, z), rtol=1e-5)


def test_elman_by_hand():
    """Two steps of one unit: h = sigmoid(2 x + 1 + 3 h), then 5 h - 1."""
    params = {"inward": jnp.asarray([[2.0], [1.0]]), "again": jnp.asarray([[3.0]]), "outward": jnp.asarray([5.0, -1.0])}
    made = elman.Elman(1).apply({"params": params}, jnp.asarray([[0.5, -1.0]]))
    h = 1 / (1 + np.exp(-2.0))
    h = 1 / (1 + np.exp(-(-2.0 + 1.0 + 3 * h)))
    np.testing.assert_allclose(made, [5 * h - 1], rtol=1e-5)
    shapes = jax.eval_shape(elman.Elman().init, jax.random.key(0), jnp.zeros((1, 4, 2)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 46


def test_behaviours_by_hand():
    process = jg.data.autoregression(3)
    made = process.act(jnp.asarray([0.5, -0.25]), jnp.asarray([2.0, 0.0, 2.0]))
    np.testing.assert_allclose(made, [1.0, 0.5, 1.0])  # 1; .5; .25 - .25 + 1
    robot = jg.data.line_of_sight(2)
    poses = robot.poses(jnp.asarray([0.5, 1.0, -1.0, -1.0]), jnp.zeros(7))
    np.testing.assert_allclose(poses[0], [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(poses[1], [0.075, 0, 0.1], atol=1e-6)  # on the beacon nothing is ahead: 0.75, turning 1
    with pytest.raises(ValueError, match=r"has the parameters \('a', 'b'\); got \(1,\)"):
        jg.data.recorded(process, (1,))


def test_the_classifiers_move_first():
    """Models are then selected by those that stay: a game of one parameter each, by hand."""
    networks = {
        "generator": populations.Crowd(populations.Simulated(lambda own, z: own, 1), 2),
        "discriminator": populations.Jury(Above(), 2),
    }
    system = jg.systems.turing_learning(
        prior=jg.priors.normal(1), optimizer=optax.sgd(1.0), gradient=estimators.selection(1, least=1e-9)
    )
    game = jg.game(networks, system)
    batch = {"x": jnp.full((2, 1), 1.0, jnp.float32)}
    state = game.init(jax.random.key(0), batch)

    def put(name, values):
        tree = jax.tree.map(lambda leaf: jnp.asarray(values, jnp.float32).reshape(leaf.shape), state.params[name])
        still = jax.tree.map(jnp.zeros_like, tree["strengths"])
        return {"members": tree["members"], "strengths": still}

    # thresholds 2 and 0.5; models 0.75 and 0: the first classifier calls all counterfeit (1/2), the second errs on one
    # of the models alone (3/4) and stays; then the model 0.75 is genuine and stays.
    params = {"discriminator": put("discriminator", [2.0, 0.5]), "generator": put("generator", [0.0, 0.75])}
    after, shown = jax.jit(game.train_step)(state._replace(params=params), batch)
    assert float(shown["discriminator/loss"]) == pytest.approx(-(0.5 + 0.75) / 2)
    assert float(shown["generator/loss"]) == pytest.approx(-0.5)
    for name, value in {"discriminator": 0.5, "generator": 0.75}.items():
        own = jax.tree.leaves(after.params[name]["members"])[0]
        np.testing.assert_allclose(own.reshape(-1), [value, value], atol=1e-5)


class Above(nn.Module):
    """x [B, 1] -> x minus a threshold."""

    @nn.compact
    def __call__(self, x):
        return x[:, 0] - self.param("threshold", lambda key: jnp.zeros((), jnp.float32))


def test_what_it_refuses():
    with pytest.raises(ValueError, match="parents >= 1 and least > 0; got 0"):
        estimators.selection(0)
    with pytest.raises(ValueError, match=r"selection of 3 parents needs one larger population; there are sizes \[3\]"):
        estimators.selection(3)(objective, population(np.zeros((3, 1))), jax.random.key(0))
    with pytest.raises(ValueError, match="moves populations; network 'net' is none"):
        estimators.selection(1)(objective, {"net": {"w": jnp.zeros(3)}}, jax.random.key(0))
    with pytest.raises(ValueError, match="size >= 2; got 1"):
        populations.Crowd(mlp.Generator((2,), ()), 1).init(jax.random.key(0), jnp.zeros((1, 4)))
