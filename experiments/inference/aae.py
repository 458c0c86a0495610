"""Latents of digits held to a prior: an adversarial autoencoder against a plain one and a VAE; and few labels.

Makhzani et al. 2015, with fully connected networks, as there, but narrower. Of 1,000 held-out digits: can a classifier
tell E(x) from the prior (1/2: it cannot)? Of 1,000 latents of the prior: how far are the decoded digits from real ones
(Fréchet distance in the features of a classifier that the run trains)? And 100 labels: the semi-supervised autoencoder
against a classifier that is the same encoder, trained on the labels alone.

Command: python -m experiments digits_aae
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
from experiments.digits.data import digits, few_labels
from experiments.digits.judge import digits_judge
from jaxgan import metrics
from jaxgan.networks import encoders, heads, mlp
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.parts import drawn, latents, players
from jaxgan.types import Batch, Game, Inputs, Metrics, Nets, System, TrainState, Turn

SHAPE, CLASSES = (28, 28, 1), 10
SAMPLES = 1000  # latents of the prior that are decoded and compared
SHOWN = 10  # digits in a row of the picture


@dataclass(frozen=True)
class Config:
    """Autoencoders of digits with and without an adversary, and with few labels."""

    seed: int = 0  # the first; of parameters, latents, data order and the choice of labels
    seeds: int = 1  # runs of each method
    steps: int = 2000  # train steps
    batch_size: int = 64  # digits a step
    latent: int = 8  # width of z
    width: int = 256  # units of each of two hidden layers of encoder, decoder and the latents' discriminators
    learning_rate: float = 1e-3  # Adam's, of reconstruction; all rates decay to zero along a half cosine
    adversary_rate: float = 1e-3  # of the latents' discriminators
    encoder_rate: float = 1e-3  # of the encoder that fools them
    b1: float = 0.5  # Adam's momentum
    labels: int = 100  # labelled digits, in equal shares
    noise: float = 0.3  # standard deviation at the hidden layers and pixels of the encoder of few labels
    ema: float = 0.998  # decay of averaged parameters, per step
    judge_steps: int = 1000  # training steps of the classifier in whose features the distance is


SMOKE = {"steps": 3, "batch_size": 10, "width": 4, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, width=1, judge_steps=1)
    if config.labels < CLASSES or config.labels % CLASSES:
        raise ValueError(f"--labels must be a multiple of {CLASSES}; got {config.labels}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table of latents and one of few labels, and draws digits, reconstructions and samples."""
    seeds = range(config.seed, config.seed + config.seeds)
    yield _latents_table(config, seeds, folder)
    rows: list[dict[str, Cell]] = []
    for name, game in {"labels alone": _classifier(config), "and unlabelled digits": _semi(config)}.items():
        errors = []
        for seed in seeds:
            source = few_labels(config.labels, CLASSES, seed)
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            errors.append(100 * _error(config, state))
            print(f"{name}, seed {seed}: {errors[-1]:.1f} % test error", flush=True)
        rows.append({"trained on": name, "test error, %": errors})
    note = (
        f"1000 held-out digits; {config.labels} labels and 4000 digits without; {config.steps} steps of "
        f"{config.batch_size} of each kind; {config.seeds} seeds"
    )
    yield Table(f"Test error of the encoder from {config.labels} labels", note, rows)


