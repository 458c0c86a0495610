"""Labels in one domain, none in the other: moons turned by 35 degrees, and digits on photographs.

Domain-adversarial training (Ganin et al. 2016), both players at once, against the same networks trained on the source
alone (weight 0) and on the target with its labels, the ceiling; all with the same steps. The digits are real ones,
those of the target blended with patches of photographs as MNIST-M's are, and no digit is in both domains. Measured on
held-out examples after the last step.

Command: python -m experiments domain_adversarial
Takes: about five minutes on a CPU core for a seed. Expected result: experiments/README.md.
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
from experiments.adaptation.data import blended, handwritten
from jaxgan.data import Draw, Source
from jaxgan.networks import heads, mlp
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least, save
from jaxgan.types import Game, TrainState

ANGLE = 35.0  # degrees
POINTS = 300  # of either domain of moons
HELD_OUT = 2000  # points
METHODS = ("source alone", "domain-adversarial", "target with labels")


@dataclass(frozen=True)
class Config:
    """Adaptation of domains, twice."""

    seed: int = 0  # the first; of parameters and data
    seeds: int = 1  # runs
    steps: int = 3000  # train steps on moons, each on all points
    digit_steps: int = 3000  # train steps on digits
    batch_size: int = 32  # digits of either domain a step
    features: int = 16  # channels of the digits' first map
    weight: float = 0.5  # lambda on moons
    digit_weight: float = 2.0  # lambda on digits, at the end of its rise
    learning_rate: float = 1e-3  # Adam's, of the features and the classifier
    faster: float = 3.0  # how many times that is the discriminator's


SMOKE = {"steps": 3, "digit_steps": 2, "batch_size": 4, "features": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, digit_steps=1, batch_size=2, features=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table of moons and one of digits, and draws what was learned of the first."""
    judged: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    regions = []
    for seed in _seeds(config):
        source, target = (_points(seed, k, angle) for k, angle in enumerate((0.0, ANGLE)))
        held_out = [_points(seed, k + 2, angle, HELD_OUT) for k, angle in enumerate((0.0, ANGLE))]
        for name in METHODS:
            game = _moons_game(config, _weight(name, config.weight))
            state = _trained(folder, "moons", game, seed, name, (source, target), config.steps, POINTS)
            judged[name].append(_judged(folder / _member("moons", name, seed), game, state, held_out))
            if seed == config.seed:
                regions.append(_regions(game, state))
                shown = source, target
    note = (
        f"shares of {HELD_OUT} held-out points named rightly after {config.steps} steps of all {POINTS} points of "
        f"either domain, the target turned by {ANGLE:g} degrees, noise 0.1; domains: the discriminator's loss in the "
        f"last step, 2 log 2 = 1.386 where it cannot tell them apart; {config.seeds} seeds"
    )
    _draw(folder / "samples.png", regions, shown)
    yield Table("Moons", note, _rows(judged))
    judged = {name: [] for name in METHODS}
    for seed in _seeds(config):
        domains, tested = _digits(seed)
        for name in METHODS:
            weight = _weight(name, config.digit_weight)
            rising = jg.systems.domain_weight(config.digit_steps)
            game = _digits_game(config, (lambda step, w=weight, r=rising: w * r(step)) if weight else 0.0)
            state = _trained(folder, "digits", game, seed, name, domains, config.digit_steps, config.batch_size)
            judged[name].append(_judged(folder / _member("digits", name, seed), game, state, tested))
    note = (
        f"shares of {len(tested[0][1])} held-out digits read rightly, plain and on photographs, after "
        f"{config.digit_steps} steps of {config.batch_size} of either domain, {len(domains[0][1])} each; "
        f"{config.seeds} seeds"
    )
    yield Table("Digits on photographs", note, _rows(judged))


def _seeds(config: Config) -> range:
    return range(config.seed, config.seed + config.seeds)


def _weight(method: str, weight: float) -> float:
    return weight if method == "domain-adversarial" else 0.0


