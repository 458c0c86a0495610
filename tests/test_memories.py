"""What networks remember of a batch is of the whole batch: the same on one device and on two, under both modes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import dcgan, mlp, stylegan2
from jaxgan.networks.remedies import History, Replay
from jaxgan.parallel import data_parallel
from tests.parallel.conftest import largest_difference

IMAGES = jnp.tanh(jax.random.normal(jax.random.key(5), (8, 16, 16, 1)))
POINTS = jax.random.normal(jax.random.key(6), (8, 2))
SGD = optax.sgd(0.01)
PRIOR = jg.priors.normal(3)
PAIR = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}


def points(axis, memory, **options):
    networks = PAIR | ({"memory": memory} if memory is not None else {})
    return networks, jg.systems.gan(**{"loss": jg.losses.hinge, "prior": PRIOR, "optimizer": SGD} | options), POINTS


def pictures(axis, memory=None, **options):
    networks = {
        "generator": mlp.Generator((16, 16, 1), (4,)),
        "discriminator": mlp.Discriminator((4,)),
    }
    networks |= {"memory": memory} if memory is not None else {}
    return networks, jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=SGD, **options), IMAGES


def statistics(axis):
    networks = {
        "generator": dcgan.Generator(channels=1, size=16, features=2, axis_name=axis),
        "discriminator": dcgan.Discriminator(size=16, features=2, normalization="batch", axis_name=axis),
    }
    return networks, jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=SGD), IMAGES


def styles(axis):
    networks = {
        "generator": stylegan2.Generator(
            channels=1, size=8, features=2, max_features=4, hidden=(4,), noise=False, axis_name=axis
        ),
        "discriminator": stylegan2.Discriminator(size=8, features=2, max_features=4, axis_name=axis),
    }
    return networks, jg.systems.stylegan2(prior=PRIOR, optimizer=SGD, path_shrink=1), IMAGES[:, :8, :8]


class Energy(nn.Module):
    """How badly an example is rebuilt."""

    @nn.compact
    def __call__(self, x):
        return jnp.mean(jnp.abs(nn.Dense(2)(nn.tanh(nn.Dense(1)(x))) - x), axis=1)


def energies(axis):
    networks, system, x = points(axis, jg.losses.Equilibrium(rate=0.5, axis_name=axis), loss="memory")
    return networks | {"discriminator": Energy()}, system, x


MEMORIES = {
    "replay": lambda axis: points(axis, Replay(16, axis_name=axis), replay="memory"),
    "history": lambda axis: points(axis, History(16, axis_name=axis), replay="memory"),
    "lecam": lambda axis: points(
        axis, jg.penalties.LeCam(weight=3.0, start=1, axis_name=axis), regularizer="memory", loss=jg.losses.wasserstein
    ),
    "equilibrium": energies,
    "adaptive": lambda axis: pictures(
        axis, jg.augment.Adaptive(initial=0.3, interval=1, kimg=0.1, axis_name=axis), augment="memory"
    ),
    "batch statistics": statistics,
    "path lengths and mean styles": styles,
}


def after(game, batch, steps=4):
    state, step = game.init(jax.random.key(0), batch), game.train_step
    step = step if hasattr(game, "place") else jax.jit(step)
    for _ in range(steps):
        state, _ = step(state, batch)
    return state


def game_of(name, axis):
    networks, system, x = MEMORIES[name](axis)
    return jg.game(networks, system, axis_name=axis), {"x": x}


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_is_of_the_whole_batch(name):
    """Averages over devices of what each has picked from its own part would be memories of no example."""
    game, batch = game_of(name, None)
    alone = after(game, batch)
    begun = game.init(jax.random.key(0), batch)
    bare = [state._replace(params={}, opt_state={}) for state in (alone, begun)]
    assert largest_difference(*bare) > 1e-3  # something was remembered
    for mode in ("pmap", "sharded"):
        spread, _ = game_of(name, "batch" if mode == "pmap" else None)
        state = after(data_parallel(spread, mode, devices=jax.devices()[:2]), batch)
        assert largest_difference(alone, state) < 1e-3, mode
        for leaf in jax.tree.leaves(state.model_state):
            shards = {jax.device_get(shard.data).tobytes() for shard in leaf.addressable_shards}
            assert len(shards) == 1
