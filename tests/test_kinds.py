"""What is of the wrong kind is refused in one line with its remedy, when a system or game is built, or initialised."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxgan as jg
from jaxgan.types import Critic
from tests.systems.tiny import EVERY
from tests.systems.tiny_core import B, X, plain

KEY = jax.random.key(0)


def options(**settings):
    return lambda: plain(**settings)


def played(networks=None, batch=None, **settings):
    """Makes the plain game with some networks replaced, and initialises it."""
    made, system, _ = plain()
    game = jg.game(made | (networks or {}), system, **settings)
    return jax.eval_shape(game.init, KEY, batch or {"x": X})


def drawn(key=KEY, **inputs):
    networks, system, batch = plain()
    game = jg.game(networks, system)
    state = jax.eval_shape(game.init, KEY, batch)
    return jg.sample(game, state, key, n=2, **inputs)


class Training(nn.Module):
    @nn.compact
    def __call__(self, x, training=True):
        return nn.Dense(1)(x)[:, 0]


class Untold(nn.Module):
    """Batch normalisation that is never told that it does not train."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=False)(x))


class Other(nnx.Module):
    def __init__(self, rngs):
        self.layer = nnx.Linear(2, 1, rngs=rngs)


def trained(network):
    networks, system, batch = plain()
    game = jg.game(networks | {"generator": network}, system)
    return jax.eval_shape(game.train_step, jax.eval_shape(game.init, KEY, batch), batch)


