"""The value of the game at the optimal discriminator: what theory says it is, and what a trained network reaches.

Two known densities on the line, p = N(0, 1) and q = N(d, 1). A discriminator is trained against samples of both, its
generator standing still, and compared with the optimum p / (p + q) and with the value of the game there, which for the
original loss is 2 JS(p, q) - 2 log 2 (Goodfellow et al. 2014, theorem 1). Expectations are by quadrature.

Command: python -m experiments optimal_discriminator
Takes: about a minute on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.runs.tables import Cell, Table, at_least, numbers
from jaxgan.types import Loss, PyTree


@dataclass(frozen=True)
class Config:
    """A discriminator trained to its optimum on known densities."""

    seed: int = 0  # the first; of parameters and samples
    seeds: int = 3  # runs of each row
    distances: str = "0.5,1,2,4"  # between the means, with commas between
    steps: int = 3000  # discriminator updates
    batch_size: int = 1024  # samples of each density in an update
    width: int = 64  # units of each of the two hidden layers
    learning_rate: float = 3e-3  # Adam's; decays to zero along a half cosine


SMOKE = {"seeds": 2, "steps": 3, "batch_size": 16, "width": 4, "distances": "1"}

GRID = np.linspace(-12.0, 16.0, 5601)  # where densities are integrated: finer than either by far


class Theory(NamedTuple):
    """A loss at its best response."""

    loss: Loss
    value: Callable[[np.ndarray, np.ndarray], float]  # (p, q) on the grid -> what the discriminator minimises, at best
    optimum: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (p, q) -> D, a probability or a level
    read: Callable[[np.ndarray], np.ndarray]  # logits -> the same


def theories() -> dict[str, Theory]:
    """By name of the loss, what its optimum is: -(2 JS - 2 log 2), 1/2 sum pq / (p + q), and 2 (1 - TV)."""
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    share = lambda p, q: p / (p + q)  # noqa: E731
    return {
        "minimax": Theory(jg.losses.minimax, lambda p, q: 2 * math.log(2) - 2 * jensen_shannon(p, q), share, sigmoid),
        "least_squares": Theory(
            jg.losses.least_squares, lambda p, q: 0.5 * integral(p * q / (p + q)), share, lambda t: t
        ),
        "hinge": Theory(
            jg.losses.hinge,
            lambda p, q: 2 * integral(np.minimum(p, q)),
            lambda p, q: np.sign(p - q),
            lambda t: np.clip(t, -1, 1),
        ),
    }


def integral(f: np.ndarray) -> float:
    """Integral over the grid by the trapezoidal rule."""
    return float(np.trapezoid(f, GRID))


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """JS(p, q) in nats, by quadrature."""
    middle = (p + q) / 2
    return 0.5 * integral(p * np.log(p / middle)) + 0.5 * integral(q * np.log(q / middle))


def normal(mean: float) -> np.ndarray:
    """Density of N(mean, 1) on the grid."""
    return np.exp(-0.5 * (GRID - mean) ** 2) / math.sqrt(2 * math.pi)


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which; distances above 8 leave the grid.
    """
    at_least(config, seeds=1, steps=1, batch_size=1, width=1)
    _distances(config)


def _distances(config: Config) -> list[float]:
    return numbers(config, "distances", "numbers in (0, 8]", lambda values: all(0 < d <= 8 for d in values))


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table of losses and distances."""
    rows: list[dict[str, Cell]] = []
    for name, theory in theories().items():
        for distance in _distances(config):
            p, q = normal(0.0), normal(distance)
            logits = [_trained(config, theory.loss, distance, config.seed + k) for k in range(config.seeds)]
            off = [integral((p + q) / 2 * np.abs(theory.read(t) - theory.optimum(p, q))) for t in logits]
            rows.append(
                {
                    "loss": name,
                    "distance": distance,
                    "value, theory": theory.value(p, q),
                    "value, trained": [_value(theory.loss, t, p, q) for t in logits],
                    "mean error of D": off,
                }
            )
    note = (
        f"What the discriminator minimises, at p = N(0, 1) and q = N(distance, 1), by quadrature; theory: minimax "
        "2 log 2 - 2 JS, least squares 1/2 of the integral of pq / (p + q), hinge 2 (1 - TV). D* = p / (p + q), for "
        f"hinge sign(p - q), mean over (p + q) / 2; {config.steps} updates of {config.batch_size}; "
        f"{config.seeds} seeds"
    )
    yield Table("The game's value at the optimal discriminator", note, rows)


def _trained(config: Config, loss: Loss, distance: float, seed: int) -> np.ndarray:
    """Trains a discriminator on fresh samples; returns its logits on the grid."""
    network = jg.networks.mlp.Discriminator((config.width, config.width), activation=jnp.tanh)
    adam = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))
    key = jax.random.key(seed)

    def logits(params: PyTree, x: jax.Array) -> Any:
        return network.apply(params, x)

    def update(carry: PyTree, number: jax.Array) -> tuple[PyTree, None]:
        params, opt_state = carry
        real, fake = jax.random.normal(jax.random.fold_in(key, number), (2, config.batch_size, 1))

        def objective(params: PyTree) -> jax.Array:
            return loss.discriminator(logits(params, real), logits(params, fake + distance))

        changes, opt_state = adam.update(jax.grad(objective)(params), opt_state, params)
        return (optax.apply_updates(params, changes), opt_state), None

    params = network.init(jax.random.fold_in(key, config.steps), jnp.zeros((1, 1)))
    (params, _), _ = jax.lax.scan(update, (params, adam.init(params)), jnp.arange(config.steps))
    return np.asarray(logits(params, jnp.asarray(GRID, jnp.float32)[:, None]), np.float64)


def _value(loss: Loss, logits: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """Expectation of the discriminator's loss under the densities, by quadrature."""
    each = jax.vmap(lambda t: loss.discriminator(t[None], jnp.zeros(1)))(jnp.asarray(logits, jnp.float32))
    other = jax.vmap(lambda t: loss.discriminator(jnp.zeros(1), t[None]))(jnp.asarray(logits, jnp.float32))
    none = float(loss.discriminator(jnp.zeros(1), jnp.zeros(1)))  # both sides at 0: what the two lines have too much
    return integral(p * np.asarray(each)) + integral(q * np.asarray(other)) - none
