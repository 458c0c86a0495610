"""Stacked digits: 1000 modes, three digits as the channels of one image, and which methods cover them.

The collapse test of Metz et al. 2017 and PacGAN (Lin et al. 2018) on the digits that come with the library: their tiny
generator against a discriminator of a quarter or a half of its width (tables 3 of both), plain, packed, and in R3GAN's
ablation of pairing and penalties (Huang et al. 2024, table 1; a discriminator without normalisation); that ablation
again with fully connected networks, which two cores train until digits can be read; and R3GAN's own networks, small. A
mode is the three digits that a classifier reads; KL is that of their histogram to uniform; "sure" is the share of
digits read beyond doubt. Budgets are a hundredth of the published ones: orders compare, figures do not.

Command: python -m experiments stacked_digits [--data quarter | half | ablation | r3gan] [--methods dcgan,packing 2]
Takes: minutes for each row and seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from experiments.stacks import SURE, Reading, read_stacks, stacked, trained_reader
from experiments.tables import Cell, Table, at_least, said
from jaxgan.data import Source
from jaxgan.networks import mlp, r3gan
from jaxgan.networks.layers import ConvTranspose
from jaxgan.networks.remedies import Packed
from jaxgan.sample import save_grid
from jaxgan.types import Game, Loss, Penalty, TrainState, name_index

SIZE = 28


class Setting(NamedTuple):
    """A table: networks that are trained alike."""

    title: str
    papers: dict[str, str]  # modes / KL, by method
    rates: tuple[float, float]  # Adam's, of the discriminator and the generator
    b1: float
    latent: int
    gamma: float  # weight of R1, and of R2
    steps: int


SMALL: dict[str, Any] = {"rates": (2e-3, 1e-3), "b1": 0.5, "latent": 256, "gamma": 1.0, "steps": 5000}
SETTINGS = {
    "quarter": Setting(
        "1000 modes, discriminator of a quarter of the generator's width",
        {
            "dcgan": "30.6 / 5.99 (Unrolled); 78.5 / 5.21 (PacGAN)",
            "unrolled": "327 / 4.66 (10 steps)",
            "packing 2": "484.5 / 2.61",
            "packing 4": "667.4 / 1.81",
        },
        **SMALL,  # rates ten times those of the papers, for a hundredth of their steps
    ),
    "half": Setting(
        "1000 modes, discriminator of half the generator's width",
        {
            "dcgan": "628 / 2.58 (Unrolled); 487.7 / 2.24 (PacGAN)",
            "unrolled": "817 / 1.43 (10 steps)",
            "packing 2": "840.7 / 1.00",
            "packing 4": "820.2 / 1.15",
        },
        **SMALL,
    ),
    "ablation": Setting(
        "1000 modes, fully connected networks: pairing and penalties of R3GAN",
        {
            "gan + r1": "diverges",
            "gan + r1 + r2": "693 / .927",
            "rpgan + r1": "diverges",
            "rpgan + r1 + r2": "1000 / .078",
        },
        rates=(2e-4, 2e-4),
        b1=0.0,
        latent=64,
        gamma=0.01,
        steps=12_000,
    ),
    "r3gan": Setting(
        "1000 modes, the networks of R3GAN",
        {"rpgan + r1 + r2": "1000 / .029"},
        rates=(5e-4, 5e-4),
        b1=0.0,
        latent=64,
        gamma=1.0,
        steps=5000,
    ),
}


@dataclass(frozen=True)
class Config:
    """Which games are played, and for how long."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 3  # runs of each method
    data: Literal["all", "quarter", "half", "ablation", "r3gan"] = "all"
    methods: str = "all"  # or their names, with commas between
    steps: int = 0  # train steps; 0: as many as the table has
    batch_size: int = 64  # real stacks a step
    width: int = 256  # of the two hidden layers of either fully connected network
    features: int = 8  # of the largest maps of R3GAN's networks; doubled at every halving of the side
    samples: int = 25_600  # that a generator is judged by, as in the papers
    judge_steps: int = 1000  # training steps of the classifier that reads digits


