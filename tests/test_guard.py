"""A non-finite update is skipped whole: parameters, statistics, moments and averages stay, and training goes on."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.guard import guarded, is_finite
from jaxgan.loop import NonFiniteError, Safety, train
from jaxgan.networks import dcgan, mlp
from jaxgan.parallel import data_parallel


def points_game(axis_name=None, optimizer=None):
    system = jg.systems.gan(
        loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optimizer or optax.adam(1e-2), n_critic=2
    )
    networks = {"generator": mlp.Generator((2,), (8,)), "discriminator": mlp.Discriminator((8,))}
    return jg.game(networks, system, ema={"generator": 0.9}, axis_name=axis_name)


def batch(value=0.5, size=16):
    return {"x": np.full((size, 2), value, np.float32)}


def same(one, other):
    one, other = (jax.device_get(s._replace(step=0, key=jax.random.key_data(s.key))) for s in (one, other))
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def test_a_nan_example_changes_nothing_but_the_step():
    game = guarded(points_game())
    step = jax.jit(game.train_step)
    state, metrics = step(game.init(jax.random.key(0), batch()), batch())
    assert metrics["skipped"] == 0
    poisoned = batch()
    poisoned["x"][3, 1] = np.nan
    after, metrics = step(state, poisoned)
    assert metrics["skipped"] == 1
    assert int(after.step) == int(state.step) + 1
    assert same(state, after)
    again, metrics = step(after, batch())
    assert metrics["skipped"] == 0
    assert not same(after, again)
    unguarded, _ = jax.jit(points_game().train_step)(state, poisoned)
    assert not is_finite(unguarded)  # what the guard keeps out


def test_batch_statistics_and_the_other_players_part_are_kept():
    """The discriminator's turn is finite and the generator's is not: neither counts."""
    networks = {
        "generator": dcgan.Generator(size=28, features=2),
        "discriminator": dcgan.Discriminator(size=28, features=2),
    }
    broken = jg.Loss(jg.losses.hinge.discriminator, lambda real, fake: jnp.log(-jnp.mean(fake**2)))
    system = jg.systems.gan(loss=broken, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    game = guarded(jg.game(networks, system))
    data = {"x": np.random.default_rng(0).uniform(-1, 1, (4, 28, 28, 1)).astype(np.float32)}
    state = game.init(jax.random.key(0), data)
    assert state.model_state["discriminator"]
    after, metrics = jax.jit(game.train_step)(state, data)
    assert metrics["skipped"] == 1
    assert same(state, after)


def test_a_good_step_is_the_games():
    game, state = points_game(), points_game().init(jax.random.key(0), batch())
    one, two = jax.jit(game.train_step)(state, batch())[0], jax.jit(guarded(game).train_step)(state, batch())[0]
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_runs_of_a_game_share_one_step_and_so_what_was_compiled():
    game, other = (jg.Game(lambda *a: None, step, lambda *a: None) for step in (lambda *a: a, lambda *a: a[::-1]))
    assert guarded(game).train_step is guarded(game).train_step
    assert guarded(game).train_step is not guarded(other).train_step


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_all_devices_decide_alike(mode):
    """The bad example is on one device of eight."""
    parallel = data_parallel(guarded(points_game("batch" if mode == "pmap" else None)), mode)
    state = parallel.init(jax.random.key(0), batch())
    state, _ = parallel.train_step(state, batch())
    before = jax.device_get(state.params)
    poisoned = batch()
    poisoned["x"][13] = np.inf
    state, metrics = parallel.train_step(state, poisoned)
    assert metrics["skipped"] == 1
    for leaf in jax.tree.leaves(state.params):
        assert len({np.asarray(shard.data).tobytes() for shard in leaf.addressable_shards}) == 1
    assert jax.tree.all(jax.tree.map(np.array_equal, before, jax.device_get(state.params)))


def test_an_optimizer_may_hold_infinity_but_not_nan():
    state = points_game().init(jax.random.key(0), batch())
    assert is_finite(state._replace(opt_state={"best": jnp.inf}))
    assert not is_finite(state._replace(opt_state={"best": jnp.nan}))
    assert not is_finite(state._replace(ema={"generator": jnp.inf}))


# In the loop


def stream(bad):
    for step in itertools.count(1):
        yield batch(np.nan if step in bad else 0.5)


def test_the_loop_counts_skipped_steps_and_goes_on():
    game, rows = guarded(points_game()), []
    ending = train(
        jax.jit(game.train_step),
        game.init(jax.random.key(0), batch()),
        stream({3, 4, 7}),
        9,
        log=lambda step, values: rows.append((step, values)),
        safety=Safety(max_skips=3),
    )
    assert ending.skipped == (3, 4, 7)
    assert [step for step, _ in rows] == list(range(1, 10))
    assert [step for step, values in rows if values == {"skipped": 1.0}] == [3, 4, 7]
    assert all("skipped" not in values for step, values in rows if step not in (3, 4, 7))
    assert is_finite(ending.state)


def test_too_many_in_a_row_end_training():
    game = guarded(points_game())
    with pytest.raises(NonFiniteError, match=r"step 7: .*loss is nan.*; 3 updates in a row were skipped"):
        train(
            jax.jit(game.train_step),
            game.init(jax.random.key(0), batch()),
            stream({3, 5, 6, 7}),
            20,
            safety=Safety(max_skips=3),
        )
    with pytest.raises(ValueError, match="max_skips >= 1; got 0"):
        train(jax.jit(game.train_step), None, stream({}), 1, safety=Safety(max_skips=0))
