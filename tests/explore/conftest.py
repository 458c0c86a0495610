"""Runs to explore, made in seconds: networks never trained, their parameters shaken so that pictures differ."""

import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from experiments.digits import conditional, stylegan2
from experiments.yours import pairs
from jaxgan import checkpoint
from jaxgan.runs.folder import describe


def made_run(folder, module, about, config):
    """Writes a run's page and one checkpoint, as training would."""
    source = module.source(config)
    batch = jax.tree.map(np.asarray, dict(jg.data.evenly(source, config.batch_size)))
    shape = tuple(next(iter(batch.values())).shape[1:]) if "x" not in batch else tuple(batch["x"].shape[1:])
    game = module.build(config, shape, source.classes).game
    state = jax.jit(game.init)(jax.random.key(config.seed), batch)
    rng = np.random.default_rng(0)
    shaken = jax.tree.map(
        lambda x: jax.numpy.asarray(x + 0.2 * rng.normal(size=x.shape).astype(np.float32)), state.params
    )
    state = state._replace(params=shaken, ema={name: jax.tree.map(jax.numpy.copy, shaken[name]) for name in state.ema})
    describe(folder, about, config, batch, source)
    with checkpoint.open_checkpoints(folder / "checkpoints") as manager:
        checkpoint.save(manager, state, dataclasses.asdict(config))
        checkpoint.wait(manager)
    return folder


def about(name, module):
    return {"experiment": name, "module": module.__name__, "sha256": None, "command": ""}


@pytest.fixture(scope="package")
def digits(tmp_path_factory):
    """A run of digits by class."""
    folder = tmp_path_factory.mktemp("runs") / "digits_conditional" / "one"
    folder.mkdir(parents=True)
    config = conditional.Config(**conditional.SMOKE)
    return made_run(folder, conditional, about("digits_conditional", conditional), config)


@pytest.fixture(scope="package")
def styled(tmp_path_factory):
    """A run of StyleGAN2."""
    folder = tmp_path_factory.mktemp("runs") / "digits_stylegan2" / "one"
    folder.mkdir(parents=True)
    config = stylegan2.Config(**(stylegan2.SMOKE | {"size": 28, "latent": 8}))
    return made_run(folder, stylegan2, about("digits_stylegan2", stylegan2), config)


@pytest.fixture(scope="package")
def translator(tmp_path_factory):
    """A run of pix2pix, on ten pairs of pictures."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for k in range(10):
        for place in "AB":
            (root / place).mkdir(exist_ok=True)
            pixels = rng.integers(0, 255, (4, 4, 3), np.uint8)
            Image.fromarray(pixels).resize((16, 16), Image.Resampling.NEAREST).save(root / place / f"{k}.png")
    folder = root / "runs" / "pairs" / "one"
    folder.mkdir(parents=True)
    settings = {"path": str(root), "size": 16, "depth": 2, "generator_features": 4, "discriminator_features": 2}
    config = pairs.Config(**settings, batch_size=2, held_out=0.3, discriminator_layers=1)
    return made_run(folder, pairs, about("pairs", pairs), config)