SMOKE = {
    "seeds": 2,
    "data": "quarter",
    "methods": "packing 2,rpgan + r1 + r2",
    "steps": 4,
    "batch_size": 8,
    "samples": 250,
    "judge_steps": 4,
}


class Method(NamedTuple):
    """A row."""

    loss: Loss = jg.losses.non_saturating
    penalty: Penalty | None = None
    pack: int = 1  # stacks that the discriminator sees at once


class Generator(nn.Module):
    """z [B, Z] -> stacks [B, 28, 28, 3]: the small generator of Metz et al. 2017 and of PacGAN."""

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> Array:
        """Draws stacks; batch statistics come from the batch if `train`."""

        def normed(x: Array) -> Array:
            return nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))

        x = normed(nn.Dense(4 * 4 * 64)(z)).reshape(-1, 4, 4, 64)
        x = normed(ConvTranspose(32, (3, 3))(x)[:, :7, :7])
        x = normed(ConvTranspose(16, (3, 3))(x))
        x = normed(ConvTranspose(8, (3, 3))(x))
        return jnp.tanh(nn.Conv(3, (3, 3))(x))


class Discriminator(nn.Module):
    """Stacks (or packs of them) [B, 28, 28, C] -> logits [B]; three layers, of `features`, 2 and 4 times as many."""

    features: int  # 2: a quarter of the generator's, 4: half
    normalised: bool = True  # by batch; penalties of gradients want examples apart

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Scores every stack, or pack, before any sigmoid."""
        for k in range(3):
            x = nn.Conv(self.features * 2**k, (3, 3), strides=2)(x)
            x = nn.BatchNorm(not train, momentum=0.9)(x) if self.normalised else x
            x = nn.leaky_relu(x, 0.3)
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which, and what is known.
    """
    at_least(config, seeds=2, steps=0, width=1, batch_size=4, features=1, samples=1, judge_steps=1)
    if config.batch_size % 4:
        raise ValueError(f"--batch-size must be a multiple of 4, the largest pack; got {config.batch_size}")
    for data in _tables(config):
        _chosen(config, data)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table for each setting, and draws samples of each method's first run."""
    digits = jg.data.digits("train", size=SIZE)
    source, classifier = stacked(digits), trained_reader(digits, config.judge_steps, folder / "judge.npz")
    real = read_stacks(classifier, jg.data.batch_at(source, config.samples, config.seed)(0)["x"])
    for data in _tables(config):
        setting = SETTINGS[data]
        rows = [_row("real stacks", [real], "", "")]
        for name, method in _chosen(config, data).items():
            began, found, game = time.monotonic(), [], build(config, data, method)
            step = jax.jit(game.train_step, donate_argnums=0)
            for seed in range(config.seed, config.seed + config.seeds):
                samples = drawn(game, trained(config, data, game, step, source, seed), config.samples)
                if seed == config.seed:
                    save_grid(folder / f"{data}-{name.replace(' ', '')}.png", samples[:100], columns=20)
                found.append(read_stacks(classifier, samples))
            rows.append(_row(name, found, setting.papers.get(name, ""), str(round(time.monotonic() - began))))
            print(f"{data}: {', '.join(f'{key} {said(value)}' for key, value in rows[-1].items())}", flush=True)
        yield Table(setting.title, _note(config, data, digits.name), rows)


def methods(data: str) -> dict[str, Method]:
    """The rows of a table, by name."""
    r1, r2 = (penalty(SETTINGS[data].gamma) for penalty in (jg.penalties.r1, jg.penalties.r2))
    both, rp = jg.penalties.total(r1, r2), jg.losses.relativistic
    ablation = {
        "gan + r1": Method(penalty=r1),
        "gan + r1 + r2": Method(penalty=both),
        "rpgan + r1": Method(rp, r1),
        "rpgan + r1 + r2": Method(rp, both),
    }
    if data == "r3gan":
        return {"rpgan + r1 + r2": ablation["rpgan + r1 + r2"]}
    if data == "ablation":
        return {"gan": Method(), "rpgan": Method(rp), **ablation}
    return {"dcgan": Method(), **{f"packing {pack}": Method(pack=pack) for pack in (2, 4)}, **ablation}


