"""Given parameters: where training begins, what checkpoints leave out, and what they insist on."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint

EYE = {"params": {"kernel": np.eye(2, dtype=np.float32), "bias": np.array([1.0, 2.0], np.float32)}}
BATCH = {"x": jnp.ones((4, 2))}


def game_of(variables=EYE, frozen=True):
    def loss(nets, batch, turn):
        return jnp.mean(jnp.square(nets["eye"](nets["net"](batch["x"])))), {}

    owns = ("net",) if frozen else ("net", "eye")
    player = jg.Player(owns, loss, optax.sgd(0.1))
    system = jg.System({"player": player}, None, lambda *_: None, ("eye",) if frozen else ())
    return jg.game({"net": nn.Dense(2), "eye": jg.networks.pretrained(nn.Dense(2), variables)}, system)


@pytest.mark.parametrize("frozen", [True, False])
def test_training_begins_at_the_given_parameters(frozen):
    game = game_of(frozen=frozen)
    state = game.init(jax.random.key(0), BATCH)
    chex.assert_trees_all_equal(state.params["eye"], EYE["params"])
    after, _ = jax.jit(game.train_step, donate_argnums=0)(state, BATCH)
    assert (after.params["eye"]["kernel"] == EYE["params"]["kernel"]).all() == frozen
    again = game.init(jax.random.key(1), BATCH)  # donation used up nothing of the user's
    chex.assert_trees_all_equal(again.params["eye"], EYE["params"])


def saved(game, folder):
    state = game.init(jax.random.key(0), BATCH)
    state, _ = jax.jit(game.train_step)(state, BATCH)
    with_manager = checkpoint.open_checkpoints(folder)
    checkpoint.save(with_manager, state, {"seed": 0}, given=game.given)
    checkpoint.wait(with_manager)
    return with_manager, state, jax.eval_shape(game.init, jax.random.key(0), BATCH)


def test_checkpoints_hold_a_digest_in_place_of_frozen_weights(tmp_path):
    game = game_of()
    manager, state, target = saved(game, tmp_path / "checkpoints")
    restored = checkpoint.restore(manager, target, {"seed": 0}, given=game.given)
    chex.assert_trees_all_equal(restored.params, state.params)
    page = checkpoint.manifest.read(tmp_path / "checkpoints" / "1").page
    assert [path for path in page["leaves"] if path.startswith("params/eye")] == []
    assert list(page["given"]) == ["eye"]
    other = {"params": EYE["params"] | {"bias": np.zeros(2, np.float32)}}
    with pytest.raises(ValueError, match=r"network eye: checkpoint given weights of digest \w{12}, now given w"):
        checkpoint.restore(manager, target, {"seed": 0}, given=game_of(other).given)
    with pytest.raises(ValueError, match=r"network eye: checkpoint given weights of digest \w{12}, now stores"):
        checkpoint.restore(manager, target, {"seed": 0})
    with pytest.raises(ValueError, match="what is given for network 'net' has other leaves than the state"):
        checkpoint.restore(manager, target, {"seed": 0}, given={"net": {"params": {}}})
    manager.close()


def test_checkpoints_hold_weights_that_are_trained_further(tmp_path):
    game = game_of(frozen=False)
    assert not game.given
    manager, state, target = saved(game, tmp_path / "checkpoints")
    chex.assert_trees_all_equal(checkpoint.restore(manager, target, {"seed": 0}).params, state.params)
    manager.close()


def test_weights_of_double_precision_are_held_as_the_state_holds_them():
    double = jax.tree.map(lambda leaf: leaf.astype(np.float64), EYE)
    held = jg.networks.pretrained(nn.Dense(2), double).variables
    assert {leaf.dtype.name for leaf in jax.tree.leaves(held)} == {"float32"}


def test_variables_without_parameters():
    with pytest.raises(ValueError, match=r"pretrained needs variables with 'params', .* got \['kernel'\]"):
        jg.networks.pretrained(nn.Dense(2), {"kernel": np.eye(2)})
