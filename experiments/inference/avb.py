"""Four points in two latent dimensions: a posterior of any shape fills the prior, a normal one leaves gaps.

Adversarial variational Bayes (Mescheder et al. 2017, section 5.1), with and without adaptive contrast, beside a
variational autoencoder of the same decoder. First T alone: its log ratio beside log q(z)/p(z) of a posterior
N(0.7, 0.16) that stands still. Then the four points: how well they are reconstructed, how far the posteriors of all
four together are from the prior, and how likely the points are under the decoder.

Command: python -m experiments avb
Takes: about six minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import math
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
from experiments.inference.vae import vae
from jaxgan.data import Source
from jaxgan.networks import encoders, heads, joint, mlp
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least, save
from jaxgan.systems.avb import FLOOR, avb
from jaxgan.types import Game, TrainState

POINTS, LATENT = 4, 2
DRAWS = 20_000  # of each point's posterior, and five times as many of the prior
BINS = 16  # in each of the two coordinates, equally likely under the prior
MEAN, DEVIATION = 0.7, 0.4  # of the posterior that stands still


@dataclass(frozen=True)
class Config:
    """Adversarial variational Bayes of four points."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 3  # runs of each row
    steps: int = 5000  # train steps of autoencoders
    ratio_steps: int = 5000  # updates of T before a posterior that stands still
    batch_size: int = 128  # examples in an update
    width: int = 64  # units of the three hidden layers of encoder and decoder
    critic_width: int = 64  # units of the three hidden layers of T
    noise: int = 16  # width of the encoder's noise
    contrast: int = 16  # draws for the moments of adaptive contrast
    n_critic: int = 2  # updates of T per step
    learning_rate: float = 3e-4  # Adam's, of the autoencoder; falls to zero along a half cosine
    critic_rate: float = 1e-3  # Adam's, of T; likewise


SMOKE = {
    "seeds": 1,
    "steps": 2,
    "ratio_steps": 2,
    "batch_size": 8,
    "width": 4,
    "critic_width": 4,
    "noise": 2,
    "contrast": 2,
    "n_critic": 1,
}


class Still(nn.Module):
    """x and noise [B, 1] -> z ~ N(MEAN, DEVIATION^2), whatever x is: a posterior that is known."""

    @nn.compact
    def __call__(self, x: Array, noise: Array) -> Array:
        """Draws a latent for every example."""
        mean = self.param("mean", nn.initializers.constant(MEAN), (1, noise.shape[-1]))
        return mean + DEVIATION * noise


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, ratio_steps=1, batch_size=2, width=1, critic_width=1, noise=1, n_critic=1)
    at_least(config, contrast=2)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields T's table and the four points', and draws the first seed's posteriors."""
    truth = 0.5 * (MEAN**2 + DEVIATION**2 - 1) - math.log(DEVIATION)
    yield Table(
        "T before a posterior that stands still",
        "The log ratio log q(z)/p(z), by T (with adaptive contrast: T + log r - log p), on draws of q = N(0.7, 0.16): "
        f"correlation with the truth, root mean square of the difference, and its mean, which is KL(q || p) = "
        f"{truth:.4f} nats at the optimum; {config.ratio_steps} updates of {config.batch_size}; {config.seeds} seeds",
        [_ratio(config, folder, contrast) for contrast in (0, config.contrast)],
    )
    games = _games(config)
    rows: list[dict[str, Cell]] = []
    posteriors: dict[str, np.ndarray] = {}
    for name, game in games.items():
        figures = []
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            steps = Training(
                game, _points(), seed, config.steps, config.batch_size * game.updates, log_every=100, checkpoints=2
            )
            state = train_member(member, steps).state
            z = _posteriors(config, game, state, seed)
            claimed = last_metrics(member)["autoencoder/divergence"]
            figures.append(_judged(game, state, z) | {"divergence, as trained": claimed})
            posteriors.setdefault(name, z)
        rows.append({"posterior": name, **{figure: [each[figure] for each in figures] for figure in figures[0]}})
    _drawn(folder / "samples.png", posteriors)
    note = (
        f"log p(x|z) of {DRAWS} draws of each point's posterior, a sum over the 4 entries; KL of the four posteriors "
        f"together from N(0, I), and the mean of each one's own, on {BINS} x {BINS} cells that are equally likely "
        "under it (of a perfect partition: 0 and log 4 = 1.386); log p(x) by draws of the prior, at best -1.386; all "
        f"in nats; {config.steps} steps of {config.batch_size}; {config.seeds} seeds"
    )
    yield Table("Four points", note, rows)


