"""The loop's check of a batch; what it shares with `arrays` is tested there."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import data

X = np.zeros((4, 8, 8, 3), np.float32)
Y = np.array([0, 1, 2, 3], np.int32)


def test_good_batches_pass():
    data.check_batch({"x": X})
    data.check_batch({"x": jnp.asarray(X), "y": jnp.asarray(Y)}, classes=4)
    data.check_batch({"x": X, "y": Y})
    data.check_batch({"x": np.full((4, 2), 9, np.float32)})
    data.check_batch({"x": X + np.float32(1.00001)})  # rounding
    data.check_batch({"x": np.zeros((4, 3, 3, 64), np.float32)})  # three pixels high
    data.check_batch({"x": np.zeros((4, 3, 16, 1), np.float32)})
    data.check_batch({"photo": X, "pair": (X, X), "tokens": np.zeros((4, 7), np.int32), "index": Y})
    data.check_batch({"x": X, "y": {"caption": np.zeros((4, 7), np.int32), "digit": Y}})


@pytest.mark.parametrize(
    ("batch", "classes", "message"),
    [
        ({"y": Y}, 0, r"batch has no data; have \['y'\]"),
        ({"image": X, "tokens": Y[:3]}, 0, r"batch\['tokens'\] has 3 examples, where others have 4"),
        ({"tokens": Y.astype(np.int64)}, 0, r"batch\['tokens'\] is int64; tokens and indices are int32"),
        ({"x": X.astype(np.uint8)}, 0, r"batch\['x'\] is uint8; .*jg.data.from_uint8"),
        ({"x": jnp.asarray(X, jnp.bfloat16)}, 0, r"batch\['x'\] is bfloat16; expected float32"),
        ({"x": X + 2}, 0, r"batch\['x'\] is in \[2.00, 2.00\]; expected \[-1, 1\]"),
        ({"x": X.transpose(0, 3, 1, 2)}, 0, "channels-first: transpose"),
        ({"x": X + np.float32("nan")}, 0, r"768 non-finite value\(s\), the first in example 0"),
        ({"x": X}, 4, "batch has no 'y', but its source has 4 classes"),
        ({"x": X, "y": Y.astype(np.int64)}, 4, r"batch\['y'\] is int64 \(4,\); labels must be int32 \(4,\)"),
        ({"x": X, "y": Y[:3]}, 4, r"batch\['y'\] is int32 \(3,\)"),
        ({"x": X, "y": [0, 1, 2, 3]}, 4, r"batch\['y'\] is list \(4,\)"),
        ({"x": X, "y": Y}, 3, r"batch\['y'\]: label 3 out of range \[0, 3\) at example 3"),
        ({"x": X, "y": -Y}, 4, r"label -1 out of range \[0, 4\) at example 1"),
        ({"x": X, "y": -Y}, 0, r"label -1 out of range \[0, \.\.\.\) at example 1"),
    ],
)
def test_bad_batches(batch, classes, message):
    with pytest.raises(ValueError, match=message):
        data.check_batch(batch, classes)


IMAGES = np.linspace(-1, 1, 2 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 1)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            {"x": (IMAGES + 1) * 127.5},
            r"batch\['x'\] is in \[0.00, 255.00\]; expected \[-1, 1\]: x / 127.5 - 1; .*own_units=True",
        ),
        ({"x": (IMAGES + 1) / 2}, r"batch\['x'\] is in \[0.00, 1.00\]; expected \[-1, 1\]: 2 \* x - 1; .*own_units"),
        ({"x": 3 * IMAGES}, r"\[-3.00, 3.00\]; expected \[-1, 1\]"),
        ({"x": np.where(IMAGES > 0.9, np.nan, IMAGES)}, r"non-finite value\(s\), the first in example 1"),
        ({"x": IMAGES, "other": np.full((2, 3), np.inf, np.float32)}, r"batch\['other'\] has 6 non-finite"),
        ({"x": IMAGES, "y": {"box": np.full((2, 3), np.nan, np.float32)}}, r"batch\['y'\]\['box'\] has 6 non-finite"),
    ],
)
def test_a_game_is_not_initialised_with_numbers_in_other_units(batch, message, key):
    networks = {
        "generator": jg.networks.mlp.Generator((4, 4, 1), (2,)),
        "discriminator": jg.networks.mlp.Discriminator((2,)),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match=message):
        jg.game(networks, system).init(key, batch)


def test_units_of_ones_own_are_taken(key):
    """And so are batches that say nothing: constant ones, points of any range, conditions, and what is traced."""

    def loss(nets, batch, turn):
        return jnp.mean(nets["net"](batch["x"].reshape(2, -1))), {}

    player = jg.Player(("net",), loss, optax.sgd(0.1))
    system = jg.System({"p": player}, lambda batch: {"net": (batch["x"].reshape(2, -1),)}, print)
    game = jg.game({"net": nn.Dense(1)}, system)
    mine = jg.game({"net": nn.Dense(1)}, system, own_units=True)
    chex.assert_trees_all_equal(mine.init(key, {"x": 255 * IMAGES}).params, game.init(key, {"x": IMAGES}).params)
    game.init(key, {"x": np.ones((2, 4, 4, 1), np.float32)})
    game.init(key, {"x": np.full((2, 16), 300, np.float32), "y": np.full((2, 5, 5), 9, np.float32)})
    jax.eval_shape(game.init, key, {"x": 255 * IMAGES})
