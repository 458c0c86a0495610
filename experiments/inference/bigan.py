"""From digits to latents and back: BiGAN against a latent regressor and an autoencoder, and ALI's modes on a grid.

Fully connected networks, as in Donahue et al. 2017, section 4.1, but narrower and with fewer latents. The regressor
learns E from samples of a GAN alone, to give back their z; the autoencoder E and G from pixels alone. Of 1,000 held-out
digits: how near G(E(x)) is to x, as a share of its distance from another digit, and what a 1-nearest-neighbour
classifier of 4,000 digits reads from E(x) and from the features before it; an untrained encoder reads much already.
ALI (Dumoulin et al. 2017, figure 5) and a GAN with the same generator meet 25 Gaussians.

Command: python -m experiments digits_bigan
Takes: about four minutes on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from experiments.digits.data import digits
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import encoders, heads, mlp
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.parts import drawn, players
from jaxgan.types import Batch, Game, Metrics, Nets, System, TrainState, Turn

SHAPE = (28, 28, 1)
SHOWN = 10  # digits of the picture
SAMPLES = 2500  # points that the modes are counted by, as in the papers


@dataclass(frozen=True)
class Config:
    """BiGAN on digits, ALI on 25 Gaussians."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each method
    steps: int = 1500  # train steps on digits
    batch_size: int = 64  # digits or points a step
    latent: int = 16  # width of the digits' z
    width: int = 256  # units of each of two hidden layers, in all networks of digits
    learning_rate: float = 1e-3  # Adam's, of all players; decays to zero along a half cosine
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 30.0  # weight of R1 on digits; 0: none, as in the paper
    ema: float = 0.999  # decay of the averaged encoder and generator, per step
    grid_steps: int = 5000  # train steps on the grid
    grid_width: int = 128  # units of each of two hidden layers, in all networks of points


SMOKE = {"steps": 3, "batch_size": 8, "width": 4, "grid_steps": 3, "grid_width": 4}


class Encoder(nn.Module):
    """x -> (z [B, Z], features [B, width]): the features are the last hidden layer's."""

    latent: int
    width: int

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Encodes every example."""
        h = heads.FullyConnected((self.width, self.width))(x)
        return nn.Dense(self.latent)(h), h


class Pair(nn.Module):
    """(x, z) -> logits [B]: a latent is joined to the pixels."""

    width: int

    @nn.compact
    def __call__(self, x: Array, z: Array) -> Array:
        """Scores every pair, before any sigmoid."""
        return mlp.Discriminator((self.width, self.width))(jnp.concatenate([x.reshape(x.shape[0], -1), z], axis=1))


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, width=1, grid_steps=1, grid_width=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table of digits and one of modes, and draws what each method makes of ten digits."""
    seeds = range(config.seed, config.seed + config.seeds)
    yield _digits_table(config, seeds, folder)
    rows: list[dict[str, Cell]] = []
    for name, game in {"ALI": _ali(config), "GAN": _points_gan(config)}.items():
        source, coverages = jg.data.grid(), []
        for seed in seeds:
            training = Training(game, source, seed, config.grid_steps, config.batch_size)
            state = train_member(folder / f"grid-{name}-seed{seed}", training).state
            points = np.asarray(jg.sample(game, state, jax.random.key(seed), n=SAMPLES))
            modes: Any = source.modes
            coverages.append(metrics.mode_coverage(points, modes.centres, modes.std))
            print(f"{name}, seed {seed}: {coverages[-1].modes} modes", flush=True)
        shares = {"high quality": [c.high_quality for c in coverages]}
        rows.append({"method": name, "modes": [float(c.modes) for c in coverages], **shares})
    note = (
        f"{SAMPLES} samples after {config.grid_steps} steps of {config.batch_size}; modes of 25 that were met, and "
        f"share of samples within three standard deviations of one; {config.seeds} seeds. The paper, over ten random "
        "architectures: ALI 13.4 +- 5.8, GAN 10.4 +- 9.2"
    )
    yield Table("25 Gaussians", note, rows)


