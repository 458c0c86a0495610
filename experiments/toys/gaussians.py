"""Games on mixtures of Gaussians in the plane: networks, methods, and how the modes of samples are counted.

Ring and networks are those of Metz et al. 2017 (radius 2, two tanh layers, Adam with b1 = 0.5), narrower, and for a
sixth of the 25,000 updates at a higher rate, at which the plain game collapses. All seeds of a method are trained at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan.augment import instance_noise
from jaxgan.data import Source
from jaxgan.networks.remedies import MinibatchDiscrimination, Packed
from jaxgan.parallel import member, segments, sweep
from jaxgan.types import Augment, Batch, Dynamics, Game, Loss, Penalty, Schedule, TrainState, name_index

SAMPLES = 2500  # that a generator is judged by, as in the papers
SEGMENT = 50  # train steps in one call, at most


class Setting(NamedTuple):
    """What all methods of a table share."""

    source: Source
    width: int  # of each of the two hidden layers, in both networks
    activation: Callable[[Array], Array]
    latent: int
    batch_size: int
    steps: int
    rates: tuple[float, float]  # Adam's, of the discriminator and of the generator
    b1: float
    b2: float = 0.999


class Method(NamedTuple):
    """A remedy, or none."""

    loss: Loss = jg.losses.non_saturating
    penalty: Penalty | None = None
    dynamics: Dynamics | None = None
    n_critic: int = 1
    pack: int = 1  # samples that the discriminator sees at once
    kernels: int = 0  # of minibatch discrimination
    noise: float = 0.0  # standard deviation of instance noise at the start, relative to the data's radius; to 0 halfway
    rate: float = 0.0  # Adam's, of both players; 0: those of the setting
    decay: bool = False  # of the rates, to zero along a half cosine
    ema: float = 0.0  # decay of the averaged generator, per step; 0: the last one is judged


def settings() -> dict[str, Setting]:
    """What is shared by the methods of each table."""
    small = {"width": 64, "activation": nn.tanh, "latent": 32, "batch_size": 64, "b1": 0.5}
    leaky = lambda x: nn.leaky_relu(x, 0.2)  # noqa: E731
    return {
        "ring": Setting(jg.data.ring(), steps=4000, rates=(3e-3, 3e-3), **small),  # type: ignore[arg-type]
        "slow": Setting(jg.data.ring(), steps=4000, rates=(3e-4, 3e-3), **small),  # type: ignore[arg-type]
        "grid": Setting(jg.data.grid(), steps=4000, rates=(3e-3, 3e-3), **small),  # type: ignore[arg-type]
        "fit": Setting(jg.data.grid(), 256, leaky, 64, 256, 20000, (2e-4, 2e-4), 0.0, 0.99),
    }


def methods(data: str) -> dict[str, Method]:
    """The rows of a table, by name; the first is the game without any remedy."""
    r1, r2, total = jg.penalties.r1, jg.penalties.r2, jg.penalties.total
    if data == "fit":
        pair = Method(jg.losses.relativistic, total(r1(1.0), r2(1.0)))
        weak = pair._replace(penalty=total(r1(0.1), r2(0.1)))
        fast = weak._replace(rate=3e-3)
        return {
            "as published": pair,
            "gamma 0.1": weak,
            "gamma 0.1 + rate 3e-3": fast,
            "gamma 0.1 + rate 3e-3 + decay": fast._replace(decay=True),
            "gamma 0.1 + rate 3e-3 + decay + average": fast._replace(decay=True, ema=0.999),
        }
    rows = {
        "vanilla": Method(),
        "unrolled 5": Method(dynamics=jg.dynamics.unrolled(5)),
        "wgan-gp": Method(jg.losses.wasserstein, jg.penalties.gradient_penalty(0.1), n_critic=5),
        "r1": Method(penalty=r1(0.1)),
        "rpgan r1 r2": Method(jg.losses.relativistic, total(r1(0.1), r2(0.1))),
        "minibatch discrimination": Method(kernels=16),
        "packing 2": Method(pack=2),
        "packing 4": Method(pack=4),
        "instance noise": Method(noise=0.5),
        "consensus": Method(dynamics=jg.dynamics.consensus(1.0)),
    }
    return {name: rows[name] for name in ("vanilla", "unrolled 5", "rpgan r1 r2")} if data == "slow" else rows


class Discriminator(nn.Module):
    """x [B, D] -> logits [B]; the last layer may see how close the others of the minibatch are."""

    width: int
    activation: Callable[[Array], Array]
    kernels: int = 0  # of minibatch discrimination; 0: none

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Scores every example (or pack), before any sigmoid."""
        for _ in range(2):
            x = self.activation(nn.Dense(self.width)(x))
        if self.kernels:
            x = MinibatchDiscrimination(self.kernels)(x)
        return nn.Dense(1)(x)[:, 0]


