"""From one game into another: another number of classes, another resolution, other networks, and what each costs."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import mlp, progressive
from jaxgan.networks.conditioning import Concatenated

PRIOR = jg.priors.normal(3)


def labelled(classes, moments=True):
    networks = {
        "generator": Concatenated(mlp.Generator((2,), (4,)), classes),
        "discriminator": Concatenated(mlp.Discriminator((4,)), classes),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=optax.adam(0.1))
    game = jg.game(networks, system, ema={"generator": 0.9})
    batch = {"x": jnp.ones((4, 2)), "y": jnp.arange(4, dtype=jnp.int32) % classes}
    return game, batch


def trained(game, batch, steps=2):
    state, step = game.init(jax.random.key(0), batch), jax.jit(game.train_step)
    for _ in range(steps):
        state, _ = step(state, batch)
    return state


def test_another_number_of_classes():
    """What reads the labels is fresh and said so; all else is carried, averages too, and the step is 0."""
    old_game, old_batch = labelled(2)
    game, batch = labelled(3)
    old = trained(old_game, old_batch)
    carried = jg.carry(old, game, jax.random.key(1), batch)
    fresh = game.init(jax.random.key(1), batch)
    reasons = {path for path, why in carried.fresh.items() if "there" in why and "here" in why}
    assert reasons == set(carried.fresh)
    assert all(path.endswith("kernel") for path in reasons)
    assert len(reasons) == 3  # the first layer of either network, and the average of one
    for path in carried.carried:
        assert path.startswith(("params/", "ema/"))
    new, was, begun = (jg.types.by_path(s.params) for s in (carried.state, old, fresh))
    for path, value in new.items():
        source = begun if f"params/{path}" in reasons else was
        np.testing.assert_array_equal(value, source[path])
    assert carried.state.step == 0
    chex.assert_trees_all_equal(carried.state.opt_state, fresh.opt_state)
    assert f"{len(carried.carried)} leaves were carried, 3 are fresh" in str(carried)
    _, metrics = jax.jit(game.train_step, donate_argnums=0)(carried.state, batch)
    assert jnp.isfinite(metrics["generator/loss"])
    jax.block_until_ready(old)  # what was carried is a copy, which the step above may have used up


def test_another_resolution():
    def game_of(side):
        networks = {
            "generator": progressive.Generator(1, side, 4, flat=1),
            "discriminator": progressive.Discriminator(side, 4, flat=1),
        }
        system = jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=optax.adam(0.1))
        return jg.game(networks, system), {"x": jnp.zeros((4, side, side, 1))}

    old = trained(*game_of(8), steps=1)
    game, batch = game_of(16)
    carried = jg.carry(old, game, jax.random.key(1), batch)
    assert any("8x8" in path or path.startswith("params/generator") for path in carried.carried)
    assert any("the old state has none of this path" in why for why in carried.fresh.values())
    after, _ = jax.jit(game.train_step)(carried.state, batch)
    assert after.step == 1


def test_moments_on_demand():
    game, batch = labelled(2)
    old = trained(game, batch)
    carried = jg.carry(old, game, jax.random.key(1), batch, moments=True)
    assert carried.fresh == {}
    chex.assert_trees_all_equal(carried.state.opt_state, old.opt_state)
    chex.assert_trees_all_equal(carried.state.ema, old.ema)


def test_networks_of_other_names_and_a_new_one():
    """A trained encoder becomes the discriminator of a second phase; an average begins at what is averaged."""

    def loss(name):
        return lambda nets, batch, turn: (jnp.mean(nets[name](batch["x"])), {})

    def game_of(names, ema=None):
        players = {name: jg.Player((name,), loss(name), optax.sgd(0.1)) for name in names}
        system = jg.System(players, None, lambda *_: None)
        return jg.game({name: mlp.Discriminator((4,)) for name in names}, system, ema=ema)

    batch = {"x": jnp.ones((4, 2))}
    old = trained(game_of(["encoder"]), batch)
    game = game_of(["critic", "other"], ema={"critic": 0.5})
    carried = jg.carry(old, game, jax.random.key(1), batch, networks={"critic": "encoder"})
    chex.assert_trees_all_equal(carried.state.params["critic"], old.params["encoder"])
    chex.assert_trees_all_equal(carried.state.ema["critic"], old.params["encoder"])
    assert all(path.startswith("params/other/") for path in carried.fresh)
    with pytest.raises(ValueError, match=r"the games share nothing: networks \['encoder'\] and \['critic', 'other'\]"):
        jg.carry(old, game, jax.random.key(1), batch)
    with pytest.raises(ValueError, match=r"names \['decoder'\], which the old game has not; it has \['encoder'\]"):
        jg.carry(old, game, jax.random.key(1), batch, networks={"critic": "decoder"})
    with pytest.raises(ValueError, match=r"names \['judge'\], which the new game has not"):
        jg.carry(old, game, jax.random.key(1), batch, networks={"judge": "encoder"})
