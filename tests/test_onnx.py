"""ONNX: what onnxruntime makes of the file is what the generator makes, for any number; what it cannot is refused."""

from collections.abc import Callable
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import export
from jaxgan.export.onnx import onnx
from jaxgan.networks import conditioning, translators
from jaxgan.recipes.choosing import RECIPES, cook
from jaxgan.recipes.parts import Facts

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'jaxgan[onnx]': ONNX IS NOT TESTED")
pytest.importorskip("jax2onnx", reason="pip install 'jaxgan[onnx]': ONNX IS NOT TESTED")

PRIOR = jg.priors.normal(5)


class Critic(nn.Module):
    """Anything -> a logit, linear in the picture."""

    @nn.compact
    def __call__(self, x, y=None):
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def started(generator, shape, prior, classes=0):
    """A game of a generator, and its state with all parameters moved."""
    system = jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=optax.sgd(0.1))
    game = jg.game({"generator": generator, "discriminator": Critic()}, system)
    batch = {"x": np.zeros((2, *shape), np.float32)} | ({"y": np.zeros(2, np.int32)} if classes else {})
    state = jax.jit(game.init)(jax.random.key(0), batch)
    return game, state._replace(params=moved(state.params))


def moved(params):
    noise = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + 0.1 * noise.standard_normal(leaf.shape).astype(np.float32), params)


@pytest.mark.parametrize("name", RECIPES)
def test_the_file_of_every_recipe_makes_the_same_samples_for_any_number(name):
    facts = Facts((16, 16, 3), 0 if name == "projected" else 3, 100)
    width = {"biggan": 1, "unet": 1, "dcgan": 4}.get(name, 8)
    recipe = cook(name, facts, True, {"width": width, "latent": 6})
    game, state = started(recipe.networks["generator"], facts.shape, recipe.prior, facts.classes)
    given = {"z": np.asarray(recipe.prior(jax.random.key(7), 7))}
    given |= {"y": np.arange(7, dtype=np.int32) % 3} if facts.classes else {}
    file = onnx(game, state, {name: array[:2] for name, array in given.items()})
    agrees(file, game, state, given)


def agrees(file, game, state, given):
    (samples,) = onnxruntime.InferenceSession(file).run(["samples"], given)
    wanted = np.asarray(jg.sample(game, state, jax.random.key(0), **given))
    np.testing.assert_allclose(samples, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert np.ptp(wanted) > 0.1


@pytest.mark.parametrize(
    "generator",
    [translators.UNet(features=2, depth=2, dropout=0.0), translators.ResNet(features=2, blocks=1)],
    ids=["unet", "resnet"],
)
def test_the_file_of_a_translator(generator, tmp_path):
    networks = {"generator": generator, "discriminator": conditioning.Concatenated(Critic())}
    game = jg.game(networks, jg.systems.pix2pix(loss=jg.losses.hinge, optimizer=optax.sgd(0.1)))
    x = np.random.default_rng(1).uniform(-1, 1, (7, 16, 16, 3)).astype(np.float32)
    state = jax.jit(game.init)(jax.random.key(0), {"a": x[:2], "b": x[:2]})
    state = state._replace(params=moved(state.params))
    made = export.write(game, state, tmp_path / "taken", inputs={"a": x[:2]}, with_onnx=True)
    assert made.programs == ("generator.stablehlo", "generator.onnx")
    agrees(tmp_path / "taken" / "generator.onnx", game, state, {"a": x})


def test_an_export_has_a_file_of_latents(tmp_path):
    game, state = started(jg.networks.mlp.Generator((8, 8, 1), (4,)), (8, 8, 1), PRIOR)
    made = export.write(game, state, tmp_path / "taken", prior=PRIOR, with_onnx=True)
    assert made.programs[-1] == "generator.onnx"
    agrees(tmp_path / "taken" / "generator.onnx", game, state, {"z": np.asarray(PRIOR(jax.random.key(7), 7))})


class Drawing(nn.Module):
    """Draws noise whenever it is used."""

    @nn.compact
    def __call__(self, z, train=True):
        x = nn.Dense(64)(z).reshape(-1, 8, 8, 1)
        return x + jax.random.normal(self.make_rng("global"), x.shape, jnp.float32)


def test_what_draws_numbers_is_refused_and_nothing_is_written(tmp_path):
    game, state = started(Drawing(), (8, 8, 1), PRIOR)
    with pytest.raises(ValueError, match="draws numbers when it is used"):
        export.write(game, state, tmp_path / "taken", prior=PRIOR, with_onnx=True)
    assert list(tmp_path.iterdir()) == []


class Odd(nn.Module):
    """Latents to an image, by what is given."""

    last: Callable

    @nn.compact
    def __call__(self, z):
        return self.last(nn.Dense(64)(z).reshape(-1, 8, 8, 1))


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (lambda x: jnp.frexp(x)[0], "there is no (BitCast|frexp) in it"),
        (lambda x: {"x": x, "mask": x > 0}, "it makes 2 arrays, not one"),
    ],
    ids=["primitive", "arrays"],
)
def test_what_cannot_be_written_is_refused_with_the_reason_and_the_remedy(last, reason):
    odd = Odd(last)
    variables = jax.jit(odd.init)(jax.random.key(0), np.ones((2, 5), np.float32))
    game = SimpleNamespace(generate=lambda state, key, inputs: odd.apply(variables, inputs["z"]))
    with pytest.raises(ValueError, match=f"cannot be written as ONNX: {reason}; without --onnx .* StableHLO"):
        onnx(game, None, {"z": np.ones((2, 5), np.float32)})


def test_a_file_that_makes_other_samples_is_refused(monkeypatch):
    monkeypatch.setattr("jaxgan.export.onnx.TOLERANCE", 0.0)
    wide = Odd(lambda x: jnp.sin(1e6 * x))
    variables = jax.jit(wide.init)(jax.random.key(0), np.ones((2, 5), np.float32))
    game = SimpleNamespace(generate=lambda state, key, inputs: wide.apply(variables, inputs["z"]))
    with pytest.raises(ValueError, match="the file makes other samples, by"):
        onnx(game, None, {"z": np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)})
