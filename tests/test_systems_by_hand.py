"""Systems that the library does not have, made from Player and System alone: the design must hold for them too."""

from types import SimpleNamespace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.networks.mlp import Discriminator, Generator

LOSS = jg.losses.non_saturating
PRIOR = jg.priors.normal(2)


def function(width=2):
    return Generator((width,), (8,))


def latents(batch, turn):
    return PRIOR(turn.named("latent"), batch["x"].shape[0], turn.examples)


class Joint(nn.Module):
    """D(x, z)."""

    @nn.compact
    def __call__(self, x, z):
        return Discriminator((8,))(jnp.concatenate([x, z], axis=-1))


def bigan():
    """Donahue et al., Adversarial Feature Learning, 2017: encoder and generator are one player."""

    def logits(nets, batch, turn):
        z = latents(batch, turn)
        encoded = nets["discriminator"](batch["x"], nets["encoder"](batch["x"]))
        return encoded, nets["discriminator"](nets["generator"](z), z)

    def both(nets, batch, turn):
        real, fake = logits(nets, batch, turn)
        return LOSS.discriminator(fake, real), {}  # the roles are swapped: either logit moves

    players = {
        "discriminator": jg.Player(
            ("discriminator",), lambda *given: (LOSS.discriminator(*logits(*given)), {}), optax.adam(1e-2)
        ),
        "inference": jg.Player(("encoder", "generator"), both, optax.adam(1e-2)),
    }
    networks = {"encoder": function(), "generator": function(), "discriminator": Joint()}
    inputs = lambda batch: {  # noqa: E731
        "encoder": (batch["x"],),
        "generator": (batch["x"],),
        "discriminator": (batch["x"], batch["x"]),
    }
    return networks, jg.System(players, inputs, lambda nets, key, given: nets["generator"](given["z"]))


def adversarial_autoencoder():
    """Makhzani et al., Adversarial Autoencoders, 2016: the encoder is owned by two players."""

    def reconstruction(nets, batch, turn):
        return jnp.mean(jnp.square(nets["decoder"](nets["encoder"](batch["x"])) - batch["x"])), {}

    def logits(nets, batch, turn):
        return nets["latent"](latents(batch, turn)), nets["latent"](nets["encoder"](batch["x"]))

    players = {
        "reconstruction": jg.Player(("encoder", "decoder"), reconstruction, optax.adam(1e-2)),
        "discriminator": jg.Player(
            ("latent",), lambda *given: (LOSS.discriminator(*logits(*given)), {}), optax.adam(1e-3)
        ),
        "regularization": jg.Player(
            ("encoder",), lambda *given: (LOSS.generator(*logits(*given)), {}), optax.adam(1e-3)
        ),
    }
    networks = {"encoder": function(), "decoder": function(), "latent": Discriminator((8,))}
    system = jg.System(
        players,
        lambda batch: dict.fromkeys(networks, (batch["x"],)),
        lambda nets, key, given: nets["decoder"](given["z"]),
    )
    return networks, system


class Pool(nn.Module):
    """Returns each sample or, half of the time, one of its history, in whose place the sample is then kept."""

    @nn.compact
    def __call__(self, x, train):
        history = self.variable("pool", "samples", lambda: x)
        swap = jax.random.bernoulli(self.make_rng("pool"), 0.5, (x.shape[0], *(1 for _ in x.shape[1:])))
        mixed = jnp.where(swap, history.value, x)
        if train and not self.is_initializing():
            history.value = jnp.where(swap, x, history.value)
        return mixed


def cyclegan():
    """Zhu et al., Unpaired Image-to-Image Translation, 2017: four networks, and pools that nobody owns."""

    def discriminator(real, other, generator, network, pool):
        def loss(nets, batch, turn):
            fake = nets[pool](nets[generator](batch[other]))
            return jg.losses.least_squares.discriminator(nets[network](batch[real]), nets[network](fake)), {}

        return loss

    def translation(nets, batch, turn):
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = nets["a_to_b"](a), nets["b_to_a"](b)
        cycle = jnp.mean(jnp.abs(nets["b_to_a"](fake_b) - a)) + jnp.mean(jnp.abs(nets["a_to_b"](fake_a) - b))
        adversarial = sum(
            jg.losses.least_squares.generator(logits, logits) for logits in (nets["is_b"](fake_b), nets["is_a"](fake_a))
        )
        return adversarial + 10 * cycle, {"cycle": cycle}

    players = {
        "is_a": jg.Player(("is_a",), discriminator("a", "b", "b_to_a", "is_a", "pool_a"), optax.adam(1e-2)),
        "is_b": jg.Player(("is_b",), discriminator("b", "a", "a_to_b", "is_b", "pool_b"), optax.adam(1e-2)),
        "translation": jg.Player(("a_to_b", "b_to_a"), translation, optax.adam(1e-2)),
    }
    networks = {
        "a_to_b": function(),
        "b_to_a": function(),
        "is_a": Discriminator((8,)),
        "is_b": Discriminator((8,)),
        "pool_a": Pool(),
        "pool_b": Pool(),
    }
    system = jg.System(
        players,
        lambda batch: {name: (batch["a" if name.endswith("a") else "b"],) for name in networks},
        lambda nets, key, given: nets["a_to_b"](given["a"]),
        frozen=("pool_a", "pool_b"),
    )
    return networks, system


