"""Dirac-GAN: which training methods converge, circle or diverge, as Mescheder et al. 2018 prove; by our train step.

Data are a point at 0, the generator is a point at theta, the discriminator is D(x) = psi x. For every method the
spectral radius of the update operator at the equilibrium, found by differentiating the train step, stands beside the
formula of the paper; the verdict is read off a trajectory. The picture is the paper's figures 1 and 2, from (1, 1).

Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018.

Command: python -m experiments dirac
Takes: half a minute on 2 CPU cores.
Expected result: every verdict and every radius is the paper's (experiments/README.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan.augment import instance_noise
from jaxgan.optimizers import clip_weights
from jaxgan.runs.tables import Cell, Table, save
from jaxgan.types import Batch, Dynamics, Game, Loss, Penalty, Schedule, TrainState

SLOPE = 0.5  # |f'(0)| of the logistic loss
STEPS = {"simultaneous": jg.dynamics.simultaneous, "alternating": jg.dynamics.alternating}


@dataclass(frozen=True)
class Config:
    """The game's size of step and its length."""

    seed: int = 0  # of the noise; everything else is deterministic
    steps: int = 500  # of each trajectory
    learning_rate: float = 0.2  # h, of both players
    start: float = 1.0  # theta and psi
    gamma: float = 0.3  # weight of R1 and R2; the critical one is 1
    consensus: float = 1.0  # its weight
    limit: float = 0.5  # to which weights are clipped
    noise: float = 1.0  # standard deviation of instance noise
    samples: int = 4096  # in a batch where there is noise, whose mean stays in what is learned; 1 elsewhere


SMOKE = {"steps": 20, "samples": 16}


class Method(NamedTuple):
    """One way to train, and what the paper says of it."""

    loss: Loss
    flow: tuple[float, float] | None  # eigenvalues of the vector field: real part, square of the imaginary part
    simultaneous: str  # the paper's verdict
    alternating: str  # likewise
    penalty: Penalty | None = None
    dynamics: Dynamics | None = None  # instead of simultaneous steps; such a method has no alternating ones
    limit: float = 0.0  # to clip weights
    noise: float = 0.0  # standard deviation


class Point(nn.Module):
    """G(z) = theta."""

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Returns theta for every latent, [B, 1]."""
        return jnp.zeros_like(z) + self.param("w", nn.initializers.ones, (1,)).reshape(1, 1)


class Line(nn.Module):
    """D(x) = psi x."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns logits [B]."""
        return jnp.sum(x * self.param("w", nn.initializers.ones, (1,)).reshape(1, 1), axis=1)


def methods(config: Config) -> dict[str, Method]:
    """The rows of the paper's table."""
    loss, square, still = jg.losses, SLOPE**2, "converges"
    r1, r2, real = jg.penalties.r1, jg.penalties.r2, -config.gamma / 2
    damped = (real, square - real**2)
    pulled = (-config.consensus * square, square)
    blurred = -0.25 * config.noise**2  # f''(0) sigma^2
    return {
        "minimax": Method(loss.minimax, (0.0, square), "diverges", "circles"),
        "non-saturating": Method(loss.non_saturating, (0.0, square), "circles", "creeps in"),
        "wasserstein": Method(loss.wasserstein, (0.0, 1.0), "diverges", "circles"),
        "wasserstein, clipped": Method(loss.wasserstein, (0.0, 1.0), "circles", "circles", limit=config.limit),
        "wgan-gp": Method(loss.wasserstein, None, "circles", "circles", jg.penalties.gradient_penalty(0.5, 0.3)),
        "consensus": Method(loss.minimax, pulled, still, "", dynamics=jg.dynamics.consensus(config.consensus)),
        "instance noise": Method(loss.minimax, (blurred, square - blurred**2), still, still, noise=config.noise),
        "r1": Method(loss.minimax, damped, still, still, r1(config.gamma)),
        "r2": Method(loss.minimax, damped, still, still, r2(config.gamma)),
        "r1, critical": Method(loss.minimax, (-SLOPE, 0.0), still, still, r1(2 * SLOPE)),
    }


