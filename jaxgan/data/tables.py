"""Tables: columns of numbers and of categories, from files or arrays; `encodings` makes rows for networks of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

FEW = 10  # different numbers, at most, of a column that is taken for categories where nobody says what it is
CATEGORIES = 1000  # of a column, at most: each is an entry of every row
MISSING = " is missing"  # what the name of a mask column ends in

Columns = Mapping[str, np.ndarray]  # by name, [N] each


class Table(NamedTuple):
    """Rows of a table, by column."""

    name: str  # what errors call it
    columns: dict[str, np.ndarray]  # by name, [N] each: float64 where numeric, else objects
    discrete: tuple[str, ...]  # the columns of categories
    masked: tuple[str, ...] = ()  # numeric columns that have a mask column beside them


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


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
