"""Stacked digits: 1000 modes, three digits as the channels of one image, and which methods cover them.

The collapse test of Metz et al. 2017 and PacGAN (Lin et al. 2018) on the digits that come with the library: their tiny
generator against a discriminator of a quarter or a half of its width (tables 3 of both), plain, packed, and as RpGAN
with R1 and R2; then R3GAN's ablation (Huang et al. 2024, table 1) of pairing and penalties, with one small residual
network for all rows. A mode is the three digits that a classifier reads; KL is that of their histogram to uniform.
Budgets are a hundredth of the published ones: orders compare, figures do not.

Command: python -m experiments stacked_digits [--data quarter | half | ablation] [--methods dcgan,packing 2]
Takes: minutes for each row and seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
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
from experiments.tables import Cell, Table, at_least, said
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import r3gan
from jaxgan.networks.layers import ConvTranspose
from jaxgan.networks.remedies import Packed
from jaxgan.sample import save_grid
from jaxgan.types import Game, Loss, Penalty, TrainState, name_index

SIZE = 28
TITLES = {
    "quarter": "1000 modes, discriminator of a quarter of the generator's width",
    "half": "1000 modes, discriminator of half the generator's width",
    "ablation": "1000 modes, one residual network: pairing and penalties of R3GAN",
}
PAPERS = {  # modes / KL
    "quarter": {
        "dcgan": "30.6 / 5.99 (Unrolled); 78.5 / 5.21 (PacGAN)",
        "unrolled": "327 / 4.66 (10 steps)",
        "packing 2": "484.5 / 2.61",
        "packing 4": "667.4 / 1.81",
    },
    "half": {
        "dcgan": "628 / 2.58 (Unrolled); 487.7 / 2.24 (PacGAN)",
        "unrolled": "817 / 1.43 (10 steps)",
        "packing 2": "840.7 / 1.00",
        "packing 4": "820.2 / 1.15",
    },
    "ablation": {
        "gan + r1": "diverges",
        "gan + r1 + r2": "693 / .927",
        "rpgan + r1": "diverges",
        "rpgan + r1 + r2": "1000 / .078",
    },
}


@dataclass(frozen=True)
class Config:
    """Which games are played, and for how long."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 3  # runs of each method
    data: Literal["all", "quarter", "half", "ablation"] = "all"
    methods: str = "all"  # or their names, with commas between
    steps: int = 5000  # train steps
    batch_size: int = 64  # real stacks a step
    gamma: float = 1.0  # weight of R1, and of R2
    discriminator_rate: float = 2e-3  # Adam's; ten times that of the papers, for a hundredth of their steps
    generator_rate: float = 1e-3
    residual_rate: float = 1e-3  # Adam's, of both players of the ablation
    features: int = 8  # of the ablation's networks
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


def stacked(source: Source, channels: int = 3) -> Source:
    """Stacks of grey images as channels, each drawn in an order of its own: an endless set of combinations.

    Args:
      source: of a number of images [n, H, W, 1], labelled or not.
      channels: of a stack.
    Returns:
      Source of "x" [n, H, W, channels], and "y" [n] where there are labels: their digits to the base of the classes.
    Raises:
      ValueError: the source is a density.
    """
    size = source.size
    if size is None:
        raise ValueError(f"{source.name!r} has no end; stacks are drawn from a number of images")

    def read(draw: jg.data.Draw) -> dict[str, Any]:
        parts = [
            source.read(draw._replace(index=jg.data.indices(channels * draw.seed + k, size, draw.position)))
            for k in range(channels)
        ]
        stack: dict[str, Any] = {"x": np.concatenate([np.asarray(part["x"]) for part in parts], axis=-1)}
        if source.classes:
            digits = np.stack([np.asarray(part["y"]) for part in parts], axis=1)
            stack["y"] = (digits @ source.classes ** np.arange(channels - 1, -1, -1)).astype(np.int32)
        return stack

    return source._replace(
        name=f"{source.name}, {channels} stacked", size=None, read=read, classes=source.classes**channels
    )


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which, and what is known.
    """
    at_least(config, seeds=2, steps=1, batch_size=4, features=1, samples=1, judge_steps=1)
    if config.batch_size % 4:
        raise ValueError(f"--batch-size must be a multiple of 4, the largest pack; got {config.batch_size}")
    for data in _tables(config):
        _chosen(config, data)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table for each setting, and draws samples of each method's first run."""
    digits = jg.data.digits("train", size=SIZE)
    source, read = stacked(digits), reader(config, folder)
    real = metrics.label_coverage(read(jg.data.batch_at(source, config.samples, config.seed)(0)["x"]))
    for data in _tables(config):
        rows: list[dict[str, Cell]] = [
            {"method": "real stacks", "modes": float(real.modes), "KL": real.reverse_kl, "papers": "", "seconds": ""}
        ]
        for name, method in _chosen(config, data).items():
            began, found, game = time.monotonic(), [], build(config, data, method)
            step = jax.jit(game.train_step, donate_argnums=0)
            for seed in range(config.seed, config.seed + config.seeds):
                state = trained(config, game, step, source, seed)
                samples = drawn(game, state, config.samples)
                if seed == config.seed:
                    save_grid(folder / f"{data}-{name.replace(' ', '')}.png", samples[:100], columns=20)
                found.append(metrics.label_coverage(read(samples)))
            rows.append(
                {
                    "method": name,
                    "modes": [float(one.modes) for one in found],
                    "KL": [one.reverse_kl for one in found],
                    "papers": PAPERS[data].get(name, ""),
                    "seconds": str(round(time.monotonic() - began)),
                }
            )
            print(f"{data}: {', '.join(f'{key} {said(value)}' for key, value in rows[-1].items())}", flush=True)
        yield Table(TITLES[data], _note(config, data, digits.name), rows)


