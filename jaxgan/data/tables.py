"""Tables: columns of numbers and of categories, encoded as rows of numbers in [-1, 1] that a network can make.

A number becomes a mode of its column's mixture of normals and its place within the mode (mode-specific normalisation),
a category a one-hot; both come back by `decoded`.

    table   = jg.data.table("people.csv", missing="mask")
    code    = tables.encoding(table)
    source  = tables.matched(table, code)        # batches of rows x and of conditions y that they fulfil
    columns = tables.decoded(code, rows)         # back, by name; `write_csv` writes them

References:
  Xu, Skoularidou, Cuesta-Infante, Veeramachaneni. Modeling Tabular Data using Conditional GAN. NeurIPS 2019, section 4.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxgan.data.memory import arrays
from jaxgan.data.source import Draw, Examples, Source, digest_of, uniform
from jaxgan.types import name_index

FEW = 10  # different numbers, at most, of a column that is taken for categories where nobody says what it is
CATEGORIES = 1000  # of a column, at most: each is an entry of every row
SPREAD = 4.0  # standard deviations of a mode that are mapped to [-1, 1]
CLIPPED = 0.99  # the largest place within a mode
LIGHT = 0.005  # modes of less weight are left out
MISSING = " is missing"  # what the name of a mask column ends in

Columns = Mapping[str, np.ndarray]  # by name, [N] each


class Table(NamedTuple):
    """Rows of a table, by column."""

    name: str  # what errors call it
    columns: dict[str, np.ndarray]  # by name, [N] each: float64 where numeric, else objects
    discrete: tuple[str, ...]  # the columns of categories
    masked: tuple[str, ...] = ()  # numeric columns that have a mask column beside them


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


def table(
    columns: str | Path | Columns,
    *,
    discrete: Iterable[str] = (),
    numeric: Iterable[str] = (),
    missing: Literal["refuse", "mask"] = "refuse",
) -> Table:
    """Reads a table and says of each column whether it holds numbers or categories.

    Strings and truth values are categories; so are numbers of at most FEW different values, unless named numeric.

    Args:
      columns: a CSV file with a header, a Parquet file, or arrays [N] by name.
      discrete: names of columns of numbers that are categories.
      numeric: names of columns that are numbers however few they are.
      missing: "refuse" raises where a value is missing (NaN, None, an empty cell); "mask" adds a column of categories
        "<name> is missing" beside a numeric one, whose gaps are filled by its mean and come back as NaN, and makes
        None a category of a discrete one.
    Returns:
      Table.
    Raises:
      ValueError: the file or a column is none that can be read, lengths differ, values are missing, infinite or of too
        many categories; the columns are named.
      ImportError: pyarrow is not there.
    """
    if missing not in ("refuse", "mask"):
        raise ValueError(f"missing={missing!r} is unknown; choose 'refuse' or 'mask'")
    name = "table" if isinstance(columns, Mapping) else str(columns)
    raw = dict(columns) if isinstance(columns, Mapping) else _read(Path(columns))
    given = {str(key): np.asarray(value) for key, value in raw.items()}
    _check_form(name, given)
    discrete, numeric = tuple(discrete), tuple(numeric)
    if unknown := sorted({*discrete, *numeric} - set(given)):
        raise ValueError(f"{name} has no columns {unknown}; it has {list(given)}")
    if twice := sorted(set(discrete) & set(numeric)):
        raise ValueError(f"{name}: columns {twice} are named both discrete and numeric; choose one")
    gaps = {key: np.array([_absent(v) for v in value.tolist()]) for key, value in given.items()}
    lacking = {key: int(gap.sum()) for key, gap in gaps.items() if gap.any()}
    if lacking and missing == "refuse":
        raise ValueError(f"{name} has missing values, by column: {lacking}; leave rows out, or say missing='mask'")
    few = {key for key, value in given.items() if _is_discrete(value, gaps[key])}
    if text := sorted(key for key in numeric if given[key].dtype.kind not in "iuf"):
        raise ValueError(f"{name}: columns {text} are no numbers; leave them out of `numeric`")
    chosen = [key for key in given if key in discrete or (key in few and key not in numeric)]
    return _checked(_sorted_out(name, given, gaps, chosen))


def taken(whole: Table, index: np.ndarray) -> Table:
    """Returns the table of these rows, by numbers or truth values [N]."""
    return whole._replace(columns={name: values[index] for name, values in whole.columns.items()})


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


def write_csv(path: Path, columns: Columns) -> Path:
    """Writes columns as a CSV file with a header; missing values are empty cells.

    Returns:
      path.
    """
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True):
            writer.writerow(["" if _absent(value) else value for value in row])
    return Path(path)


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


def objects(values: Iterable[Any]) -> np.ndarray:
    """Returns an array [N] of objects, as columns of categories are: strings, None and numbers stay what they are."""
    listed = list(values)
    made = np.empty(len(listed), object)
    made[:] = listed
    return made


def _read(path: Path) -> dict[str, np.ndarray]:
    """Reads a file's columns as NumPy arrays; gaps are NaN in numbers and None elsewhere."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"{path} is no table: its name must end in .csv or .parquet")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("tables in files are read by pyarrow: pip install 'jaxgan[tables]'") from error
    try:
        if path.suffix.lower() == ".csv":
            options = arrow_csv.ConvertOptions(strings_can_be_null=True)
            read = arrow_csv.read_csv(path, convert_options=options)
        else:
            read = parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    names = read.column_names
    if len(set(names)) < len(names):
        raise ValueError(f"{path} names columns twice: {sorted({n for n in names if names.count(n) > 1})}")
    made, odd = dict[str, np.ndarray](), dict[str, str]()
    for name, column in zip(names, read.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_null(kind) or not (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
        ):
            odd[name] = str(column.type)
            continue
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        made[name] = column.cast(pa.float64()).to_numpy() if number else objects(column.to_pylist())
    if odd:
        raise ValueError(f"{path} has columns that are neither numbers nor strings: {odd}; turn them into such")
    return made


def _check_form(name: str, given: Columns) -> None:
    shapes = {key: value.shape for key, value in given.items()}
    if not given:
        raise ValueError(f"{name} has no columns")
    if wrong := {key: shape for key, shape in shapes.items() if len(shape) != 1}:
        raise ValueError(f"{name} has columns that are not [N]: {wrong}")
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{name} has columns of different lengths: { ({k: s[0] for k, s in shapes.items()}) }")
    if not next(iter(shapes.values()))[0]:
        raise ValueError(f"{name} has no rows")
    if odd := {key: str(v.dtype) for key, v in given.items() if v.dtype.kind not in "iufbOUS"}:
        raise ValueError(f"{name} has columns that are neither numbers nor strings: {odd}; turn them into such")


def _is_discrete(values: np.ndarray, gap: np.ndarray) -> bool:
    return values.dtype.kind not in "iuf" or len(np.unique(values[~gap])) <= FEW


def _sorted_out(name: str, given: Columns, gaps: Columns, chosen: Sequence[str]) -> Table:
    """Returns the table with its gaps filled and its mask columns beside them."""
    columns, discrete, masked = dict[str, np.ndarray](), list(chosen), list[str]()
    for key, values in given.items():
        if key in chosen:
            columns[key] = objects([None if gap else v for v, gap in zip(values.tolist(), gaps[key], strict=True)])
            continue
        numbers = values.astype(np.float64)
        if gaps[key].any():
            if key + MISSING in given:
                raise ValueError(f"{name} needs the name {key + MISSING!r} for a mask; call that column otherwise")
            numbers = np.where(gaps[key], numbers[~gaps[key]].mean(), numbers)
        columns[key] = numbers
        if gaps[key].any():
            columns[key + MISSING] = objects(["yes" if gap else "no" for gap in gaps[key]])
            discrete.append(key + MISSING)
            masked.append(key)
    return Table(name, columns, tuple(key for key in columns if key in discrete), tuple(masked))


def _checked(made: Table) -> Table:
    numbers = {key: values for key, values in made.columns.items() if key not in made.discrete}
    if wrong := sorted(key for key, values in numbers.items() if not np.isfinite(values).all()):
        raise ValueError(f"{made.name} has numbers that are infinite in columns {wrong}")
    if flat := sorted(key for key, values in numbers.items() if values.min() == values.max()):
        raise ValueError(f"{made.name}: columns {flat} hold one number alone; leave them out, or name them discrete")
    many = {key: len(set(made.columns[key].tolist())) for key in made.discrete}
    if many := {key: n for key, n in many.items() if n > CATEGORIES}:
        raise ValueError(f"{made.name} has columns of more than {CATEGORIES} categories: {many}; leave them out")
    return made


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


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _ordered(values: Iterable[Any]) -> tuple[Any, ...]:
    """Returns different values, by size or by their words, None last."""
    different = set(values)
    try:
        known = sorted(value for value in different if value is not None)
    except TypeError:
        known = sorted((value for value in different if value is not None), key=str)
    return (*known, *([None] if None in different else []))