def check(config: Config) -> None:
    """Refuses a game that cannot be played.

    Raises:
      ValueError: a number is out of range.
    """
    if config.steps < 4 or config.samples < 1:
        raise ValueError(f"dirac needs --steps >= 4 and --samples >= 1; got {config.steps} and {config.samples}")
    for name in ("learning_rate", "start", "limit"):
        if not getattr(config, name) > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive; got {getattr(config, name)}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields the one table, and draws the trajectories."""
    rows: list[dict[str, Cell]] = []
    paths: dict[str, np.ndarray] = {}
    for name, method in methods(config).items():
        for steps in STEPS:
            expected = getattr(method, steps)
            if not expected:
                continue
            sgd = optax.sgd(config.learning_rate)
            optimizer = {"discriminator": clip_weights(sgd, method.limit) if method.limit else sgd, "generator": sgd}
            dynamics = method.dynamics or STEPS[steps]()
            made = build(method.loss, optimizer, dynamics, method.penalty, method.noise)
            state, batch = at_start(made, config.seed, config.start, config.samples if method.noise else 1)
            path = trajectory(made, state, batch, config.steps)
            paths[f"{name}\n{steps}: {verdict(path)}"] = path
            theory = radius_by_theory(method, steps, config.learning_rate)
            rows.append(
                {
                    "method": name,
                    "steps": steps,
                    "spectral radius": "the field jumps" if theory is None else _digits(radius(made, state, batch)),
                    "theory": "" if theory is None else _digits(theory),
                    "last distance": float(np.linalg.norm(path[-1])),
                    "verdict": verdict(path),
                    "expected": expected,
                }
            )
    draw(folder / "dirac.png", paths)
    note = (
        f"h = {config.learning_rate}, gamma = {config.gamma} (critical: {2 * SLOPE}), start ({config.start}, "
        f"{config.start}), {config.steps} steps; the discriminator moves first; distance from (0, 0)"
    )
    yield Table("Dirac-GAN", note, rows)


def build(
    loss: Loss,
    optimizer: optax.GradientTransformation | Mapping[str, optax.GradientTransformation],
    dynamics: Dynamics,
    penalty: Penalty | None = None,
    noise: float = 0.0,
    ema: Mapping[str, float | Schedule] | None = None,
) -> Game:
    """The game of two numbers.

    Args:
      loss: of both players.
      optimizer: of both, or by player.
      dynamics: how the turns are played.
      penalty: of the discriminator.
      noise: standard deviation of instance noise; 0: none.
      ema: as for `jaxgan.game`.
    Returns:
      Game of networks "generator" and "discriminator", with one parameter "w" each.
    """
    augment = instance_noise(noise) if noise else None
    system = jg.systems.gan(loss=loss, prior=jg.priors.normal(1), optimizer=optimizer, penalty=penalty, augment=augment)
    return jg.game({"generator": Point(), "discriminator": Line()}, system, dynamics=dynamics, ema=ema)


def at_start(game: Game, seed: int, start: float, samples: int = 1) -> tuple[TrainState, Batch]:
    """Returns a state in which both numbers are `start`, and the batch of all steps: the data are 0."""
    batch = {"x": jnp.zeros((samples, 1))}
    state = game.init(jax.random.key(seed), batch)
    params, ema = jax.tree.map(lambda w: jnp.full_like(w, start), (state.params, state.ema))
    return state._replace(params=params, ema=ema), batch


def radius(game: Game, state: TrainState, batch: Batch) -> float:
    """Spectral radius of the train step at (0, 0), by its derivative."""
    flat, unflatten = jax.flatten_util.ravel_pytree(state.params)

    def step(flat: Array) -> Array:
        after, _ = game.train_step(state._replace(params=unflatten(flat)), batch)
        return jax.flatten_util.ravel_pytree(after.params)[0]

    return float(max(abs(np.linalg.eigvals(np.asarray(jax.jacrev(step)(jnp.zeros_like(flat)), np.float64)))))


def radius_by_theory(method: Method, steps: str, h: float) -> float | None:
    """Spectral radius by the paper's lemmas; None where the field has no derivative."""
    if method.flow is None:
        return None
    real, square = method.flow
    if steps == "simultaneous":
        root = np.emath.sqrt(-square)
        return float(max(abs(1 + h * (real + root)), abs(1 + h * (real - root))))
    # The field's derivative is [[0, -a], [a, -d]] with d = -2 real, a^2 = square + real^2.
    damping, slope = -2 * real, square + real**2
    half, determinant = 1 - h * damping / 2 - h**2 * slope / 2, 1 - h * damping
    root = np.emath.sqrt(half**2 - determinant)
    return float(max(abs(half + root), abs(half - root)))


def trajectory(game: Game, state: TrainState, batch: Batch, steps: int) -> np.ndarray:
    """(theta, psi) at the start and after every step, [steps + 1, 2]."""

    def step(state: TrainState, _: Any) -> tuple[TrainState, Array]:
        after, _ = game.train_step(state, batch)
        return after, _point(after)

    path = jax.jit(lambda state: jax.lax.scan(step, state, None, steps)[1])(state)
    return np.concatenate([np.asarray(_point(state))[None], np.asarray(path)])


def verdict(path: np.ndarray) -> str:
    """What a trajectory does, by its distance from the equilibrium in its second and in its last quarter."""
    distance = np.linalg.norm(path, axis=1)
    quarter = len(path) // 4
    middle, late = distance[quarter : 2 * quarter].mean(), distance[-quarter:].mean()
    if not late < 2 * distance[0]:
        return "diverges"
    if late < 0.05 * distance[0]:
        return "converges"
    return "creeps in" if late < 0.75 * middle else "circles"


def draw(path: Path, paths: dict[str, np.ndarray]) -> None:
    """Draws every trajectory in its own square, from light to dark."""
    from matplotlib.figure import Figure

    columns = 5
    figure = Figure(figsize=(9, 1.95 * -(-len(paths) // columns)), layout="constrained")
    grid = figure.subplots(-(-len(paths) // columns), columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (title, points) in zip(grid.flat, paths.items(), strict=False):
        axes.axis("on")
        axes.plot(*points.T, color="#9db8dc", linewidth=0.6)
        axes.scatter(*points.T, c=np.arange(len(points)), cmap="Blues", s=1.5, vmin=-len(points))
        axes.plot(0, 0, "+", color="#d9730d")
        axes.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal", xticks=[], yticks=[])
        axes.set_title(title, fontsize=7)
    save(figure, path)


def _point(state: TrainState) -> Array:
    """(theta, psi), averaged where the game keeps averages."""
    params = state.params | state.ema
    return jnp.concatenate([params["generator"]["w"], params["discriminator"]["w"]])


def _digits(value: float) -> str:
    return f"{value:.4f}"