def _points(seed: int, part: int, angle: float, n: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Points and labels of one part: other parts and seeds have others, also where the angle is the same."""
    drawn = jg.data.moons(angle).read(Draw(1000 * part + seed, np.arange(n), None))
    return np.asarray(drawn["x"]), np.asarray(drawn["y"])


def _digits(seed: int) -> tuple[Any, Any]:
    """Both domains, of other digits, and both of the same held-out digits, each (x, y)."""
    (x, y), (x_test, y_test) = handwritten("train"), handwritten("test")
    plain = [np.repeat(each, 3, axis=-1) for each in (x[::2], x_test)]
    target = (blended(x[1::2], seed), y[1::2])
    return ((plain[0], y[::2]), target), ((plain[1], y_test), (blended(x_test, seed + 1000), y_test))


def _trained(
    folder: Path, data: str, game: Game, seed: int, method: str, domains: Any, steps: int, batch_size: int
) -> TrainState:
    source, target = domains
    x, y = target if method == "target with labels" else source
    examples: Source = jg.data.unpaired(
        source=jg.data.arrays(x, y, name=data), target=jg.data.arrays(target[0], name=f"{data}, turned or blended")
    )
    training = Training(game, examples, seed, steps, batch_size)
    return train_member(folder / _member(data, method, seed), training).state


def _member(data: str, method: str, seed: int) -> str:
    return f"{data}-{method.replace(' ', '-')}-seed{seed}"


def _moons_game(config: Config, weight: Any) -> Game:
    networks = {
        "features": heads.FullyConnected((32, 32), activation=nn.relu),
        "classifier": heads.Classes(2),
        "discriminator": mlp.Discriminator((32, 32), activation=nn.relu),
    }
    return _game(config, networks, weight)


def _digits_game(config: Config, weight: Any) -> Game:
    networks = {
        "features": heads.Convolutional(config.features, 2),
        "classifier": nn.Sequential([heads.FullyConnected((100,)), heads.Classes(10)]),
        "discriminator": mlp.Discriminator((100,)),
    }
    return _game(config, networks, weight)


def _game(config: Config, networks: Any, weight: Any) -> Game:
    rates = {"classifier": config.learning_rate, "discriminator": config.faster * config.learning_rate}
    system = jg.systems.domain_adversarial(
        loss=jg.losses.non_saturating,
        optimizer={player: optax.adam(rate) for player, rate in rates.items()},
        weight=weight,
    )
    return jg.game(networks, system, dynamics=jg.dynamics.simultaneous())


def _labels(game: Game, state: TrainState, x: np.ndarray) -> np.ndarray:
    logits = jax.jit(game.generate)(state, jax.random.key(0), {"target": jnp.asarray(x)})
    return np.argmax(np.asarray(logits), axis=1)


def _judged(member: Path, game: Game, state: TrainState, held_out: Any) -> dict[str, float]:
    source, target = (float(np.mean(_labels(game, state, x) == y)) for x, y in held_out)
    return {"source": source, "target": target, "domains": last_metrics(member)["classifier/domains"]}


def _rows(judged: dict[str, list[dict[str, float]]]) -> list[dict[str, Cell]]:
    return [
        {"trained on": name, **{figure: [each[figure] for each in runs] for figure in runs[0]}}
        for name, runs in judged.items()
    ]


def _regions(game: Game, state: TrainState) -> np.ndarray:
    """Labels of a grid of 120 by 80 points of [-2.4, 2.4] x [-1.6, 1.6], [80, 120]."""
    grid = np.stack(np.meshgrid(np.linspace(-2.4, 2.4, 120), np.linspace(-1.6, 1.6, 80)), axis=-1)
    return _labels(game, state, grid.reshape(-1, 2).astype(np.float32)).reshape(80, 120)


def _draw(path: Path, regions: list[np.ndarray], domains: Any) -> None:
    """Draws what either label is given to, with points of the source in colours of their labels, the target's black."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3), layout="tight")
    (x, y), (target, _) = domains
    for axes, name, labels in zip(figure.subplots(1, len(regions)), METHODS, regions, strict=True):
        axes.imshow(labels, extent=(-2.4, 2.4, -1.6, 1.6), origin="lower", cmap="coolwarm", alpha=0.4)
        axes.scatter(*x.T, c=y, cmap="coolwarm", s=4)
        axes.scatter(*target.T, c="black", s=3)
        axes.set_title(name)
        axes.axis("off")
    save(figure, path)
