"""Truncation and style mixing of StyleGAN2's digits: precision is bought with recall, and layers divide the work.

Of a run of `digits_stylegan2` (`--run runs/digits_stylegan2/ID`), or of one that is trained here without `--run`:
samples are drawn nearer and nearer to the mean style (Karras, Laine, Aila 2019), and each set is measured as the run
was, and by perceptual path length (in w, in features of the classifier). The picture crosses styles: its first layers
are of the latent of the row, the rest of that of the column; a second table says which of the two decides the digit.

Command: python -m experiments truncation --run runs/digits_stylegan2/ID
Takes: minutes on 2 CPU cores, beside the training. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from experiments.digits import stylegan2 as digits_stylegan2
from jaxgan import metrics
from jaxgan.metrics.classifier import Network
from jaxgan.runs.experiment import as_pictures
from jaxgan.runs.loading import load
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, formatted
from jaxgan.sample import save_grid
from jaxgan.types import TrainState, name_index

PAIRS = 500  # of latents that are crossed


@dataclass(frozen=True)
class Config:
    """Which run, and how near to the mean."""

    seed: int = 0  # of the training, where there is no run
    run: str = ""  # folder of a run of digits_stylegan2; none: one is trained
    steps: int = 4000  # of that training
    truncations: str = "1.0,0.9,0.8,0.7,0.6,0.5,0.3"  # with commas between
    crossing: int = 2  # layers of the row's style in the picture, of eight
    tiny: bool = False  # train a tiny game, to see that everything works


SMOKE = {"steps": 2, "truncations": "1.0,0.5", "tiny": True}


def check(config: Config) -> None:
    """Refuses what cannot be measured.

    Raises:
      ValueError: says what.
    """
    _truncations(config)
    if config.run and not (Path(config.run) / "config.json").is_file():
        raise ValueError(f"--run {config.run} is not the folder of a run of digits_stylegan2")
    if config.steps < 1 or config.crossing < 1:
        raise ValueError(f"--steps and --crossing must be at least 1; got {config.steps} and {config.crossing}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields the table, and draws crossed styles."""
    settings, state = _trained(config, folder)
    judge = digits_stylegan2.judge(settings, folder)
    key, rows = jax.random.fold_in(state.key, name_index("judgement")), []
    shape = (settings.size, settings.size, 1)
    for truncation in _truncations(config):
        built = digits_stylegan2.build(replace(settings, truncation=truncation), shape, 0)
        samples = jg.sample(built.game, state, key, n=judge.samples)
        row: dict[str, Cell] = {"truncation": truncation, **judge.judge(samples).figures}
        row["perceptual path length"] = _perceived(replace(settings, truncation=truncation), state, folder)
        rows.append(row)
        print(", ".join(f"{name} {formatted(value)}" for name, value in row.items()), flush=True)
    save_grid(folder / "mixing.png", _crossed(settings, state, config.crossing), columns=9)
    yield Table("Truncation of digits", judge.protocol, rows)
    note = (
        f"Of {PAIRS} pairs of latents, those whose images are read as different digits: as which of them the image is "
        "read whose first layers have the style of one and the others that of the other"
    )
    if shares := _shares(settings, state, folder):
        yield Table("Style mixing of digits", note, shares)


def _trained(config: Config, folder: Path) -> tuple[digits_stylegan2.Config, TrainState]:
    """Reads the run, or trains one."""
    if config.run:
        run = load(Path(config.run))
        return run.config, run.state
    tiny: dict[str, Any] = digits_stylegan2.SMOKE if config.tiny else {}
    settings = digits_stylegan2.Config(**(tiny | {"seed": config.seed, "steps": config.steps}))
    game = digits_stylegan2.build(settings, (settings.size, settings.size, 1), 0).game
    training = Training(game, digits_stylegan2.source(settings), settings.seed, settings.steps, settings.batch_size)
    return settings, train_member(folder / "game", training).state


def _crossed(settings: digits_stylegan2.Config, state: TrainState, crossing: int) -> np.ndarray:
    """Nine rows of nine: the latents' own images along the edges, crossed styles inside; [81, H, W, 1]."""
    mapping, synthesis = _halves(settings, state)
    w = mapping(_latents(settings, state, 16))
    rows, columns = w[:8], w[8:]
    inside = jg.samplers.cross_styles(rows[:, None], columns[None], crossing)
    corner = jnp.zeros_like(w[:1, None])
    top = jnp.concatenate([corner, columns[None]], axis=1)
    whole = jnp.concatenate([top, jnp.concatenate([rows[:, None], inside], axis=1)])
    return np.asarray(synthesis(whole.reshape(-1, *w.shape[1:])))


def _perceived(settings: digits_stylegan2.Config, state: TrainState, folder: Path) -> float:
    """Perceptual path length between pairs of styles: squared speed of the judge's features along straight lines."""
    classifier = metrics.load_classifier(folder / "judge.npz")
    network = Network(classifier.classes)

    def distance(a: Any, b: Any) -> Any:
        f, g = (network.apply(classifier.variables, jnp.clip(x, -1, 1))[0] for x in (a, b))
        return jnp.sum(jnp.square(f - g), axis=-1)

    mapping, synthesis = _halves(settings, state)
    w = mapping(_latents(settings, state, 2 * PAIRS))
    key = jax.random.fold_in(state.key, name_index("paths"))
    return metrics.path_length(
        synthesis, distance, w[:PAIRS], w[PAIRS:], key, path=metrics.LatentPath("w", epsilon=1e-3)
    ).mean


def _shares(settings: digits_stylegan2.Config, state: TrainState, folder: Path) -> list[dict[str, Cell]]:
    """How often a crossed image has the class of the latent that rules its first layers, and of the other."""
    classifier = metrics.load_classifier(folder / "judge.npz")
    mapping, synthesis = _halves(settings, state)

    def read(w: Any) -> np.ndarray:
        return np.argmax(metrics.probabilities(classifier, as_pictures(synthesis(w))), axis=1)

    w = mapping(_latents(settings, state, 2 * PAIRS))
    first, second = w[:PAIRS], w[PAIRS:]
    own, other = read(first), read(second)
    differ = own != other
    if not differ.any():
        return []
    rows: list[dict[str, Cell]] = []
    for crossing in range(w.shape[1] + 1):
        classes = read(jg.samplers.cross_styles(first, second, crossing))
        row: dict[str, Cell] = {"layers of the first": crossing}
        for name, label in (("first", own), ("second", other)):
            row[f"class of the {name}"] = float(np.mean((classes == label)[differ]))
        rows.append(row)
    return rows


def _halves(settings: digits_stylegan2.Config, state: TrainState) -> tuple[Any, Any]:
    return digits_stylegan2.halves(digits_stylegan2.generator(settings, 1, 0), state)


def _latents(settings: digits_stylegan2.Config, state: TrainState, n: int) -> Any:
    return jg.priors.normal(settings.latent)(jax.random.fold_in(state.key, name_index("mixing")), n)


def _truncations(config: Config) -> list[float]:
    try:
        values = [float(word) for word in config.truncations.split(",")]
    except ValueError:
        raise ValueError(f"--truncations are numbers with commas between; got {config.truncations!r}") from None
    return values
