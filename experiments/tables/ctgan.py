"""CTGAN on two tables, beside independent columns and a Gaussian copula.

The game of Xu et al. 2019, section 4: mode-specific normalisation, training by sampling, packs of 10, WGAN-GP. The
tables are statsmodels' `fair` (6,366 rows: eight columns of categories, and numbers of which two thirds are 0) and
`randhie` (20,190 rows: five columns of categories, five of numbers). A fifth of the rows is held out. Of as many
samples as training rows: total variation of columns and of pairs, error of rank correlations, how far a classifier
tells them from held-out rows (1/2: not at all), and the area under the ROC curve on held-out rows of a random forest
that was trained on them. Numbers that many rows share are modes of their own (`--atoms 0`: none, as in the paper), so
that they come back as they were. "real rows" are the training rows themselves. "by log frequency" asks the same
generator for values as the reference code's sampler does at HEAD.

Command: python -m experiments ctgan [--data fair]
Takes: about four minutes for each table and seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import optax

import jaxgan as jg
from experiments.tables.baselines import gaussian_copula, independent_columns
from jaxgan import metrics
from jaxgan.data import encodings, tables
from jaxgan.metrics.tables import Columns
from jaxgan.networks import tabular
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Table, at_least, save
from jaxgan.types import Game

SHOWN = 20  # rows of the excerpt
TASKS = {"fair": ("affairs", 0.05), "randhie": ("mdvis", 0.5)}  # the number that is predicted to lie above a threshold


@dataclass(frozen=True)
class Config:
    """One game for each table and seed."""

    seed: int = 0  # the first; of parameters, latents, data and encodings
    seeds: int = 1  # runs
    data: Literal["both", "fair", "randhie"] = "both"  # which tables
    steps: int = 4000  # train steps
    batch_size: int = 500  # rows of an update
    latent: int = 128  # width of z
    width: int = 256  # units of each of two hidden layers, in both networks
    pack: int = 10  # rows that are judged at once
    learning_rate: float = 2e-4  # Adam's, of both players
    decay: float = 1e-6  # weight of half the squared parameters of the generator in its gradient
    penalty: float = 10.0  # weight of the gradient penalty
    dropout: float = 0.5  # share of the discriminator's units
    ema: float = 0.999  # decay of the averaged generator, per step; 0: none, as in the paper
    atoms: float = 0.05  # share of rows from which on a number is a mode of its own; 0: never, as in the paper
    trees: int = 100  # of the random forest that is trained on rows


SMOKE = {"data": "fair", "steps": 2, "batch_size": 20, "latent": 4, "width": 4, "trees": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, width=1, pack=1, trees=1)
    if config.batch_size % config.pack:
        raise ValueError(f"--batch-size must be a multiple of --pack {config.pack}; got {config.batch_size}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table for each table of data; draws margins, and writes an excerpt, of the first seed."""
    names = list(TASKS) if config.data == "both" else [config.data]
    shown: dict[str, dict[str, Columns]] = {}
    for name in names:
        rows: dict[str, dict[str, list[float]]] = {}
        for seed in range(config.seed, config.seed + config.seeds):
            train = split(name)[0]
            made = {"real rows": train.columns, **samples(config, folder, name, train, seed)}
            if seed == config.seed:
                shown[name] = made
            for method, columns in made.items():
                figures = judged(config, name, columns, seed)
                for column, value in figures.items():
                    rows.setdefault(method, {}).setdefault(column, []).append(value)
                print(f"{name}, {method}, seed {seed}: { ({k: round(v, 3) for k, v in figures.items()}) }", flush=True)
        note = (
            f"{config.steps} steps of {config.batch_size} rows; as many samples as training rows, against held-out "
            "rows: total variation of columns (mean, and of the worst), and of pairs of columns (mean); error of rank "
            "correlations; accuracy of a classifier (a layer of 20 units) that tells them from real rows; area under "
            f"the ROC curve of a random forest that predicts {TASKS[name][0]} > 0; {config.seeds} seeds"
        )
        yield Table(f"The table {name}", note, [{"rows": method, **rows[method]} for method in rows])
    _draw(folder, shown)


@functools.cache
def split(name: str) -> tuple[tables.Table, tables.Table]:
    """Returns the training and the held-out rows of one of statsmodels' tables."""
    import statsmodels.datasets as sets

    frame = getattr(sets, name).load_pandas().data
    table = jg.data.table({column: frame[column].to_numpy() for column in frame})
    order = np.random.default_rng(0).permutation(len(frame))
    cut = len(frame) // 5
    return tables.taken(table, order[cut:]), tables.taken(table, order[:cut])


def samples(config: Config, folder: Path, name: str, train: tables.Table, seed: int) -> dict[str, Columns]:
    """Returns as many rows as there are to train on, by method; trains the game."""
    code, n = encodings.encoding(train, seed=seed, atoms=config.atoms or None), len(next(iter(train.columns.values())))
    game = build(config, code)
    source = encodings.matched(train, code, seed)
    training = Training(game, source, seed, config.steps, config.batch_size)
    state = train_member(folder / f"{name}-seed{seed}", training).state
    by_log = jg.priors.conditions(encodings.counts(code), logarithmic=True)(jax.random.key(seed), n)
    made = {
        "CTGAN": jg.sample(game, state, jax.random.key(seed), n=n),
        "CTGAN, by log frequency": jg.sample(game, state, jax.random.key(seed), n=n, y=by_log),
    }
    drawn = {method: encodings.decoded(code, np.asarray(rows)) for method, rows in made.items()}
    apart = independent_columns(train, n, seed)
    return {"independent columns": apart, "Gaussian copula": gaussian_copula(train, n, seed), **drawn}