WRONG = {
    "optimizer by name": (
        options(optimizer="adam"),
        r"optimizer is 'adam'; it must be an optax optimizer, such as optax.adam\(",
    ),
    "a rate": (options(optimizer=1e-4), r"optimizer is 0.0001; .*optax.adam\(0.0001\)"),
    "optimizer not called": (
        options(optimizer=optax.adam),
        r"optimizer is the function adam; call it, adam\(learning_rate\)",
    ),
    "one of two": (
        options(optimizer={"discriminator": optax.adam(1e-3), "generator": 1e-3}),
        "optimizer of player 'generator' is 0.001",
    ),
    "loss by name": (options(loss="hinge"), r"the loss itself is jg.losses.hinge"),
    "loss not called": (options(loss=jg.losses.energy_based), r"loss is the function energy_based, .*call it"),
    "loss a number": (options(loss=1.0), r"loss is 1.0; it must be a function \(turn\).*jg.losses.hinge"),
    "penalty not called": (
        options(penalty=jg.penalties.r1),
        r"penalty is the function r1, which makes one; call it, r1\(",
    ),
    "penalty a number": (options(penalty=10.0), r"penalty is 10.0; .*\(critic, real, fake, turn\).*jg.penalties.r1"),
    "penalty of two": (options(penalty=lambda critic, real: 0.0), r"penalty is the function .*cannot be called as"),
    "penalties": (
        lambda: jg.penalties.total(jg.penalties.r1(1.0), jg.penalties.r2),
        "a penalty of total .*call it, r2",
    ),
    "every": (lambda: jg.penalties.every(4, jg.penalties.r1), "the penalty of every .*call it, r1"),
    "augment not called": (
        options(augment=jg.augment.diffaugment),
        r"augment is the function diffaugment, which makes one; call it",
    ),
    "prior a width": (options(prior=128), r"prior is 128; .*write jg.priors.normal\(128\)"),
    "prior not called": (options(prior=jg.priors.uniform), r"prior is the function uniform, which makes one; call it"),
    "prior of one": (options(prior=lambda key: key), r"prior is the function .*cannot be called as"),
    "dynamics not called": (
        lambda: played(dynamics=jg.dynamics.alternating),
        "dynamics is the function alternating.*call it",
    ),
    "dynamics by name": (
        lambda: played(dynamics="alternating"),
        r"dynamics is 'alternating'; .*jg.dynamics.alternating\(\)",
    ),
    "average of nobody": (lambda: played(ema=0.999), r"ema=0.999 names no network; write ema=\{'generator': 0.999\}"),
    "average by name": (lambda: played(ema={"generator": "0.9"}), r"ema decays must lie in \[0, 1\]; got"),
    "a system's function": (lambda: jg.game(plain()[0], jg.systems.gan), "a System.*got the function gan"),
    "a network's class": (
        lambda: played({"generator": jg.networks.mlp.Generator}),
        r"network 'generator' is the class Generator; make an instance, Generator\(",
    ),
    "an NNX class": (lambda: played({"discriminator": Other}), r"of NNX; .*flax.nnx.bridge.to_linen\(Other"),
    "an NNX module": (
        lambda: played({"discriminator": Other(nnx.Rngs(0))}),
        r"of NNX; .*flax.nnx.bridge.to_linen\(Other",
    ),
    "a network's function": (
        lambda: played({"discriminator": lambda x: x}),
        "'discriminator' .*needs `init` and `apply`",
    ),
    "training": (
        lambda: played({"discriminator": Training()}),
        "Training takes an argument 'training'.*call it 'train'",
    ),
    "untold": (
        lambda: trained(Untold()),
        "network 'generator' keeps batch statistics, but its __call__ takes no `train`",
    ),
    "no x": (
        lambda: played(batch={"image": X}),
        r"loss of player 'discriminator' asks for 'x'.*given batch \['image'\]",
    ),
    "labels in words": (
        lambda: jg.game(*plain()[:2]).init(KEY, {"x": X, "y": np.array(["cat"] * B)}),
        "int32 for labels",
    ),
    "a seed for init": (
        lambda: jg.game(*plain()[:2]).init(0, {"x": X}),
        r"init takes a typed key, jax.random.key\(0\); got 0",
    ),
    "a seed for samples": (lambda: drawn(3), r"sample takes a typed key, jax.random.key\(3\); got 3"),
    "a raw key": (lambda: drawn(jnp.zeros(2, jnp.uint32)), r"typed key, jax.random.key\(seed\); got uint32\[2\]"),
    "no key": (lambda: drawn(None), "sample takes a typed key"),
    "a label in words": (lambda: drawn(y="cat"), "needs numbers as 'y'; got 'cat'"),
    "a seed for a metric": (lambda: jg.metrics.sliced_wasserstein(X, X, 0), r"typed key, jax.random.key\(0\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_kinds_are_refused_in_one_line(name):
    made, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as error:
        made()
    assert "\n" not in str(error.value)


def test_updates_are_whole():
    networks, system, _ = plain(n_critic=2.5)
    with pytest.raises(ValueError, match=r"updates=2\.5; it must be at least 1, and an integer"):
        jg.game(networks, system)


@pytest.mark.parametrize("wrong", [{"optimizer": "adam"}, {"loss": "hinge"}, {"penalty": jg.penalties.r1}])
@pytest.mark.parametrize("name", EVERY)
def test_every_system_refuses_them(name, wrong):
    """Those that have no such option refuse it by Python's own word for it."""
    with pytest.raises(
        (ValueError, TypeError), match=r"optax.adam|jg.losses.hinge|call it, r1|unexpected keyword|hinge.* remembers"
    ):
        EVERY[name](**wrong)


def test_an_unknown_setting_of_a_network():
    networks, system, batch = plain()

    def asks(nets, batch, turn):
        return jnp.mean(nets["discriminator"](batch["x"], training=True)), {}

    players = {"discriminator": system.players["discriminator"]._replace(loss=asks, owns=("discriminator",))}
    lone = jg.System(players, lambda batch: {"discriminator": (batch["x"],)}, system.generate)
    game = jg.game({"discriminator": networks["discriminator"]}, lone)
    state = jax.eval_shape(game.init, KEY, batch)
    with pytest.raises(ValueError, match=r"'discriminator' is called with \['training'\]; its __call__ takes \['x', "):
        jax.eval_shape(game.train_step, state, batch)


def test_a_key_error_of_a_loss_is_its_own():
    """Only names that neither the batch nor the networks have are explained."""
    networks, system, batch = plain()

    def asks(nets, batch, turn):
        return {0: nets}[1]

    players = {"discriminator": system.players["discriminator"]._replace(loss=asks)}
    game = jg.game({"discriminator": networks["discriminator"]}, system._replace(players=players))
    with pytest.raises(KeyError, match="1"):
        jax.eval_shape(game.init, KEY, batch)


def test_a_game_is_not_one_function():
    networks, system, _ = plain()
    with pytest.raises(
        TypeError, match=r"Game\(networks=\['discriminator', 'generator'\]\).*jax.jit\(game.train_step\)"
    ):
        jax.jit(jg.game(networks, system))


def test_functions_of_a_users_own_are_taken():
    """By keyword-only settings, as objects with a __call__, and partially applied; annotated like the library's."""

    class Prior:
        def __call__(self, key, n, index=None):
            return jax.random.normal(key, (n, 3))

    def penalty(critic: Critic, real, fake, turn, *, weight=1.0) -> "Penalty":  # noqa: F821
        return weight * jnp.mean(critic(real))

    plain(prior=Prior(), penalty=penalty, loss=lambda turn: jg.losses.hinge)