SYSTEMS = {"bigan": bigan, "adversarial_autoencoder": adversarial_autoencoder, "cyclegan": cyclegan}


def batch_of(seed):
    x = jax.random.normal(jax.random.key(seed), (8, 2)) * jnp.array([[1.0, 0.1]]) + 1
    return {"a": x, "b": -x} | {"x": x}


@pytest.fixture(scope="module", params=SYSTEMS)
def run(request):
    networks, system = SYSTEMS[request.param]()
    game = jg.game(networks, system)
    step = jax.jit(game.train_step)
    states, metrics = [game.init(jax.random.key(0), batch_of(0))], []
    for seed in range(3):
        state, observed = step(states[-1], batch_of(seed))
        states.append(state)
        metrics.append(observed)
    return SimpleNamespace(
        name=request.param, networks=networks, system=system, game=game, step=step, states=states, metrics=metrics
    )


def test_it_steps_with_finite_metrics(run):
    chex.assert_tree_all_finite((run.metrics, run.states[-1].params))
    assert {name.split("/")[0] for name in run.metrics[0]} == set(run.system.players)
    chex.assert_shape(
        run.game.generate(run.states[-1], run.states[0].key, {"z": jnp.ones((3, 2)), "a": jnp.ones((3, 2))}), (3, 2)
    )


def test_ownership(run):
    """Each player's turn alone moves every network that it owns, and no other bit."""
    before = run.states[0]
    for name, player in run.system.players.items():

        def only(rules, state, batch, name=name):
            return jg.dynamics.alternating()(rules._replace(players={name: rules.players[name]}), state, batch)

        after, _ = jax.jit(jg.game(run.networks, run.system, dynamics=only).train_step)(before, batch_of(0))
        for network in run.networks:
            moved = any(
                (a != b).any()
                for a, b in zip(
                    jax.tree.leaves(after.params[network]), jax.tree.leaves(before.params[network]), strict=True
                )
            )
            assert moved == (network in player.owns), (name, network)
        for other in set(run.system.players) - {name}:
            chex.assert_trees_all_equal(after.opt_state[other], before.opt_state[other])


def test_it_goes_on_from_a_checkpoint(run, tmp_path):
    manager = checkpoint.open_checkpoints(tmp_path)
    checkpoint.save(manager, run.states[2], {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, jax.eval_shape(run.game.init, jax.random.key(0), batch_of(0)))
    manager.close()
    after, _ = run.step(restored, batch_of(2))
    chex.assert_trees_all_equal(
        after._replace(key=jax.random.key_data(after.key)),
        run.states[3]._replace(key=jax.random.key_data(run.states[3].key)),
    )


def test_the_pool_remembers_samples():
    """Its history is samples of this step and of steps before, and discriminators see a mix of old and new."""
    networks, system = cyclegan()
    system = system._replace(players={n: p._replace(optimizer=optax.sgd(0.0)) for n, p in system.players.items()})
    game = jg.game(networks, system)  # nothing moves: what the generators make is known
    step = jax.jit(game.train_step)
    state = game.init(jax.random.key(0), batch_of(0))
    assert state.params["pool_a"] == {}
    known = [np.asarray(batch_of(0)["a"])]  # as initialised
    for seed in range(1, 5):
        known.append(np.asarray(networks["b_to_a"].apply({"params": state.params["b_to_a"]}, batch_of(seed)["b"])))
        state, _ = step(state, batch_of(seed))
    history = np.asarray(state.model_state["pool_a"]["pool"]["samples"])
    ages = []
    for row in range(8):
        matches = [i for i, made in enumerate(known) if np.allclose(made[row], history[row], atol=1e-6)]
        assert len(matches) == 1, row
        ages += matches
    assert len(set(ages)) > 1


def test_the_autoencoder_learns_to_reconstruct():
    networks, system = adversarial_autoencoder()
    game = jg.game(networks, system)
    step = jax.jit(game.train_step, donate_argnums=0)
    state = game.init(jax.random.key(0), batch_of(0))
    errors = []
    for seed in range(300):
        state, metrics = step(state, batch_of(seed))
        errors.append(metrics["reconstruction/loss"])
    errors = np.array(jax.device_get(errors))
    assert errors[-20:].mean() < 0.2 * errors[:5].mean()