def _ratio(config: Config, folder: Path, contrast: int) -> dict[str, Cell]:
    """Trains T alone; the encoder stands still."""
    rates = {"discriminator": _adam(config.critic_rate, config.ratio_steps), "autoencoder": optax.set_to_zero()}
    one = jg.priors.normal(1)
    system = avb(prior=one, noise=one, optimizer=rates, contrast=contrast)
    networks = {"encoder": Still(), "decoder": nn.Dense(1), "discriminator": _critic(config)}
    game = jg.game(networks, system)
    z = MEAN + DEVIATION * np.random.default_rng(config.seed + 1000).normal(size=(DRAWS, 1)).astype(np.float32)
    truth = (0.5 * (z**2 - ((z - MEAN) / DEVIATION) ** 2) - math.log(DEVIATION))[:, 0]
    columns: dict[str, list[float]] = {"correlation": [], "error": [], "mean": []}
    for seed in range(config.seed, config.seed + config.seeds):
        member = folder / f"ratio{'-contrast' if contrast else ''}-seed{seed}"
        training = Training(game, _points(1), seed, config.ratio_steps, config.batch_size, log_every=100, checkpoints=1)
        params = train_member(member, training).state.params["discriminator"]
        deviation = math.sqrt(DEVIATION**2 + FLOOR)
        units = (z - MEAN) / deviation if contrast else z
        learned = np.asarray(networks["discriminator"].apply({"params": params}, jnp.ones((DRAWS, 1)), units))
        if contrast:
            learned = learned + (0.5 * (z**2 - units**2) - math.log(deviation))[:, 0]
        columns["correlation"].append(float(np.corrcoef(learned, truth)[0, 1]))
        columns["error"].append(float(np.sqrt(np.mean((learned - truth) ** 2))))
        columns["mean"].append(float(np.mean(learned)))
    return {"T": "with adaptive contrast" if contrast else "plain", **columns}


def _games(config: Config) -> dict[str, Game]:
    prior = jg.priors.normal(LATENT)
    hidden = (config.width,) * 3
    decoder = mlp.Generator((POINTS,), hidden, activation=nn.elu)
    slow = _adam(config.learning_rate, config.steps)
    own = {"encoder": encoders.Gaussian(heads.FullyConnected(hidden, activation=nn.elu)), "decoder": decoder}
    games = {"normal": jg.game(own, vae(prior=prior, optimizer=slow, reconstruction=jg.losses.bernoulli))}
    rates = {"discriminator": _adam(config.critic_rate, config.steps * config.n_critic), "autoencoder": slow}
    for name, contrast in (("adversarial", 0), ("adversarial with contrast", config.contrast)):
        networks = {
            "encoder": encoders.Implicit(mlp.Generator((LATENT,), hidden, activation=nn.elu)),
            "decoder": decoder,
            "discriminator": _critic(config, 0.0 if contrast else 0.5),
        }
        noise = jg.priors.normal(config.noise)
        system = avb(prior=prior, noise=noise, optimizer=rates, contrast=contrast, n_critic=config.n_critic)
        games[name] = jg.game(networks, system)
    return games


def _critic(config: Config, square: float = 0.0) -> nn.Module:
    return joint.Joint(mlp.Discriminator((config.critic_width,) * 3, activation=nn.silu), square)


def _adam(rate: float, steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, steps), b1=0.5)


def _points(number: int = POINTS) -> Source:
    """One-hot vectors, as many of each, again and again."""
    return Source(
        f"{number} points", None, lambda draw: {"x": np.eye(number, dtype=np.float32)[draw.position % number]}
    )


def _posteriors(config: Config, game: Game, state: TrainState, seed: int) -> np.ndarray:
    """Draws latents of every point, [POINTS, DRAWS, LATENT]."""
    assert game.networks is not None
    encoder: Any = game.networks["encoder"]
    width = LATENT if isinstance(encoder, encoders.Gaussian) else config.noise
    noise = jg.priors.normal(width)(jax.random.key(seed + 1000), POINTS * DRAWS)
    x = jnp.repeat(jnp.eye(POINTS), DRAWS, axis=0)
    encoded = encoder.apply({"params": state.params["encoder"]}, x, noise)
    return np.asarray(encoders.latent_of(encoded)).reshape(POINTS, DRAWS, LATENT)


def _judged(game: Game, state: TrainState, z: np.ndarray) -> dict[str, float]:
    def likelihoods(z: Array, x: Array) -> Array:
        """Log p(x|z), [n]."""
        logits = game.generate(state, jax.random.key(0), {"z": z})
        return jnp.sum(x * logits - jax.nn.softplus(logits), axis=1)

    eye = jnp.eye(POINTS)
    own = [float(jnp.mean(likelihoods(z[point], eye[point][None]))) for point in range(POINTS)]
    prior = jg.priors.normal(LATENT)(jax.random.key(1), 5 * DRAWS)
    logits = [likelihoods(prior, eye[point][None]) for point in range(POINTS)]
    evidence = [float(jax.nn.logsumexp(each) - math.log(len(prior))) for each in logits]
    return {
        "log p(x|z)": float(np.mean(own)),
        "KL of all from the prior": _divergence(z.reshape(-1, LATENT)),
        "KL of each": float(np.mean([_divergence(each) for each in z])),
        "log p(x)": float(np.mean(evidence)),
    }


def _divergence(z: np.ndarray) -> float:
    """KL of draws [n, 2] from N(0, I), in nats, on cells that are equally likely under it."""
    cells = np.minimum(np.asarray(jax.scipy.stats.norm.cdf(z)) * BINS, BINS - 1).astype(int)
    share = np.bincount(cells[:, 0] * BINS + cells[:, 1], minlength=BINS**2) / len(z)
    share = share[share > 0]
    return float(np.sum(share * np.log(share * BINS**2)))


def _drawn(path: Path, posteriors: dict[str, np.ndarray]) -> None:
    """Draws the latents, a colour for each point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(posteriors), 3), layout="constrained")
    for panel, (name, z) in zip(np.ravel(figure.subplots(1, len(posteriors))), posteriors.items(), strict=True):
        for each in z:
            panel.scatter(*each[:1500].T, s=1)
        panel.set(title=name, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xticks=(), yticks=())
    save(figure, path)
