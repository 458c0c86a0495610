"""Conditions of every kind, told to any network: tables, vectors, several things at once, beside the input."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import dcgan, mlp
from jaxgan.networks.conditioning import Concatenated, Joined, joined
from jaxgan.networks.layers import Embedding, as_vectors

B = 4
DIGIT = jnp.array([2, 0, 1, 1], jnp.int32)
BOX = jnp.arange(16.0).reshape(B, 4) / 16
Y = {"digit": DIGIT, "box": BOX}
X = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (B, 16, 24, 2)), jnp.float32)


def test_an_embedding_looks_up_labels_and_sums_rows_for_vectors(key):
    layer = Embedding(3, 2)
    variables = {"params": {"embedding": jnp.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])}}
    np.testing.assert_array_equal(layer.apply(variables, DIGIT), [[100, 200], [1, 2], [10, 20], [10, 20]])
    np.testing.assert_array_equal(
        layer.apply(variables, jnp.array([[1.0, 0.0, 0.5], [-1.0, 1.0, 0.0]])), [[51, 102], [9, 18]]
    )
    np.testing.assert_array_equal(as_vectors(DIGIT, 3), np.eye(3)[DIGIT])
    theirs = nn.Embed(3, 2).init(key, DIGIT)  # starts as Flax's
    np.testing.assert_array_equal(layer.init(key, DIGIT)["params"]["embedding"], theirs["params"]["embedding"])
    assert Embedding(3, 2, dtype=jnp.bfloat16).apply(variables, BOX[:, :3]).dtype == jnp.bfloat16


def test_a_joined_condition_by_hand():
    """Entries stand in the order of their names, labels one hot, whatever their depth and rank."""
    np.testing.assert_array_equal(joined(Y, {"digit": 3}), np.concatenate([BOX, np.eye(3)[DIGIT]], axis=1))
    deep = {"who": {"digit": DIGIT, "age": jnp.ones((B, 1))}, "map": jnp.zeros((B, 2, 3))}
    assert joined(deep, {"who/digit": 5}).shape == (B, 6 + 1 + 5)
    np.testing.assert_array_equal(joined(DIGIT, 3), np.eye(3)[DIGIT])
    np.testing.assert_array_equal(joined(BOX), BOX)


@pytest.mark.parametrize(
    ("y", "classes", "says"),
    [
        (Y, 0, r"y\['digit'\] has shape \(4,\), dtype int32 and classes=0"),
        (Y, {"box": 3}, r"y\['digit'\]"),
        ({"digit": DIGIT[:, None]}, {"digit": 3}, r"y\['digit'\] has shape \(4, 1\)"),
        ({"age": jnp.ones(())}, 0, r"y\['age'\] has shape \(\)"),
    ],
)
def test_what_cannot_be_joined(y, classes, says):
    with pytest.raises(ValueError, match=says):
        joined(y, classes)


def test_joined_and_concatenated_call_their_network(key):
    vector = joined(Y, {"digit": 3})
    told = Joined(mlp.Discriminator((4,), 7), {"digit": 3})
    variables = told.init(key, X, Y)
    alone = {"params": variables["params"]["network"]}
    np.testing.assert_array_equal(told.apply(variables, X, Y), mlp.Discriminator((4,), 7).apply(alone, X, vector))
    beside = Concatenated(mlp.Discriminator((4,)), {"digit": 3})
    variables = beside.init(key, X, Y)
    alone = {"params": variables["params"]["network"]}
    planes = jnp.broadcast_to(vector[:, None, None], (*X.shape[:3], 7))
    expected = mlp.Discriminator((4,)).apply(alone, jnp.concatenate([X, planes], axis=-1))
    np.testing.assert_array_equal(beside.apply(variables, X, Y), expected)
    with pytest.raises(ValueError, match=r"vectors \[B, 6\] float32; got shape \(4, 7\)"):
        Joined(mlp.Discriminator((4,), 6), {"digit": 3}).init(key, X, Y)


def players(kind):
    if kind == "joined":
        networks = dcgan.Generator(2, (16, 24), 2, classes=7), dcgan.Discriminator((16, 24), 2, "none", classes=7)
        return [Joined(network, {"digit": 3}) for network in networks]
    networks = dcgan.Generator(2, (16, 24), 2), dcgan.Discriminator((16, 24), 2, "none")
    return [Concatenated(network, {"digit": 3}) for network in networks]


@pytest.mark.parametrize("kind", ["joined", "concatenated"])
def test_a_game_of_digits_in_boxes_trains_and_is_asked(kind, key):
    """From a source of pytrees through a step with batch statistics and R1 to samples of what was asked for."""
    generator, discriminator = players(kind)
    source = jg.data.arrays(np.asarray(X), {"digit": np.asarray(DIGIT, np.int64), "box": np.asarray(BOX)})
    assert source.classes == 0
    batch = jg.data.batch_at(source, B, seed=0)(0)
    jg.data.check_batch(batch)
    system = jg.systems.gan(
        loss=jg.losses.hinge, penalty=jg.penalties.r1(1.0), prior=jg.priors.normal(3), optimizer=optax.adam(1e-3)
    )
    game = jg.game({"generator": generator, "discriminator": discriminator}, system)
    state, metrics = jax.jit(game.train_step)(game.init(key, batch), batch)
    assert all(np.isfinite(value) for value in metrics.values())
    asked = {"digit": 1, "box": np.asarray(BOX)}
    samples = jg.sample(game, state, key, n=B, y=asked)
    assert samples.shape == X.shape
    one_by_one = jg.sample(game, state, key, n=B, y=asked, chunk=3)
    np.testing.assert_allclose(one_by_one, samples, atol=1e-5)
    for other in ({"digit": 0}, {"box": 1 - np.asarray(BOX)}):
        assert np.abs(jg.sample(game, state, key, n=B, y=asked | other) - samples).max() > 1e-6
    with pytest.raises(ValueError, match=r"y\['digit'\] holds label 3, but network 'generator' has 3 classes"):
        jg.sample(game, state, key, n=2, y={"digit": 3, "box": np.asarray(BOX[:2])})
    with pytest.raises(ValueError, match=r"y\['digit'\] holds label -1"):
        game.init(key, batch | {"y": Y | {"digit": DIGIT - 1}})
