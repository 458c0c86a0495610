"""Labels and attributes of pictures: from the folders they lie in, or from a CSV or JSON file beside them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data.check import check_conditions, narrow
from jaxgan.data.pixels import SUFFIXES
from jaxgan.pages import parse_page

KINDS = (".csv", ".tsv", ".json")


class Labels(NamedTuple):
    """What is known of each picture."""

    y: np.ndarray  # [N] int32 labels, or [N, A] float32 attributes
    classes: int  # of labels; 0: attributes
    names: tuple[str, ...]  # of classes or attributes; (): numbers alone


def from_subfolders(where: str, files: Sequence[str]) -> Labels:
    """Takes the first subfolder's name as the class, numbered in sorted order.

    Args:
      where: what the error calls the folder.
      files: [N] relative paths.
    Returns:
      Labels [N].
    Raises:
      ValueError: a file is in no subfolder.
    """
    loose = [file for file in files if "/" not in file]
    if loose:
        raise ValueError(f"{where}: labels come from subfolders, but {loose[0]} is in none")
    classes = [file.split("/")[0] for file in files]
    names = sorted(set(classes))
    number = {name: k for k, name in enumerate(names)}
    return Labels(np.array([number[name] for name in classes], np.int32), len(names), tuple(names))


def from_file(path: Path, files: Sequence[str]) -> Labels:
    """Reads what a file says of each picture.

    CSV and TSV: the first column is the picture's path, relative to the folder, or its name alone; then one column of
    labels (integers from 0, or names of classes, numbered in sorted order), or columns of numbers: attributes. A first
    line whose first cell is no picture gives the columns' names. JSON: {path: value} or [[path, value], ...], alone or
    under "labels" (StyleGAN's dataset.json); a value is an integer, a name, a list of numbers, or {attribute: number}.

    Args:
      path: the file.
      files: [N] relative paths of the pictures.
    Returns:
      Labels [N]. Classes are those of the whole file, also where it tells of more pictures than there are.
    Raises:
      ValueError: the file cannot be read, tells twice or nothing of a picture, or values do not go together.
    """
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"labels file {path} is none of {', '.join(KINDS)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows, columns = _json(text) if path.suffix.lower() == ".json" else _table(text, path.suffix.lower())
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise ValueError(f"labels file {path} cannot be read: {error}") from error
    known: dict[str, Any] = {}
    for name, value in rows:
        key = name.replace("\\", "/").removeprefix("./")
        if key in known:
            raise ValueError(f"labels file {path} says twice what {key} is")
        known[key] = value
    if not any("/" in key for key in known):  # names alone
        keys = [file.rsplit("/", 1)[-1] for file in files]
        if len(set(keys)) < len(keys):
            raise ValueError(f"labels file {path} names pictures without their subfolders, where two have one name")
    else:
        keys = list(files)
    if missing := [file for file, key in zip(files, keys, strict=True) if key not in known]:
        raise ValueError(
            f"labels file {path} says nothing of {len(missing)} of {len(files)} pictures, such as {missing[0]!r}; "
            f"it knows {next(iter(known), 'none')!r} among {len(known)}"
        )
    order = {key: row for row, key in enumerate(known)}
    every = _values(list(known.values()), columns, f"labels file {path}")
    return every._replace(y=every.y[[order[key] for key in keys]])


def _table(text: str, suffix: str) -> tuple[list[tuple[str, Any]], list[str]]:
    """Reads lines of cells; returns what each picture's are, as numbers where all are, and the columns' names."""
    lines = [line for line in csv.reader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ",") if line]
    columns: list[str] = []
    if lines and not lines[0][0].lower().endswith(SUFFIXES):
        columns, lines = [cell.strip() for cell in lines[0][1:]], lines[1:]
    widths = {len(line) for line in lines}
    if len(widths) != 1 or widths == {1}:
        raise ValueError(f"it has lines of {sorted(widths)} cells; each needs a picture and as many values")
    cells = [[cell.strip() for cell in line[1:]] for line in lines]
    values: list[Any] = [row[0] for row in cells] if widths == {2} else cells
    for number in (int, float):
        try:
            numbers = [[number(cell) for cell in row] for row in cells]
        except ValueError:
            continue
        values = [row[0] for row in numbers] if widths == {2} and number is int else numbers
        break
    return [(line[0].strip(), value) for line, value in zip(lines, values, strict=True)], columns


def _json(text: str) -> tuple[list[tuple[str, Any]], list[str]]:
    page = parse_page(text)
    if isinstance(page, dict) and isinstance(page.get("labels"), list | dict):
        page = page["labels"]
    rows = list(page.items()) if isinstance(page, dict) else page
    pairs = isinstance(rows, list) and all(isinstance(r, list | tuple) and len(r) == 2 for r in rows)
    if not pairs or not rows or not all(isinstance(name, str) for name, _ in rows):
        raise ValueError("it is neither {picture: value} nor [[picture, value], ...], with pictures by their paths")
    columns = sorted({key for _, value in rows if isinstance(value, dict) for key in value})
    if columns:
        if other := [name for name, v in rows if not isinstance(v, dict) or sorted(v) != columns]:
            raise ValueError(f"{other[0]} has not the attributes of the others: {', '.join(columns)}")
        rows = [(name, [value[key] for key in columns]) for name, value in rows]
    return [(name, value) for name, value in rows], columns


def _values(values: list[Any], columns: list[str], where: str) -> Labels:
    """Makes labels of integers and names, and attributes of lists of numbers."""
    kinds = {type(value) for value in values}
    if kinds == {int}:
        y = narrow(np.array(values), where)
        check_conditions(y, len(y), None, where)
        return Labels(y, int(y.max()) + 1, ())
    if kinds == {str}:
        names, y = np.unique(np.array(values), return_inverse=True)
        return Labels(y.astype(np.int32), len(names), tuple(names.tolist()))
    numbers = all(isinstance(v, list) and v and all(type(x) in (int, float, bool) for x in v) for v in values)
    if not numbers or len({len(value) for value in values}) != 1:
        raise ValueError(
            f"{where} mixes values of several kinds; give each picture an integer, a class's name, or as many numbers"
        )
    attributes = np.array(values, np.float32)
    check_conditions(attributes, len(attributes), None, where)
    return Labels(attributes, 0, tuple(columns) if len(columns) == attributes.shape[1] else ())
