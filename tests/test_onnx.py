"""ONNX: what onnxruntime makes of the file is what the generator makes, for any number; what it cannot is refused."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import export
from jaxgan.networks import dcgan, stylegan2

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'jaxgan[onnx]': ONNX IS NOT TESTED")
pytest.importorskip("jax2onnx", reason="pip install 'jaxgan[onnx]': ONNX IS NOT TESTED")

PRIOR = jg.priors.normal(5)


def started(generator, channels, size=8):
    """A game of a generator, and its state with all numbers moved."""
    system = jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=optax.sgd(0.1))
    critic = nn.Sequential([lambda x: x.reshape(x.shape[0], -1), nn.Dense(1), lambda h: h[:, 0]])
    game = jg.game({"generator": generator, "discriminator": critic}, system)
    state = jax.jit(game.init)(jax.random.key(0), {"x": np.zeros((2, size, size, channels), np.float32)})
    noise = np.random.default_rng(0)

    def moved(leaf):
        return leaf + 0.1 * noise.standard_normal(leaf.shape).astype(np.float32)

    return game, state._replace(params=jax.tree.map(moved, state.params))


@pytest.mark.parametrize(
    ("generator", "channels"),
    [
        (dcgan.Generator(channels=1, size=16, features=4), 1),
        (stylegan2.Generator(3, 8, 4, 8, (6, 6)), 3),
    ],
    ids=["dcgan", "stylegan2"],
)
def test_a_file_makes_the_same_samples_for_any_number(generator, channels, tmp_path):
    game, state = started(generator, channels, generator.size)
    made = export.write(game, state, tmp_path / "taken", prior=PRIOR, with_onnx=True)
    assert made.programs[-1] == "generator.onnx"
    session = onnxruntime.InferenceSession(tmp_path / "taken" / "generator.onnx")
    for n in (1, 7):
        z = np.asarray(PRIOR(jax.random.key(n), n))
        (samples,) = session.run(["samples"], {"z": z})
        wanted = np.asarray(jg.sample(game, state, jax.random.key(0), z=z))
        np.testing.assert_allclose(samples, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert json.loads((tmp_path / "taken" / "export.json").read_text())["latents"] == [5]


class Drawing(nn.Module):
    """Draws noise whenever it is used."""

    @nn.compact
    def __call__(self, z, train=True):
        x = nn.Dense(64)(z).reshape(-1, 8, 8, 1)
        return x + jax.random.normal(self.make_rng("global"), x.shape, jnp.float32)


def test_what_draws_numbers_is_refused_and_nothing_is_written(tmp_path):
    game, state = started(Drawing(), 1)
    with pytest.raises(ValueError, match="draws numbers when it is used"):
        export.write(game, state, tmp_path / "taken", prior=PRIOR, with_onnx=True)
    assert list(tmp_path.iterdir()) == []
