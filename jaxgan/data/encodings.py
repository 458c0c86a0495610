"""Tables as rows of numbers in [-1, 1] that a network can make, and back.

A number becomes a mode of its column's mixture of normals and its place within the mode (mode-specific normalisation),
a category a one-hot; both come back by `decoded`.

    table   = jg.data.table("people.csv", missing="mask")
    code    = encodings.encoding(table)
    source  = encodings.matched(table, code)     # batches of rows x and of conditions y that they fulfil
    columns = encodings.decoded(code, rows)      # back, by name; `tables.write_csv` writes them

References:
  Xu, Skoularidou, Cuesta-Infante, Veeramachaneni. Modeling Tabular Data using Conditional GAN. NeurIPS 2019, section 4.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxgan.data.memory import arrays
from jaxgan.data.source import Draw, Examples, Source, digest_of, uniform
from jaxgan.data.tables import MISSING, Table, objects
from jaxgan.types import name_index

SPREAD = 4.0  # standard deviations of a mode that are mapped to [-1, 1]
CLIPPED = 0.99  # the largest place within a mode
LIGHT = 0.005  # modes of less weight are left out


class Numeric(NamedTuple):
    """A column of numbers: the mixture of normals that it is encoded by."""

    name: str
    weights: np.ndarray  # [K] float64, sum 1
    means: np.ndarray  # [K] float64
    stds: np.ndarray  # [K] float64, >= 0: a mode without width is one number that many rows share
    integers: bool  # whether all of its numbers are whole
    masked: bool  # whether a column of its name and MISSING says where it has no value


class Discrete(NamedTuple):
    """A column of categories."""

    name: str
    values: tuple[Any, ...]  # in the order of the one-hot's entries
    counts: tuple[int, ...]  # rows that have each


class Encoding(NamedTuple):
    """How a table becomes rows of numbers: its columns, in the order of the rows' entries."""

    columns: tuple[Numeric | Discrete, ...]


class Span(NamedTuple):
    """Some successive entries of an encoded row."""

    width: int
    kind: Literal["number", "mode", "category"]  # a place in (-1, 1), or a one-hot of modes or of categories


def encoding(
    whole: Table, modes: int = 10, seed: int = 0, *, atoms: float | None = None, rows: int = 20_000
) -> Encoding:
    """Fits how a table is encoded: a mixture of normals for every numeric column, the values of every discrete one.

    The mixture is a variational Bayesian one, which leaves needless modes without weight; those of at most LIGHT are
    dropped.

    Args:
      whole: the rows that are learned from.
      modes: of a numeric column, at most, >= 1.
      seed: of the mixture's start, and of the rows it is fitted to.
      atoms: share of a column's rows, in (0, 1], from which on a number that so many have is a mode of its own, without
        width: it comes back as it was, where a normal mode would smear it. The paper has none.
      rows: that a mixture is fitted to, at most, >= 2.
    Returns:
      Encoding.
    Raises:
      ValueError: modes, atoms or rows are out of range.
      ImportError: scikit-learn is not there.
    """
    if modes < 1 or rows < 2:
        raise ValueError(f"encoding needs modes >= 1 and rows >= 2; got {modes} and {rows}")
    if atoms is not None and not 0 < atoms <= 1:
        raise ValueError(f"encoding needs atoms in (0, 1], a share of rows; got {atoms}")
    made: list[Numeric | Discrete] = []
    for name, values in whole.columns.items():
        if name in whole.discrete:
            kinds = _ordered(values.tolist())
            place = {value: k for k, value in enumerate(kinds)}
            counts = np.bincount([place[value] for value in values.tolist()], minlength=len(kinds))
            made.append(Discrete(name, kinds, tuple(counts.tolist())))
        else:
            few = values[np.random.default_rng(seed).permutation(len(values))[:rows]]
            integers = bool(np.all(values == np.rint(values)))
            made.append(Numeric(name, *_modes(few, modes, seed, atoms), integers, name in whole.masked))
    return Encoding(tuple(made))


def spans(code: Encoding) -> tuple[Span, ...]:
    """Returns what the entries of an encoded row are, in their order: their widths sum to the rows'."""
    made: list[Span] = []
    for column in code.columns:
        if isinstance(column, Discrete):
            made.append(Span(len(column.values), "category"))
        else:
            made += [Span(1, "number"), Span(len(column.means), "mode")]
    return tuple(made)


