"""A generator as files: what comes back is what was there, also where there is none of this library."""

import json
import re
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import export
from jaxgan.export.card import Facts, card
from jaxgan.networks import conditioning, mlp, patch, translators
from tests.systems.tiny import EVERY, asked

SEED, N = 3, 5


class Conditional(nn.Module):
    """Has a statistic that is averaged, and draws noise of its own."""

    @nn.compact
    def __call__(self, z, y, train=True):
        h = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(jnp.concatenate([z, jax.nn.one_hot(y, 3)], axis=1)))
        return nn.Dense(2)(nn.relu(h))


class Critic(nn.Module):
    @nn.compact
    def __call__(self, x, y):
        return nn.Dense(1)(jnp.concatenate([x, jax.nn.one_hot(y, 3)], axis=1))[:, 0]


PRIOR = jg.priors.normal(3)
BATCH = {"x": np.ones((4, 2), np.float32), "y": np.arange(4, dtype=np.int32) % 3}


@pytest.fixture(scope="module")
def trained():
    system = jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=optax.adam(0.1))
    game = jg.game({"generator": Conditional(), "discriminator": Critic()}, system, ema={"generator": 0.5})
    state = game.init(jax.random.key(0), BATCH)
    step = jax.jit(game.train_step)
    for _ in range(2):
        state, _ = step(state, BATCH)
    return game, state


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    facts = Facts(name="<b>mine</b>", data="a|b", examples=1000, classes=("x", "`y`", "z"), steps=2)
    folder = tmp_path_factory.mktemp("exports") / "one"
    made = export.write(*trained, folder, inputs={"y": BATCH["y"][:2]}, prior=PRIOR, facts=facts)
    assert made.programs == ("generator.stablehlo", "latents.stablehlo")
    assert made.weights == 7 * 4 + 5 * 2 + 4 * 4  # two layers and the normalisation; none of the discriminator
    return folder


def test_what_is_loaded_makes_the_same_samples(trained, folder):
    y = np.arange(N, dtype=np.int32) % 3
    loaded = jg.load(folder)
    wanted = jg.sample(*trained, jax.random.key(SEED), n=N, y=y)
    np.testing.assert_allclose(loaded(n=N, seed=SEED, y=y), wanted, rtol=0, atol=1e-6)
    np.testing.assert_allclose(loaded(n=N, seed=SEED, chunk=2, y=y), wanted, rtol=0, atol=1e-6)
    z = PRIOR(jax.random.key(1), N)
    wanted = jg.sample(*trained, jax.random.key(SEED), z=np.asarray(z), y=y)
    np.testing.assert_allclose(loaded(z=np.asarray(z), y=y), wanted, rtol=0, atol=1e-6)


def test_an_export_is_loaded_on_a_gpu_too(folder, monkeypatch):
    """JAX calls the platform of a program "cuda" and the backend that runs it "gpu"."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert jg.load(folder).inputs == {"y": {"shape": [], "dtype": "int32"}}


def test_the_cards_own_lines_run_without_this_library(trained, folder):
    text = (folder / "README.md").read_text()
    lines = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[1]
    lines = lines.replace("FOLDER", repr(str(folder))).replace("'y': ...", "'y': np.arange(64, dtype=np.int32) % 3")
    program = (
        f"import sys; sys.modules['jaxgan'] = sys.modules['flax'] = None\n{lines}\nprint(np.asarray(samples).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    wanted = jg.sample(*trained, jax.random.key(0), n=64, y=np.arange(64, dtype=np.int32) % 3)
    np.testing.assert_allclose(np.asarray(json.loads(done.stdout)), wanted, rtol=0, atol=1e-6)


def test_names_are_words_and_nothing_else(folder):
    text = (folder / "README.md").read_text()
    assert "&lt;b&gt;mine&lt;/b&gt;" in text
    assert "<b>" not in text
    assert r"a\|b, 1,000 examples" in text
    assert r"1 \`y\`" in text
    assert "License: to be filled in" in text
    figure = {"metric": "fid", "value": 1.5, "low": 1.0, "high": 2.0, "protocol": {"name": "held-out", "seed": 0}}
    page = json.loads((folder / "export.json").read_text())
    measured = card(page | {"facts": Facts(figures=[figure])._asdict()})
    assert "| fid | 1.5 | 1 to 2 | name held-out; seed 0 |" in measured


@pytest.mark.parametrize("name", ["stackgan", "gail", "srgan"])
def test_systems_of_other_kinds_are_lowered_for_any_number(name):
    networks, system, batch = EVERY[name]()
    game = jg.game(networks, system)
    state, rows = game.init(jax.random.key(0), batch), asked(name, batch, system)
    agrees(game, state, {"index": np.arange(3, dtype=np.int32)} | jax.tree.map(lambda leaf: np.asarray(leaf[:3]), rows))


def test_a_translator_that_drops_units_in_use_is_lowered_for_any_number():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    judge = conditioning.Concatenated(patch.Discriminator(2, 1))
    system = jg.systems.pix2pix(loss=jg.losses.hinge, optimizer=optax.sgd(0.1))
    game = jg.game({"generator": translators.UNet(1, 2, depth=2), "discriminator": judge}, system)
    state = jax.jit(game.init)(jax.random.key(0), {"a": x, "b": x})
    agrees(game, state, {"index": np.arange(3, dtype=np.int32), "a": x})


def agrees(game, state, inputs):
    made = export.program(game, state, inputs)
    key = jax.random.key(SEED)
    got = jax.export.deserialize(made.module).call(made.weights, jax.random.key_data(key), inputs)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6),
        got,
        jax.jit(game.generate)(state, key, inputs),
    )


def test_what_is_refused(trained, folder, tmp_path):
    loaded = jg.load(folder)
    with pytest.raises(ValueError, match=r"is asked with \['y'\]; \['y'\] are missing or too many"):
        loaded(n=2)
    with pytest.raises(ValueError, match="to train on, go on from the run"):
        loaded.game.train_step(loaded.state, BATCH)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other things than an export"):
        export.write(*trained, tmp_path, inputs={"y": BATCH["y"][:2]})
    with pytest.raises((ValueError, FileNotFoundError), match=str(tmp_path)):
        jg.load(tmp_path)
    broken = tmp_path / "broken"
    export.write(*trained, broken, inputs={"y": BATCH["y"][:2]})
    with pytest.raises(ValueError, match="has no program of latents"):
        jg.load(broken)(z=np.zeros((2, 3), np.float32), y=BATCH["y"][:2])
    (broken / "generator.stablehlo").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"generator\.stablehlo is no program"):
        jg.load(broken)
    (broken / "generator.stablehlo").unlink()
    with pytest.raises(ValueError, match="is no whole export"):
        jg.load(broken)
    page = json.loads((broken / "export.json").read_text())
    (broken / "export.json").write_text(json.dumps(page | {"format": 99}))
    with pytest.raises(ValueError, match="is of format 99; this version reads 1"):
        jg.load(broken)


def test_a_generator_of_a_known_number_is_refused():
    counting = mlp.Generator((2,), (4,))
    system = jg.systems.gan(loss=jg.losses.hinge, prior=PRIOR, optimizer=optax.sgd(0.1))
    system = system._replace(generate=lambda nets, key, inputs: nets["generator"](PRIOR(key, len(inputs["index"]))))
    game = jg.game({"generator": counting, "discriminator": mlp.Discriminator((4,))}, system)
    state = game.init(jax.random.key(0), {"x": BATCH["x"]})
    with pytest.raises(ValueError, match="is written for a known number of samples"):
        export.program(game, state, {"index": np.zeros(2, np.int32)})