def _latents_table(config: Config, seeds: range, folder: Path) -> Table:
    judge = digits_judge(SHAPE[0], config.judge_steps, folder).judge
    x, rows = digits("test")["x"], list[dict[str, Cell]]()
    drawing = [x[:: len(x) // SHOWN][:SHOWN]]
    for name, game in {"AAE": _aae(config), "AE": _plain(config), "VAE": _vae(config)}.items():
        measured: dict[str, list[float]] = {}
        for seed in seeds:
            source = jg.data.unlabelled(jg.data.digits("train", size=SHAPE[0]))
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name}-seed{seed}", training).state
            samples = np.asarray(jg.sample(game, state, jax.random.key(seed), n=SAMPLES))
            figures = _told_apart(config, name, state, seed)
            figures["Fréchet distance"] = judge(samples).figures["frechet_distance"]
            index = jnp.arange(len(x), dtype=jnp.int32)
            rebuilt = np.asarray(jax.jit(game.generate)(state, jax.random.key(seed), {"index": index, "x": x}))
            figures["squared error"] = float(np.mean((rebuilt - x) ** 2))
            for column, value in figures.items():
                measured.setdefault(column, []).append(value)
            print(f"{name}, seed {seed}: { ({k: round(v, 4) for k, v in figures.items()}) }", flush=True)
            if seed == config.seed:
                drawing += [rebuilt[:: len(x) // SHOWN][:SHOWN], samples[:SHOWN]]
        rows.append({"method": name, **measured})
    draw_images(folder / "samples.png", np.concatenate(drawing))
    note = (
        f"After {config.steps} steps of {config.batch_size}: accuracy of classifiers that tell E(x) of 1000 held-out "
        f"digits from the prior; Fréchet distance (digits classifier) of {SAMPLES} decoded latents of the prior; mean "
        f"squared error of a pixel; {config.seeds} seeds. The picture's rows: digits; then of each method "
        "reconstructions and samples"
    )
    return Table("Latents of digits beside the prior", note, rows)


def _told_apart(config: Config, name: str, state: TrainState, seed: int) -> dict[str, float]:
    """Returns how often classifiers tell encodings of held-out digits from the prior, [0, 1]."""
    x, prior = jnp.asarray(digits("test")["x"]), jg.priors.normal(config.latent)
    noise = (prior(jax.random.key(seed + 1000), len(x)),) if name == "VAE" else ()
    network: Any = _coders(config, stochastic=name == "VAE")["encoder"]
    z = encoders.latent_of(network.apply({"params": state.ema["encoder"]}, x, *noise))
    test = metrics.classifier_two_sample_test
    drawn_z, key = prior(jax.random.key(seed + 2000), len(x)), jax.random.key(seed)
    return {f"told apart by {kind}": test(drawn_z, z, key, kind).accuracy for kind in ("knn", "mlp")}


def _error(config: Config, state: TrainState) -> float:
    """Returns the share of held-out digits that the averaged encoder reads wrongly."""
    test = digits("test")
    outputs: Any = _reader(config).apply({"params": state.ema["encoder"]}, jnp.asarray(test["x"]), train=False)
    return float(np.mean(np.argmax(outputs["classes"], axis=1) != test["y"]))


def _adam(config: Config, rate: float) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, config.steps), b1=config.b1)


def _hidden(config: Config) -> tuple[int, int]:
    return (config.width, config.width)


def _coders(config: Config, stochastic: bool = False) -> dict[str, nn.Module]:
    body = heads.FullyConnected(_hidden(config))
    encoder = encoders.Gaussian(body) if stochastic else nn.Sequential([body, nn.Dense(config.latent)])
    return {"encoder": encoder, "decoder": mlp.Generator(SHAPE, _hidden(config), output=jnp.tanh)}


def _game(config: Config, networks: dict[str, nn.Module], system: System) -> Game:
    return jg.game(networks, system, ema={name: config.ema for name in networks if name in ("encoder", "decoder")})


def _aae(config: Config) -> Game:
    system = jg.systems.adversarial_autoencoder(
        prior=jg.priors.normal(config.latent),
        optimizer={
            "autoencoder": _adam(config, config.learning_rate),
            "discriminator": _adam(config, config.adversary_rate),
            "encoder": _adam(config, config.encoder_rate),
        },
    )
    return _game(config, _coders(config) | {"discriminator": mlp.Discriminator(_hidden(config))}, system)


def _plain(config: Config) -> Game:
    """The same encoder and decoder without the adversary."""
    return _game(config, _coders(config), _reconstruction(config, divergence=0.0))


def _vae(config: Config) -> Game:
    """The same, but for a stochastic encoder and its divergence from the prior."""
    return _game(config, _coders(config, stochastic=True), _reconstruction(config, divergence=1.0))


def _reconstruction(config: Config, divergence: float) -> System:
    """One player; with a divergence the encoder is called E(x, noise) and pays it."""
    prior = jg.priors.normal(config.latent)

    def encoded(nets: Nets, x: Array, noise: Array) -> tuple[Array, Array]:
        out = nets["encoder"](x, noise) if divergence else nets["encoder"](x)
        return encoders.latent_of(out), divergence * jnp.mean(out[1]) if divergence else jnp.zeros(())

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        z, cost = encoded(nets, batch["x"], drawn(prior, batch, turn))
        return jg.losses.unit_gaussian(batch["x"], nets["decoder"](z)) + cost, {"divergence": cost}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = latents(prior, key, inputs)
        return nets["decoder"](encoded(nets, inputs["x"], z)[0] if "x" in inputs else z)

    playing = players(_adam(config, config.learning_rate), autoencoder=(("encoder", "decoder"), loss))
    return System(playing, None, generate, takes={"x": "digits to rebuild"})


def _reader(config: Config) -> heads.Headed:
    """The encoder of few labels: noise keeps it from learning them by heart."""
    body = heads.FullyConnected(_hidden(config), noise=config.noise, input_noise=config.noise, layer_norm=True)
    return heads.Headed(body, {"classes": heads.Classes(CLASSES), "latent": nn.Dense(config.latent)})


def _semi(config: Config) -> Game:
    rates = {"autoencoder": config.learning_rate, "encoder": config.encoder_rate, "classifier": config.learning_rate}
    system = jg.systems.semi_supervised_autoencoder(
        prior=jg.priors.normal(config.latent),
        classes=CLASSES,
        optimizer={
            name: _adam(config, rates.get(name, config.adversary_rate))
            for name in ("autoencoder", "discriminator_y", "discriminator_z", "encoder", "classifier")
        },
    )
    networks = {"encoder": _reader(config), "decoder": mlp.Generator(SHAPE, _hidden(config), CLASSES, output=jnp.tanh)}
    networks |= {f"discriminator_{side}": mlp.Discriminator(_hidden(config)) for side in "yz"}
    return _game(config, networks, system)


def _classifier(config: Config) -> Game:
    """The same encoder on the labelled digits alone."""

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return jg.losses.auxiliary_classifier(nets["encoder"](batch["labelled"])["classes"], batch["y"]), {}

    playing = players(_adam(config, config.learning_rate), classifier=("encoder", loss))
    system = System(
        playing, None, lambda nets, key, inputs: nets["encoder"](inputs["x"])["classes"], asks={"x": "digits"}
    )
    return _game(config, {"encoder": _reader(config)}, system)