def counts(code: Encoding) -> tuple[tuple[int, ...], ...]:
    """Returns how many rows have each value of each discrete column, for `priors.conditions`."""
    return tuple(column.counts for column in code.columns if isinstance(column, Discrete))


def encoded(code: Encoding, whole: Table, seed: int = 0) -> np.ndarray:
    """Encodes rows.

    A number x draws its mode k by responsibilities, w_k N(x; mu_k, sigma_k^2) in proportion, and becomes
    (x - mu_k) / (4 sigma_k), cut to [-0.99, 0.99], beside the one-hot of k; in a mode without width it becomes 0.

    Args:
      code: of a table with these columns.
      whole: the rows.
      seed: of the draws.
    Returns:
      [N, D] float32.
    Raises:
      ValueError: a column is missing, or a discrete one has a value that is unknown.
    """
    if lacking := [column.name for column in code.columns if column.name not in whole.columns]:
        raise ValueError(f"{whole.name} lacks the columns {lacking} of its encoding; it has {list(whole.columns)}")
    parts: list[np.ndarray] = []
    for column in code.columns:
        values = whole.columns[column.name]
        if isinstance(column, Discrete):
            place = {value: k for k, value in enumerate(column.values)}
            if unknown := _ordered([v for v in values.tolist() if v not in place]):
                raise ValueError(f"{whole.name}: column {column.name!r} has values {unknown[:5]} that are not encoded")
            parts.append(np.eye(len(place))[[place[value] for value in values.tolist()]])
        else:
            x = np.asarray(values, np.float64)[:, None]
            drawn = uniform((seed + name_index(column.name)) % 2**32, np.arange(len(x)))
            mode = np.sum(np.cumsum(responsibilities(column, x[:, 0]), axis=1) < drawn[:, None], axis=1)
            mode = np.minimum(mode, len(column.means) - 1)  # rounding may leave the last sum below 1
            width = SPREAD * column.stds[mode]
            place_within = (x[:, 0] - column.means[mode]) / np.where(width > 0, width, np.inf)
            parts += [np.clip(place_within, -CLIPPED, CLIPPED)[:, None], np.eye(len(column.means))[mode]]
    return np.concatenate(parts, axis=1).astype(np.float32)


def responsibilities(column: Numeric, x: np.ndarray) -> np.ndarray:
    """Returns the probability of every mode, given each number: x [N] -> [N, K], rows sum to 1."""
    atom, offset = column.stds == 0, x[:, None] - column.means
    stds = np.where(atom, 1.0, column.stds)
    log = np.where(atom, -np.inf, np.log(column.weights) - np.log(stds) - 0.5 * np.square(offset / stds))
    log -= log.max(axis=1, keepdims=True)
    p = np.exp(log) / np.exp(log).sum(axis=1, keepdims=True)
    exact = (offset == 0) & atom
    return np.where(exact.any(axis=1, keepdims=True), exact, p)


