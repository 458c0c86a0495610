"""Digits and their edges, drawn in pairs by networks that never met a pair.

CoGAN (Liu, Tuzel 2016): one latent, generators that share all but their last layer, discriminators that share all but
their first. The digits of one domain are not those whose edges are the other. Measured on samples: how often a
classifier of digits and one of edges read the same class in the two images of a latent, and how far the second image is
from the edges of the first; against GANs of as many layers that share none, with the same latent and steps.

Command: python -m experiments cogan
Takes: about ten minutes on a CPU core for a seed. Expected result: experiments/README.md.
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

import jaxgan as jg
from jaxgan import metrics
from jaxgan.networks import dcgan
from jaxgan.networks.coupled import CoupledDiscriminator, CoupledGenerator
from jaxgan.networks.layers import ConvTranspose, StridedConv
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

SAMPLES = 1000
SHARED = {"coupled": True, "apart": False}
DRAWN = 10  # latents in a row of the picture


@dataclass(frozen=True)
class Config:
    """Two domains from one latent."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs
    steps: int = 2500  # train steps
    batch_size: int = 32  # images of either domain a step
    latent: int = 32  # width of z
    features: int = 16  # channels of the widest maps but one
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 4.0  # weight of R1, of the mean over domains: 1 of either; 0: none, as in the paper
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 600  # training steps of each classifier that reads


SMOKE = {"steps": 2, "batch_size": 4, "features": 2, "judge_steps": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, judge_steps=1)


def edges(x: np.ndarray) -> np.ndarray:
    """Edges of images by Sobel's filters: images [n, H, W, 1] in [-1, 1] -> the same, -1 where nothing changes.

    The length of the gradient, 1 for a straight step from black to white and more is cut off.
    """
    ink = np.pad((x[..., 0] + 1) / 2, ((0, 0), (1, 1), (1, 1)))
    smooth = lambda a, axis: a + np.roll(a, 1, axis) + np.roll(a, -1, axis) + a  # noqa: E731  # 1 2 1
    slope = lambda a, axis: np.roll(a, -1, axis) - np.roll(a, 1, axis)  # noqa: E731  # -1 0 1
    length = np.hypot(slope(smooth(ink, 1), 2), slope(smooth(ink, 2), 1)) / 4
    return (np.clip(length[:, 1:-1, 1:-1, None], 0, 1) * 2 - 1).astype(np.float32)


def disjoint(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Digits of the first domain, and the edges of all others: no digit is in both."""
    return x[::2], edges(x[1::2])


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples: a row of digits above the row of edges of the same latents."""
    (x, y), (x_test, y_test) = _digits("train"), _digits("test")
    readers = [metrics.train_classifier(each, y, jax.random.key(0), steps=config.judge_steps) for each in (x, edges(x))]
    test = {"digits": x_test, "edges": edges(x_test)}
    domains = disjoint(x)
    source = jg.data.unpaired(
        digits=jg.data.arrays(domains[0], name="digits"), edges=jg.data.arrays(domains[1], name="edges of other digits")
    )
    rows: list[dict[str, Cell]] = [{"pairs": "real", **_read(readers, test, test)}]
    drawn = []
    for name, shared in SHARED.items():
        game, judged = _game(config, shared), []
        generate = jax.jit(game.generate)
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name}-seed{seed}", training).state
            made = generate(state, jax.random.key(seed), {"index": jnp.arange(SAMPLES, dtype=jnp.int32)})
            samples = jax.tree.map(np.asarray, made)
            judged.append(_read(readers, samples, test))
            if seed == config.seed:
                drawn += [samples[domain][k : k + DRAWN] for k in (0, DRAWN) for domain in test]
        rows.append({"pairs": name, **{figure: [each[figure] for each in judged] for figure in judged[0]}})
    draw_images(folder / "samples.png", np.concatenate(drawn))
    note = (
        f"{SAMPLES} latents after {config.steps} steps of {config.batch_size} of either domain; agreement: shares read "
        "as one class in both images, and in images of two latents; distance: mean difference of the second image from "
        "the edges of the first, pixels in [-1, 1], and from another's; Fréchet distances to held-out images "
        f"({len(y_test)}), by a classifier of digits and one of edges; {config.seeds} seeds"
    )
    yield Table("Digits and their edges", note, rows)


def _digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    source = jg.data.digits(split, size=32)
    examples = jg.data.whole(source)
    return np.asarray(examples["x"]), np.asarray(examples["y"])


def _read(readers: Any, samples: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, float]:
    """Figures of pairs; the pairs of another latent are those of the next but a third of all."""
    one, other = (
        np.argmax(metrics.probabilities(reader, x), axis=1) for reader, x in zip(readers, samples.values(), strict=True)
    )
    far, lined = len(one) // 3, edges(samples["digits"])
    figures = {
        "agreement": float(np.mean(one == other)),
        "of two latents": float(np.mean(one == np.roll(other, far))),
        "distance": float(np.mean(np.abs(lined - samples["edges"]))),
        "from another's": float(np.mean(np.abs(lined - np.roll(samples["edges"], far, axis=0)))),
    }
    for (domain, x), reader in zip(samples.items(), readers, strict=True):
        real, made = metrics.features(reader, test[domain]), metrics.features(reader, x)
        figures[f"Fréchet, {domain}"] = metrics.fid(real, made)
    return figures


def _game(config: Config, shared: bool) -> Game:
    """Networks that share all but the layers at the pixels, or as many layers of which none is shared."""
    features, domains = config.features, ("digits", "edges")

    def trunk() -> nn.Module:
        return dcgan.Generator(channels=2 * features, size=16, features=2 * features)

    def head() -> list[Any]:
        return [ConvTranspose(1), jnp.tanh]

    def first() -> list[Any]:
        return [StridedConv(features), lambda h: nn.leaky_relu(h, 0.2)]

    def rest() -> nn.Module:
        return dcgan.Discriminator(size=16, features=2 * features, normalization="none")

    if shared:
        networks = {
            "generator": CoupledGenerator({name: nn.Sequential(head()) for name in domains}, trunk()),
            "discriminator": CoupledDiscriminator({name: nn.Sequential(first()) for name in domains}, rest()),
        }
    else:
        networks = {
            "generator": CoupledGenerator({name: Chain((trunk(), *head())) for name in domains}),
            "discriminator": CoupledDiscriminator({name: nn.Sequential([*first(), rest()]) for name in domains}),
        }
    system = jg.systems.cogan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        domains=domains,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return jg.game(networks, system, ema={"generator": config.ema})


class Chain(nn.Module):
    """One layer after the other, the first of which is a network that may train."""

    layers: Any

    @nn.compact
    def __call__(self, z: Any, train: bool = True) -> Any:
        """Applies all of them."""
        h = self.layers[0](z, train=train)
        for layer in self.layers[1:]:
            h = layer(h)
        return h