def networks(config: Config, data: str, normalised: bool) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a table; `normalised` by batch, where the table's are."""
    if data == "ablation":
        hidden = (config.width,) * 2
        return mlp.Generator((SIZE, SIZE, 3), hidden, output=jnp.tanh), mlp.Discriminator(hidden)
    if data == "r3gan":
        features = tuple(config.features * 2**k for k in (2, 1, 0))
        # One group: the derivatives of grouped convolutions are ten times as slow on CPU.
        form: dict[str, Any] = {"size": SIZE, "features": features, "blocks": 1, "group": 8 * config.features}
        return r3gan.Generator(channels=3, **form), r3gan.Discriminator(**form)
    return Generator(), Discriminator({"quarter": 2, "half": 4}[data], normalised=normalised)


def build(config: Config, data: str, method: Method) -> Game:
    """The game of one row."""
    setting = SETTINGS[data]
    generator, critic = networks(config, data, normalised=method.penalty is None)
    system = jg.systems.gan(
        loss=method.loss,
        penalty=method.penalty,
        prior=jg.priors.normal(setting.latent),
        optimizer={
            name: optax.adam(rate, b1=setting.b1, b2=0.99)
            for name, rate in zip(("discriminator", "generator"), setting.rates, strict=True)
        },
    )
    players = {"generator": generator, "discriminator": Packed(critic, method.pack) if method.pack > 1 else critic}
    return jg.game(players, system, ema={"generator": 0.995})


def trained(config: Config, data: str, game: Game, step: Any, source: Source, seed: int) -> TrainState:
    """Trains one run."""
    batches = jg.data.batches(jg.data.unlabelled(source), config.batch_size, seed)
    batch = next(batches)
    state = game.init(jax.random.key(seed), batch)
    for _ in range(_steps(config, data)):
        state, _ = step(state, batch)
        batch = next(batches)
    return state


def drawn(game: Game, state: TrainState, n: int) -> np.ndarray:
    """Returns the stacks that a run is judged by; those of a run that diverged are black."""
    key = jax.random.fold_in(state.key, name_index("judgement"))
    return np.nan_to_num(np.asarray(jg.sample(game, state, key, n=n)), nan=-1.0, posinf=1.0, neginf=-1.0)


def _row(name: str, found: Sequence[Reading], papers: str, seconds: str) -> dict[str, Cell]:
    figures = {"modes": "modes", "KL": "reverse_kl", "sure": "sure"}
    read: dict[str, Cell] = {column: [getattr(one, of) for one in found] for column, of in figures.items()}
    return {"method": name, **read, "papers": papers, "seconds": seconds}


def _tables(config: Config) -> tuple[str, ...]:
    return tuple(SETTINGS) if config.data == "all" else (config.data,)


def _steps(config: Config, data: str) -> int:
    return config.steps or SETTINGS[data].steps


def _chosen(config: Config, data: str) -> dict[str, Method]:
    known = methods(data)
    if config.methods == "all":
        return known
    names = [name.strip() for name in config.methods.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--methods has {unknown[0]!r}, which is none of {', '.join(known)} (table {data!r})")
    return {name: known[name] for name in names}


def _note(config: Config, data: str, digits: str) -> str:
    setting = SETTINGS[data]
    return (
        f"{_steps(config, data)} steps of batch {config.batch_size}; Adam at {setting.rates[0]:g} (discriminator) and "
        f"{setting.rates[1]:g} (generator); R1 and R2 with gamma {setting.gamma:g}; stacks of {digits}; "
        f"{config.samples} samples of the averaged generator, read by a classifier trained for {config.judge_steps} "
        f"steps, sure of a digit from a probability of {SURE} on; mean and 95 % interval over seeds {config.seed}.."
        f"{config.seed + config.seeds - 1}. Papers: modes / KL, at 50 to 100 times the steps, on MNIST."
    )
