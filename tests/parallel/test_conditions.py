"""Batches whose conditions are pytrees, through every way to train: devices, members, segments, the loop."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.guard import guarded
from jaxgan.loop import Safety, train
from jaxgan.networks import mlp
from jaxgan.networks.conditioning import Concatenated
from jaxgan.parallel import data_parallel, member, segments, stack, sweep
from tests.parallel.conftest import largest_difference

N, B, STEPS = 32, 16, 5
RNG = np.random.default_rng(0)
SOURCE = jg.data.arrays(
    RNG.normal(size=(N, 2)).astype(np.float32),
    {"kind": np.arange(N) % 3, "place": RNG.normal(size=(N, 2)).astype(np.float32)},
)


def game_of(axis_name=None):
    networks = {
        "generator": Concatenated(mlp.Generator((2,), (8,)), {"kind": 3}),
        "discriminator": Concatenated(mlp.Discriminator((8,)), {"kind": 3}),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.05))
    return jg.game(networks, system, axis_name=axis_name)


@pytest.fixture(scope="module")
def batches():
    return [jg.data.batch_at(SOURCE, B, seed=0)(step) for step in range(STEPS)]


@pytest.fixture(scope="module")
def straight(batches):
    game = game_of()
    step, state = jax.jit(game.train_step), game.init(jax.random.key(0), batches[0])
    for batch in batches:
        state, _ = step(state, batch)
    return state


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_devices(mode, batches, straight):
    parallel = data_parallel(game_of("batch" if mode == "pmap" else None), mode)
    state = parallel.init(jax.random.key(0), batches[0])
    for batch in batches:
        state, _ = parallel.train_step(state, batch)
    assert largest_difference(straight, state) < 1e-5
    with pytest.raises(ValueError, match=r"batch\['x'\] has 12 examples, .* a multiple of 8, such as 8"):
        parallel.place(jax.tree.map(lambda leaf: leaf[:12], batches[0]))


@pytest.mark.parametrize("mode", ["map", "vmap", "auto"])
def test_members(mode, batches, straight):
    """The first of two members is the run alone; the second has other examples."""
    together = sweep(game_of(), [0, 1], mode=mode)
    stream = jg.parallel.batches(SOURCE, B, [0, 1])
    first = next(stream)
    states = together.init(first)
    for batch in itertools.chain([first], itertools.islice(stream, STEPS - 1)):
        states, _ = together.train_step(states, batch)
    assert largest_difference(straight, member(states, 0)) < 1e-5
    assert largest_difference(straight, member(states, 1)) > 1e-2
    with pytest.raises(ValueError, match=r"2 members takes batches \[2, B, ...\]; got \{.*'y/kind': \(16,\)"):
        together.init(batches[0])


def test_segments(batches, straight):
    state, metrics = segments(game_of(), STEPS)(game_of().init(jax.random.key(0), batches[0]), stack(batches))
    assert largest_difference(straight, state) < 1e-5
    chex.assert_shape(jax.tree.leaves(metrics), (STEPS,))
    with pytest.raises(ValueError, match=r"segments of 9 steps take .*'y/place': \(5, 16, 2\)"):
        segments(game_of(), 9)(state, stack(batches))


def test_the_loop_sees_what_changes(batches, straight):
    game = game_of()
    step = jax.jit(game.train_step, donate_argnums=0)
    ending = train(step, game.init(jax.random.key(0), batches[0]), iter(batches), STEPS)
    assert largest_difference(straight, ending.state) < 1e-5
    wide = batches[1] | {"y": batches[1]["y"] | {"place": np.zeros((B, 3), np.float32)}}
    with pytest.raises(
        ValueError, match=r"batch\['y/place'\] is float32 \(16, 3\) at step 2, where the first was float32"
    ):
        train(step, game.init(jax.random.key(0), batches[0]), iter([batches[0], wide]), 2)
    broken = batches[0] | {"y": batches[0]["y"] | {"place": jnp.full((B, 2), jnp.nan)}}
    with pytest.raises(ValueError, match=r"batch\['y'\]\['place'\] has values that are not finite"):
        train(step, game.init(jax.random.key(0), batches[0]), iter([broken]), 1)


def test_a_later_condition_that_is_not_finite_is_left_to_the_guard(batches):
    """As data are: a run that goes on before such a batch must skip it like one that was never stopped."""
    game = game_of()
    broken = batches[1] | {"y": batches[1]["y"] | {"place": np.full((B, 2), np.nan, np.float32)}}
    step = jax.jit(guarded(game).train_step, donate_argnums=0)
    state = game.init(jax.random.key(0), batches[0])
    assert train(step, state, iter([batches[0], broken, batches[2]]), 3, safety=Safety(check_every=1)).skipped == (2,)