def methods(config: Config, data: str) -> dict[str, Method]:
    """The rows of a table, by name."""
    r1, r2 = jg.penalties.r1(config.gamma), jg.penalties.r2(config.gamma)
    both, rp = jg.penalties.total(r1, r2), jg.losses.relativistic
    if data == "ablation":
        return {
            "gan": Method(),
            "gan + r1": Method(penalty=r1),
            "gan + r1 + r2": Method(penalty=both),
            "rpgan": Method(rp),
            "rpgan + r1": Method(rp, r1),
            "rpgan + r1 + r2": Method(rp, both),
        }
    return {
        "dcgan": Method(),
        "packing 2": Method(pack=2),
        "packing 4": Method(pack=4),
        "rpgan + r1 + r2": Method(rp, both),
    }


def build(config: Config, data: str, method: Method) -> Game:
    """The game of one row."""
    critic: nn.Module
    if data == "ablation":
        # one group: the derivatives of grouped convolutions are ten times as slow on CPU
        form: dict[str, Any] = {"size": SIZE, "features": config.features, "blocks": 1, "group": 2 * config.features}
        generator: nn.Module = r3gan.Generator(channels=3, **form)
        critic = r3gan.Discriminator(**form)
        rates, b1, latent = (config.residual_rate,) * 2, 0.0, 64
    else:
        generator = Generator()
        critic = Discriminator({"quarter": 2, "half": 4}[data], normalised=method.penalty is None)
        rates, b1, latent = (config.discriminator_rate, config.generator_rate), 0.5, 256
    system = jg.systems.gan(
        loss=method.loss,
        penalty=method.penalty,
        prior=jg.priors.normal(latent),
        optimizer={
            "discriminator": optax.adam(rates[0], b1=b1, b2=0.99),
            "generator": optax.adam(rates[1], b1=b1, b2=0.99),
        },
    )
    networks = {"generator": generator, "discriminator": Packed(critic, method.pack) if method.pack > 1 else critic}
    return jg.game(networks, system, ema={"generator": 0.995})


def trained(config: Config, game: Game, step: Any, source: Source, seed: int) -> TrainState:
    """Trains one run."""
    batches = jg.data.batches(jg.data.unlabelled(source), config.batch_size, seed)
    batch = next(batches)
    state = game.init(jax.random.key(seed), batch)
    for _ in range(config.steps):
        state, _ = step(state, batch)
        batch = next(batches)
    return state


def drawn(game: Game, state: TrainState, n: int) -> np.ndarray:
    """Returns the stacks that a run is judged by; those of a run that diverged are black."""
    key = jax.random.fold_in(state.key, name_index("judgement"))
    return np.nan_to_num(np.asarray(jg.sample(game, state, key, n=n)), nan=-1.0, posinf=1.0, neginf=-1.0)


def reader(config: Config, folder: Path) -> Any:
    """Trains the classifier; returns a function from stacks [n, 28, 28, 3] to modes [n] in 0..999."""
    source = jg.data.digits("train", size=SIZE)
    every = np.arange(source.size or 0)
    known = source.read(jg.data.Draw(0, every, every))
    classifier = metrics.train_classifier(known["x"], known["y"], jax.random.key(0), steps=config.judge_steps)
    metrics.save_classifier(classifier, folder / "judge.npz")

    def read(stacks: Any) -> np.ndarray:
        x = np.clip(np.asarray(stacks, np.float32), -1, 1)
        digits = [metrics.probabilities(classifier, x[..., k : k + 1]).argmax(axis=1) for k in range(x.shape[-1])]
        return metrics.stacked_labels(np.stack(digits, axis=1))

    return read


def _tables(config: Config) -> tuple[str, ...]:
    return tuple(TITLES) if config.data == "all" else (config.data,)


def _chosen(config: Config, data: str) -> dict[str, Method]:
    known = methods(config, data)
    if config.methods == "all":
        return known
    names = [name.strip() for name in config.methods.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--methods has {unknown[0]!r}, which is none of {', '.join(known)} (table {data!r})")
    return {name: known[name] for name in names}


def _note(config: Config, data: str, digits: str) -> str:
    if data == "ablation":
        nets = f"R3GAN networks of {config.features} features and one block a size, Adam at {config.residual_rate:g}"
    else:
        nets = f"Adam at {config.discriminator_rate:g} (discriminator) and {config.generator_rate:g} (generator)"
    return (
        f"{config.steps} steps of batch {config.batch_size}; {nets}; R1 and R2 with gamma {config.gamma:g}; stacks of "
        f"{digits}; {config.samples} samples of the averaged generator, read by a classifier trained for "
        f"{config.judge_steps} steps; mean and 95 % interval over seeds {config.seed}.."
        f"{config.seed + config.seeds - 1}. Papers: modes / KL, at 50 to 100 times the steps, on MNIST."
    )
