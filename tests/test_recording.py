"""Networks are initialised by their first call: the same as by explicit inputs, and what says nothing is refused."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import dcgan, resnet

X = jnp.zeros((4, 16, 16, 1))


def both(networks, batch, **settings):
    """The state by recorded calls, and that by explicit inputs."""
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1), **settings)
    assert system.inputs is None
    explicit = system._replace(inputs=lambda b: {"generator": (jnp.ones((4, 3)),), "discriminator": (b["x"],)})
    return [jg.game(networks, s, ema={"generator": 0.9}).init(jax.random.key(0), batch) for s in (system, explicit)]


@pytest.mark.parametrize(
    "networks",
    [
        {
            "generator": dcgan.Generator(channels=1, size=16, features=2),
            "discriminator": dcgan.Discriminator(size=16, features=2),
        },
        {
            "generator": resnet.Generator(channels=1, size=16, features=(2, 2)),
            "discriminator": resnet.Discriminator(size=16, features=(2, 2)),  # with spectral vectors
        },
    ],
    ids=["dcgan", "spectral"],
)
def test_same_bits_as_explicit_inputs(networks):
    recorded, explicit = both(networks, {"x": X})
    chex.assert_trees_all_equal(jax.tree.leaves(recorded.params), jax.tree.leaves(explicit.params))
    chex.assert_trees_all_equal(jax.tree.leaves(recorded.model_state), jax.tree.leaves(explicit.model_state))


class Remembering(nn.Module):
    """Keeps the first batch that it meets: what it is initialised with."""

    @nn.compact
    def __call__(self, x):
        self.variable("first", "x", lambda: x)
        return nn.Dense(1)(x)[:, 0]


def test_data_at_initialisation_is_the_first_batchs():
    """Also behind another network, whose outputs are then those of its own beginning."""

    def loss(nets, batch, turn):
        return jnp.mean(nets["second"](nets["first"](batch["a"]))) + jnp.mean(nets["third"](batch["a"])), {}

    networks = {"first": nn.Dense(3), "second": Remembering(), "third": Remembering()}
    batch = {"a": jnp.arange(12.0).reshape(4, 3)}
    state = jg.game(networks, system_of(loss, owns=tuple(networks))).init(jax.random.key(0), batch)
    chex.assert_trees_all_equal(state.model_state["third"]["first"]["x"], batch["a"])
    expected = nn.Dense(3).apply({"params": state.params["first"]}, batch["a"])
    chex.assert_trees_all_close(state.model_state["second"]["first"]["x"], expected, rtol=1e-6)


class Autoencoder(nn.Module):
    """Two methods, each with parameters of its own."""

    def setup(self):
        self.inner, self.outer = nn.Dense(2), nn.Dense(3)

    def encode(self, x):
        return self.inner(x)

    def decode(self, z):
        return self.outer(z)


def system_of(*losses, frozen=(), owns=None):
    players = {f"player{k}": jg.Player(owns or ("net",), loss, optax.sgd(0.1)) for k, loss in enumerate(losses)}
    return jg.System(players, None, lambda nets, key, inputs: None, frozen)


def test_methods_make_what_they_touch():
    def loss(nets, batch, turn):
        z = nets["net"](batch["a"], method="encode")
        return jnp.mean(jnp.square(nets["net"](z, method="decode") - batch["a"])), {}

    state = jg.game({"net": Autoencoder()}, system_of(loss)).init(jax.random.key(0), {"a": jnp.zeros((4, 3))})
    shapes = jax.tree.map(jnp.shape, state.params["net"])
    assert shapes == {"inner": {"kernel": (3, 2), "bias": (2,)}, "outer": {"kernel": (2, 3), "bias": (3,)}}


def test_calls_inside_a_loop_of_the_loss():
    """Only the form is kept of such a call, so that nothing of the loop escapes."""

    def loss(nets, batch, turn):
        def body(carry, x):
            return nets["net"](carry + x), None

        last, _ = jax.lax.scan(body, jnp.zeros((4, 3)), jnp.stack([batch["a"]] * 5))
        return jnp.mean(last), {}

    game = jg.game({"net": nn.Dense(3)}, system_of(loss))
    state = game.init(jax.random.key(0), {"a": jnp.ones((4, 3))})
    after, metrics = jax.jit(game.train_step)(state, {"a": jnp.ones((4, 3))})
    assert jnp.isfinite(metrics["player0/loss"])
    assert (after.params["net"]["kernel"] != state.params["net"]["kernel"]).any()


def test_networks_that_no_loss_calls():
    def loss(nets, batch, turn):
        return jnp.mean(nets["net"](batch["a"])), {}

    game = jg.game({"net": nn.Dense(1), "idle": nn.Dense(1)}, system_of(loss, frozen=("idle",)))
    with pytest.raises(ValueError, match=r"no player's loss calls networks \['idle'\].* give the system `inputs`"):
        game.init(jax.random.key(0), {"a": jnp.ones((4, 3))})


def test_inputs_that_name_too_few():
    game = jg.game({"net": nn.Dense(1)}, system_of(lambda *_: None)._replace(inputs=lambda batch: {}))
    with pytest.raises(ValueError, match=r"names no initial arguments for networks \['net'\]"):
        game.init(jax.random.key(0), {"a": jnp.ones((4, 3))})


def test_networks_that_know_a_mapped_axis():
    networks = {
        "generator": dcgan.Generator(channels=1, size=16, features=2, axis_name="batch"),
        "discriminator": dcgan.Discriminator(size=16, features=2, normalization="batch", axis_name="batch"),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    state = jg.game(networks, system, axis_name="batch").init(jax.random.key(0), {"x": X})
    alone = jg.game({name: network.clone(axis_name=None) for name, network in networks.items()}, system).init(
        jax.random.key(0), {"x": X}
    )
    chex.assert_trees_all_equal(state.params, alone.params)
