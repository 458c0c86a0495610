"""Digits from 100 labels: the K+1-class GAN against the same classifier without unlabelled data.

Both classifiers are one fully connected network with Gaussian noise at its layers, as in Salimans et al. 2016, but
narrower and with layer normalisation. One is trained on 10 labelled digits of each class alone. The other also sees
4,000 digits without labels, and samples of a generator that matches its features. Test error on 1,000 held-out digits,
by averaged parameters; each seed draws other labels.

Command: python -m experiments digits_semi
Takes: about five minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
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
from jaxgan.networks import heads
from jaxgan.runs.experiment import PICTURED, draw_images
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.semi_supervised import semi_supervised
from jaxgan.types import Batch, Game, Metrics, Nets, Player, PyTree, System, Turn

CLASSES = 10


@dataclass(frozen=True)
class Config:
    """A classifier of few labels, with and without unlabelled digits."""

    seed: int = 0  # the first; of parameters, data order and the choice of labels
    seeds: int = 3  # runs of each method
    labels: int = 100  # labelled examples, in equal shares
    steps: int = 4000  # train steps
    batch_size: int = 100  # examples of each kind in a step
    width: int = 500  # units of the classifier's first hidden layer; the second and third have half
    noise: float = 0.5  # standard deviation at its hidden layers
    input_noise: float = 0.6  # standard deviation at its input, whose pixels lie in [-1, 1]
    latent: int = 100  # width of z
    learning_rate: float = 1e-3  # Adam's, of both players; falls to zero along a half cosine
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.998  # decay of the averaged classifier, per step


SMOKE = {"seeds": 2, "steps": 3, "batch_size": 10, "width": 8}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    if config.labels < CLASSES or config.labels % CLASSES:
        raise ValueError(f"--labels must be a multiple of {CLASSES}; got {config.labels}")
    at_least(config, seeds=1, steps=1, batch_size=1, width=1)
    if config.batch_size > config.labels:
        raise ValueError(f"--batch-size {config.batch_size} is larger than the {config.labels} labelled examples")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples of the first seed's generator."""
    rows: list[dict[str, Cell]] = []
    for name, system in {"labels alone": _supervised(config), "and unlabelled digits": _semi(config)}.items():
        began, errors, learned, game = time.monotonic(), [], [], _game(config, system)
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            training = Training(game, few_labels(config.labels, CLASSES, seed), seed, config.steps, config.batch_size)
            state = train_member(member, training).state
            errors.append(100 * _error(config, state.ema["discriminator"]))
            learned.append(100 * last_metrics(member)["discriminator/accuracy"])
            print(f"{name}, seed {seed}: {errors[-1]:.1f} % test error", flush=True)
            if "generator" in state.params and seed == config.seed:
                samples = jg.sample(game, state, jax.random.key(seed), n=PICTURED)
                draw_images(folder / "samples.png", samples)
        seconds = str(round(time.monotonic() - began))
        rows.append({"trained on": name, "test error, %": errors, "labels learned, %": learned, "seconds": seconds})
    note = (
        f"{config.labels} labelled and {digits('train')['x'].shape[0]} unlabelled digits, 1000 held out; "
        f"{config.steps} steps of {config.batch_size} examples of each kind; seeds {config.seed} to "
        f"{config.seed + config.seeds - 1}, mean and 95 % confidence interval"
    )
    yield Table(f"Test error of a classifier from {config.labels} labels", note, rows)


def _classifier(config: Config) -> nn.Module:
    hidden = (config.width, config.width // 2, config.width // 2)
    body = heads.FullyConnected(hidden, noise=config.noise, input_noise=config.input_noise, layer_norm=True)
    return heads.Headed(body, {"classes": heads.Classes(CLASSES)})


def _adam(config: Config) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps), b1=config.b1)


def _semi(config: Config) -> System:
    return semi_supervised(prior=jg.priors.uniform(config.latent), optimizer=_adam(config))


def _supervised(config: Config) -> System:
    """The same classifier as the only player of a game: cross-entropy of the labels."""

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        logits = nets["discriminator"](batch["labelled"])["classes"]
        accuracy = jnp.mean(jnp.argmax(logits, axis=1) == batch["y"])
        return jg.losses.auxiliary_classifier(logits, batch["y"]), {"accuracy": accuracy}

    players = {"discriminator": Player(("discriminator",), loss, _adam(config))}
    return System(players, lambda batch: {"discriminator": (batch["x"],)}, lambda nets, key, inputs: inputs["x"])


def _game(config: Config, system: System) -> Game:
    networks: dict[str, nn.Module] = {"discriminator": _classifier(config)}
    if "generator" in system.players:
        hidden = (config.width, config.width)
        networks["generator"] = jg.networks.mlp.Generator((28, 28, 1), hidden, output=jnp.tanh)
    return jg.game(networks, system, ema={"discriminator": config.ema})


def _error(config: Config, params: PyTree) -> float:
    """Returns the share of held-out digits that are read wrongly."""
    test = digits("test")
    outputs: Any = _classifier(config).apply({"params": params}, jnp.asarray(test["x"]), train=False)
    return float(np.mean(np.argmax(outputs["classes"], axis=1) != test["y"]))