def decoded(code: Encoding, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Takes encoded rows back to columns; of a one-hot, the largest entry counts.

    Args:
      code: of the rows.
      rows: [N, D].
    Returns:
      By name, [N] each: float64 (whole numbers where all of the column's were, NaN where its mask says so), or objects.
    Raises:
      ValueError: the rows are of another width.
    """
    width = sum(span.width for span in spans(code))
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"rows of this encoding are [N, {width}]; got {rows.shape}")
    columns, start, masked = dict[str, np.ndarray](), 0, list[str]()
    for column in code.columns:
        if isinstance(column, Discrete):
            end = start + len(column.values)
            columns[column.name] = objects(column.values)[np.argmax(rows[:, start:end], axis=1)]
        else:
            end = start + 1 + len(column.means)
            mode = np.argmax(rows[:, start + 1 : end], axis=1)
            x = np.clip(rows[:, start], -1, 1) * SPREAD * column.stds[mode] + column.means[mode]
            columns[column.name] = np.rint(x) if column.integers else x
            masked += [column.name] if column.masked else []
        start = end
    for name in masked:
        columns[name] = np.where(columns.pop(name + MISSING) == "yes", np.nan, columns[name])
    return columns


def matched(whole: Table, code: Encoding, seed: int = 0) -> Source:
    """Rows that fulfil drawn conditions: CTGAN's training by sampling.

    A condition asks for one value of one discrete column: the column is drawn uniformly, its value by log(1 + count) in
    proportion, so that rare values are met often, and then a row among those that have it. A table without discrete
    columns is met row by row, without conditions.

    Args:
      whole: the rows.
      code: their encoding.
      seed: of the modes that numbers are encoded by.
    Returns:
      Source of "x" [n, D] float32, and of "y" [n, C] float32, a one-hot over the values of all discrete columns; it has
      no end then, and no order.
    Raises:
      ValueError: as `encoded`.
    """
    rows = encoded(code, whole, seed)
    groups = counts(code)
    if not groups:
        return arrays(rows, name=whole.name)
    starts = np.cumsum([0, *(span.width for span in spans(code))])
    where = [starts[k] for k, span in enumerate(spans(code)) if span.kind == "category"]
    which = [np.argmax(rows[:, a : a + len(g)], axis=1) for a, g in zip(where, groups, strict=True)]
    orders = [np.argsort(values, kind="stable") for values in which]  # rows by their value
    here = [np.bincount(values, minlength=len(g)) for values, g in zip(which, groups, strict=True)]
    firsts = np.cumsum([0, *map(len, groups)])

    def read(draw: Draw) -> Examples:
        own = (draw.seed + name_index("conditions")) % 2**32
        places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(3) + np.arange(3, dtype=np.uint64)
        by_column, by_value, by_row = uniform(own, places).T
        column = np.minimum((by_column * len(groups)).astype(int), len(groups) - 1)
        index, asked = np.empty(len(column), np.int64), np.empty(len(column), np.int64)
        for k, present in enumerate(here):
            mine = column == k
            value = np.searchsorted(np.cumsum(log_frequencies(present)), by_value[mine], side="right")
            value = np.minimum(value, np.flatnonzero(present)[-1])
            first = np.cumsum([0, *present])[value]
            index[mine] = orders[k][first + (by_row[mine] * present[value]).astype(np.int64)]
            asked[mine] = firsts[k] + value
        return {"x": rows[index], "y": np.eye(firsts[-1], dtype=np.float32)[asked]}

    return Source(whole.name, None, read, digest=lambda: digest_of(rows, str(groups)))


def log_frequencies(numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """Returns probabilities in proportion to log(1 + count), [K]; what never occurs stays at 0."""
    logs = np.log1p(np.asarray(numbers, np.float64))
    return logs / logs.sum()


def _modes(values: np.ndarray, modes: int, seed: int, atoms: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (weights, means, stds) of the modes of a column: those of a mixture, and numbers that many rows share."""
    different, numbers = np.unique(values, return_counts=True)
    heavy = numbers >= np.inf if atoms is None else numbers >= atoms * len(values)
    if len(different) - heavy.sum() < 2:  # nothing is left to fit a mixture to
        heavy = np.zeros(len(different), bool)
    share = numbers[heavy] / len(values)
    weights, means, stds = _mixture(values[~np.isin(values, different[heavy])], modes, seed)
    return (
        np.concatenate([weights * (1 - share.sum()), share]),
        np.concatenate([means, different[heavy]]),
        np.concatenate([stds, np.zeros(len(share))]),
    )


def _mixture(values: np.ndarray, modes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (weights, means, stds) of the modes that have weight, [K] each."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import BayesianGaussianMixture
    except ImportError as error:
        raise ImportError("mixtures of columns are fitted by scikit-learn: pip install 'jaxgan[tables]'") from error
    centre, scale = values.mean(), values.std()
    model = BayesianGaussianMixture(
        n_components=min(modes, len(values)), weight_concentration_prior=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nothing here depends on the last digits
        model.fit((values[:, None] - centre) / scale)
    kept = model.weights_ > LIGHT
    weights, means = model.weights_[kept], model.means_[kept, 0]
    return weights / weights.sum(), means * scale + centre, np.sqrt(model.covariances_[kept, 0, 0]) * scale


def _ordered(values: Iterable[Any]) -> tuple[Any, ...]:
    """Returns different values, by size or by their words, None last."""
    different = set(values)
    try:
        known = sorted(value for value in different if value is not None)
    except TypeError:
        known = sorted((value for value in different if value is not None), key=str)
    return (*known, *([None] if None in different else []))
