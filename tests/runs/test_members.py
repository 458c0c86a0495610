"""A run below another's folder, by one call: what an experiment that trains several games is made of."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments.toys import ring
from jaxgan.runs.loading import load
from jaxgan.runs.settings import Running
from jaxgan.runs.start import Plan, member

CONFIG = ring.Config(steps=20, batch_size=8, width=4)
RUNNING = Running(evaluations=4, log_every=5)


def plan(steps):
    config = dataclasses.replace(CONFIG, steps=steps)
    about = {"experiment": "modes", "module": "experiments.toys.modes", "sha256": None, "command": "of a test"}
    made = lambda shape, classes: ring.build(CONFIG, shape, classes)  # noqa: E731  (its rates know 20 steps)
    return Plan(about, config, ring.source(config), made, may_differ=("steps",))


def leaves(state):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))]


def test_a_member_goes_on_where_it_was_stopped(tmp_path):
    straight = member(tmp_path / "table" / "straight", plan(20), RUNNING)
    assert (straight.code, int(straight.state.step)) == (0, 20)
    assert int(member(tmp_path / "table" / "stopped", plan(10), RUNNING).state.step) == 10
    again = member(tmp_path / "table" / "stopped", plan(20), RUNNING)
    for one, other in zip(leaves(straight.state), leaves(again.state), strict=True):
        np.testing.assert_array_equal(one, other)
    folder = tmp_path / "table" / "stopped"
    assert (folder / "metrics.jsonl").read_bytes() == (tmp_path / "table" / "straight" / "metrics.jsonl").read_bytes()
    assert json.loads((folder / "summary.json").read_text())["figures"] == {}
    with pytest.raises(ValueError, match="one of the games of 'modes', which that experiment alone can make"):
        load(folder)


def test_a_member_with_given_weights_is_read_back(tmp_path):
    """Its checkpoints hold a digest of them, which reading back asks for as going on does."""
    toy = ring.build(CONFIG, (2,), 0)
    weights = {"params": {"kernel": np.eye(2, dtype=np.float32), "bias": np.zeros(2, np.float32)}}

    def loss(nets, batch, turn):
        return jnp.mean(jnp.square(nets["eye"](nets["net"](batch["x"])))), {}

    player = jg.Player(("net",), loss, optax.sgd(0.1))
    system = jg.System({"player": player}, None, lambda *_: None, ("eye",))
    game = jg.game({"net": nn.Dense(2), "eye": jg.networks.pretrained(nn.Dense(2), weights)}, system)
    of_game = plan(4)._replace(build=lambda shape, classes: toy._replace(game=game, prior=None, draw=None))
    first = member(tmp_path / "table" / "given", of_game, RUNNING)
    again = member(tmp_path / "table" / "given", of_game, RUNNING)
    assert (first.code, again.code, int(again.state.step)) == (0, 0, 4)
    for one, other in zip(leaves(first.state), leaves(again.state), strict=True):
        np.testing.assert_array_equal(one, other)