def _digits_table(config: Config, seeds: range, folder: Path) -> Table:
    games = {"BiGAN": _bigan(config), "latent regressor": _regressor(config), "autoencoder": _autoencoder(config)}
    x, rows = digits("test")["x"], dict[str, dict[str, list[float]]]()
    drawing = [x[:: len(x) // SHOWN][:SHOWN]]
    for name, game in games.items():
        for seed in seeds:
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            training = Training(game, _source(), seed, config.steps, config.batch_size)
            state = train_member(member, training).state
            _add(rows, name, _judged(game, state))
            print(f"{name}, seed {seed}: { ({k: round(v[-1], 3) for k, v in rows[name].items()}) }", flush=True)
            if seed == config.seed:
                drawing.append(_rebuilt(game, state, drawing[0]))
            if name == "BiGAN" and seed == config.seed:
                drawing.append(np.asarray(jg.sample(game, state, jax.random.key(seed), n=SHOWN)))
    for seed in seeds:
        begin = games["BiGAN"].init(jax.random.key(seed), {"x": jnp.asarray(x[:2])})
        _add(rows, "untrained encoder", _judged(games["BiGAN"], begin))
    draw_images(folder / "samples.png", np.concatenate(drawing))
    note = (
        f"1000 held-out digits after {config.steps} steps of {config.batch_size}: distance of G(E(x)) from x over that "
        "from another digit, mean squared error of a pixel, accuracy of a 1-nearest-neighbour classifier of 4000 "
        f"digits; {config.seeds} seeds. The picture's rows: digits; BiGAN's reconstructions and samples; the "
        "regressor's and the autoencoder's reconstructions"
    )
    return Table("Encodings of digits", note, [{"method": name, **figures} for name, figures in rows.items()])


def _add(rows: dict[str, dict[str, list[float]]], name: str, figures: dict[str, float]) -> None:
    for column, value in figures.items():
        rows.setdefault(name, {}).setdefault(column, []).append(value)


def _judged(game: Game, state: TrainState) -> dict[str, float]:
    """Measures reconstructions and encodings of held-out digits."""
    train, test = digits("train"), digits("test")
    x = test["x"]
    rebuilt = _rebuilt(game, state, x)
    own, other = (np.sqrt(np.sum((rebuilt - y) ** 2, axis=(1, 2, 3))).mean() for y in (x, np.roll(x, 1, axis=0)))
    (z, h), (z_train, h_train) = (_encoded(game, state, split["x"]) for split in (test, train))
    return {
        "reconstruction ratio": float(own / other),
        "squared error": float(np.mean((rebuilt - x) ** 2)),
        "1-NN of E(x), %": 100 * _neighbours_right(z_train, train["y"], z, test["y"]),
        "1-NN of features, %": 100 * _neighbours_right(h_train, train["y"], h, test["y"]),
    }


def _rebuilt(game: Game, state: TrainState, x: np.ndarray) -> np.ndarray:
    index = jnp.arange(len(x), dtype=jnp.int32)
    return np.asarray(jax.jit(game.generate)(state, jax.random.key(0), {"index": index, "x": jnp.asarray(x)}))


def _encoded(game: Game, state: TrainState, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    networks: Any = game.networks
    z, h = networks["encoder"].apply({"params": state.ema["encoder"]}, jnp.asarray(x))
    return np.asarray(z), np.asarray(h)


def _neighbours_right(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    """Returns the share of examples whose nearest neighbour has their label."""
    distance = np.sum(train**2, axis=1) - 2 * test @ train.T  # but for a term that is the same for all
    return float(np.mean(y_train[np.argmin(distance, axis=1)] == y_test))


def _adam(config: Config, steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, steps), b1=config.b1, b2=config.b2)


def _game(config: Config, networks: dict[str, nn.Module], system: System) -> Game:
    """All players move at one point, as in both papers' code."""
    averages = {name: config.ema for name in networks if name != "discriminator"}
    return jg.game(networks, system, ema=averages, dynamics=jg.dynamics.simultaneous())


def _penalty(config: Config) -> Any:
    return jg.penalties.r1(config.gamma) if config.gamma else None


def _coders(config: Config) -> dict[str, nn.Module]:
    hidden = (config.width, config.width)
    return {
        "encoder": Encoder(config.latent, config.width),
        "generator": mlp.Generator(SHAPE, hidden, output=jnp.tanh),
    }


def _bigan(config: Config) -> Game:
    system = jg.systems.bigan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=_adam(config, config.steps),
        penalty=_penalty(config),
    )
    return _game(config, _coders(config) | {"discriminator": Pair(config.width)}, system)


def _regressor(config: Config) -> Game:
    """A GAN, and a third player whose encoder gives back the latents of samples."""
    prior, adam = jg.priors.normal(config.latent), _adam(config, config.steps)
    system = jg.systems.gan(loss=jg.losses.non_saturating, prior=prior, optimizer=adam, penalty=_penalty(config))

    def regression(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        z = drawn(prior, batch, turn)
        return jg.losses.unit_gaussian(z, nets["encoder"](nets["generator"](z))[0]), {}

    playing = dict(system.players) | players(adam, encoder=("encoder", regression))
    generate = _rebuilds_or(system.generate)
    system = system._replace(players=playing, inputs=None, generate=generate, takes={"x": "digits to rebuild"})
    networks = _coders(config) | {"discriminator": mlp.Discriminator((config.width, config.width))}
    return _game(config, networks, system)


def _autoencoder(config: Config) -> Game:
    """The same encoder and generator, for pixels alone."""

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return jg.losses.unit_gaussian(batch["x"], nets["generator"](nets["encoder"](batch["x"])[0])), {}

    playing = players(_adam(config, config.steps), autoencoder=(("encoder", "generator"), loss))
    return _game(config, _coders(config), System(playing, None, _rebuilds_or(None), asks={"x": "digits to rebuild"}))


def _rebuilds_or(generate: Any) -> Any:
    def made(nets: Nets, key: Array, inputs: Any) -> Array:
        if "x" in inputs:
            return nets["generator"](nets["encoder"](inputs["x"])[0])
        return generate(nets, key, inputs)

    return made


def _points(config: Config) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """Networks of both games of points, and their settings."""
    hidden = (config.grid_width, config.grid_width)
    settings = {"loss": jg.losses.non_saturating, "prior": jg.priors.normal(2)}
    return {"generator": mlp.Generator((2,), hidden)}, settings | {"optimizer": _adam(config, config.grid_steps)}


def _ali(config: Config) -> Game:
    networks, settings = _points(config)
    networks["encoder"] = encoders.Gaussian(heads.FullyConnected((config.grid_width, config.grid_width)))
    networks["discriminator"] = Pair(config.grid_width)
    return _game(config, networks, jg.systems.bigan(**settings, noise=jg.priors.normal(2)))


def _points_gan(config: Config) -> Game:
    networks, settings = _points(config)
    networks["discriminator"] = mlp.Discriminator((config.grid_width, config.grid_width))
    return _game(config, networks, jg.systems.gan(**settings))


def _source() -> Source:
    return jg.data.unlabelled(jg.data.digits("train", size=SHAPE[0]))