def build(setting: Setting, method: Method) -> Game:
    """Two MLPs in the game of a method."""
    rates = (method.rate, method.rate) if method.rate else setting.rates
    # Unrolling differentiates through Adam, whose square root has no slope at zero.
    root = 1e-12 if method.dynamics else 0.0

    def adam(rate: float, updates: int) -> optax.GradientTransformation:
        schedule = optax.cosine_decay_schedule(rate, updates) if method.decay else rate
        return optax.adam(schedule, b1=setting.b1, b2=setting.b2, eps_root=root)

    critic: nn.Module = Discriminator(setting.width, setting.activation, method.kernels)
    networks = {
        "generator": jg.networks.mlp.Generator(hidden=(setting.width,) * 2, activation=setting.activation),
        "discriminator": Packed(critic, method.pack) if method.pack > 1 else critic,
    }
    system = jg.systems.gan(
        loss=method.loss,
        penalty=method.penalty,
        prior=jg.priors.normal(setting.latent),
        n_critic=method.n_critic,
        augment=_noise(method.noise, setting) if method.noise else None,
        optimizer={
            "discriminator": adam(rates[0], setting.steps * method.n_critic),
            "generator": adam(rates[1], setting.steps),
        },
    )
    return jg.game(networks, system, dynamics=method.dynamics, ema={"generator": method.ema} if method.ema else None)


def trained(setting: Setting, method: Method, seeds: Sequence[int]) -> tuple[Game, TrainState]:
    """Trains one run for each seed, all at once; returns the game and their states [seeds, ...]."""
    game = build(setting, method)
    runs, length = sweep(game, seeds), min(SEGMENT, setting.steps)
    size = setting.batch_size * method.n_critic
    reads = [jg.data.batch_at(setting.source, length * size, seed) for seed in seeds]

    def segment(number: int) -> Batch:
        """The same examples as `length` batches of each run: a draw is known by its position alone."""
        drawn = [read(number)["x"].reshape(length, size, -1) for read in reads]
        return {"x": jnp.stack([jnp.asarray(x) for x in drawn], axis=1)}

    first = segment(0)
    states, step = runs.init({"x": first["x"][0]}), segments(runs, length)
    for number in range(setting.steps // length):
        states, _ = step(states, segment(number))
    return game, states


def judged(setting: Setting, game: Game, states: TrainState, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Measures every run: modes, share of high quality and reverse KL, one number for each seed."""
    modes, coverages = setting.source.modes, []
    if modes is None:
        raise ValueError(f"{setting.source.name!r} has no modes to cover")
    for number in range(len(seeds)):
        points = samples(game, member(states, number))
        points = np.where(np.isfinite(points), points, 1e9)  # a run that diverged covers nothing
        coverages.append(jg.metrics.mode_coverage(points, modes.centres, modes.std))
    return {
        "modes": [float(one.modes) for one in coverages],
        "high quality": [one.high_quality for one in coverages],
        "reverse KL": [one.reverse_kl for one in coverages],
    }


def samples(game: Game, state: TrainState) -> np.ndarray:
    """Returns the points that a run is judged by, [SAMPLES, 2]."""
    return np.asarray(jg.sample(game, state, jax.random.fold_in(state.key, name_index("judgement")), n=SAMPLES))


def _noise(relative: float, setting: Setting) -> Augment:
    """Instance noise that has gone halfway through the training."""
    centres = setting.source.modes.centres if setting.source.modes else np.ones((1, 2))
    radius = float(np.sqrt(np.mean(np.square(centres))))
    schedule: Schedule = optax.linear_schedule(relative * radius, 0.0, max(1, setting.steps // 2))
    return instance_noise(schedule)