def build(config: Config, code: encodings.Encoding) -> Game:
    """The game of the paper's section 4.4, for rows of this encoding."""
    spans = encodings.spans(code)
    adam = optax.adam(config.learning_rate, b1=0.5, b2=0.9)
    system = jg.systems.ctgan(
        loss=jg.losses.wasserstein,
        prior=jg.priors.normal(config.latent),
        spans=spans,
        optimizer={
            "discriminator": adam,
            "generator": optax.chain(optax.add_decayed_weights(config.decay), adam),
        },
        conditions=jg.priors.conditions(encodings.counts(code)),
        penalty=jg.penalties.packed(jg.penalties.gradient_penalty(config.penalty), config.pack),
    )
    hidden = (config.width, config.width)
    networks = {
        "generator": tabular.RowGenerator(sum(span.width for span in spans), hidden),
        "discriminator": tabular.RowDiscriminator(hidden, config.pack, config.dropout),
    }
    return jg.game(networks, system, ema={"generator": config.ema} if config.ema else None)


def judged(config: Config, name: str, columns: Columns, seed: int) -> dict[str, float]:
    """Measures rows against held-out ones."""
    from sklearn.ensemble import RandomForestClassifier

    (train, test), target = split(name), TASKS[name][0]
    forest = RandomForestClassifier(config.trees, min_samples_leaf=5, random_state=seed)
    margins, pairs = (
        list(measure(test.columns, columns).values()) for measure in (metrics.marginal_variations, _pairs)
    )
    real, fake = (_features(train, rows) for rows in (test.columns, columns))
    return {
        "columns": float(np.mean(margins)),
        "worst column": float(np.max(margins)),
        "pairs": float(np.mean(pairs)),
        "correlations": metrics.correlation_error(test.columns, columns),
        "told apart": metrics.classifier_two_sample_test(real, fake, jax.random.key(seed), "mlp", epochs=30).accuracy,
        "TSTR": metrics.held_out_score(_with_task(name, columns), _with_task(name, test.columns), target, forest),
    }


def _pairs(real: Columns, fake: Columns) -> dict[tuple[str, str], float]:
    return metrics.pair_variations(real, fake)


def _with_task(name: str, columns: Columns) -> Columns:
    target, threshold = TASKS[name]
    above = np.asarray(columns[target], np.float64) > threshold
    return {**columns, target: np.where(above, "yes", "no").astype(object)}


def _features(train: tables.Table, columns: Columns) -> np.ndarray:
    """Returns what a classifier is shown: ones for categories, and numbers in standard deviations of the data."""
    parts = []
    for key, own in train.columns.items():
        x = columns[key]
        if key in train.discrete:
            kinds = sorted(set(own.tolist()), key=str)
            parts.append(np.array([[v == kind for kind in kinds] for v in x.tolist()], np.float64))
        else:
            parts.append(((np.asarray(x, np.float64) - own.mean()) / own.std())[:, None])
    return np.concatenate(parts, axis=1)


def _draw(folder: Path, shown: dict[str, dict[str, Columns]]) -> None:
    """Draws the margins of all methods beside each other, and writes rows of CTGAN as CSV."""
    from matplotlib.figure import Figure

    methods = ("real rows", "Gaussian copula", "CTGAN")
    panels = [(name, column) for name, made in shown.items() for column in made["real rows"]]
    across = min(5, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(2.0 * across, 1.5 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes, (name, column) in zip(grid.flat, panels, strict=False):
        for k, method in enumerate(methods):
            _bars(axes, shown[name]["real rows"][column], shown[name][method][column], k, method)
        axes.set_title(f"{name}: {column}", fontsize=7)
        axes.tick_params(labelsize=5)
    grid.flat[0].legend(fontsize=5)
    save(figure, folder / "samples.png")
    for name, made in shown.items():
        excerpt = {column: values[:SHOWN] for column, values in made["CTGAN"].items()}
        rounded = {c: np.round(v, 3) if v.dtype.kind == "f" else v for c, v in excerpt.items()}
        tables.write_csv(folder / f"{name}.txt", rounded)


def _bars(axes: Any, real: np.ndarray, values: np.ndarray, place: int, label: str) -> None:
    """Draws one method's shares of the real values, or of ten bins of them."""
    colour = ("#808080", "#d9730d", "#1f4e8c")[place]
    if real.dtype.kind in "iuf":
        edges = np.linspace(float(real.min()), float(np.quantile(real, 0.99)), 11)
        shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
        width = 0.3 * (edges[1] - edges[0])
        axes.bar((edges[:-1] + edges[1:]) / 2 + (place - 1) * width, shares, width, color=colour, label=label)
        return
    kinds = sorted(set(real.tolist()))
    counted = [float(np.mean([value == kind for value in values.tolist()])) for kind in kinds]
    axes.bar(np.arange(len(kinds)) + (place - 1) * 0.3, counted, 0.3, color=colour, label=label)
    axes.set_xticks(range(len(kinds)), [f"{kind:g}" if isinstance(kind, int | float) else str(kind) for kind in kinds])
