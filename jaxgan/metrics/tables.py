"""Tables beside tables: do columns, pairs of columns and what can be learned from them agree?

Columns are arrays [N] by name: numbers (floating or integers), or objects (strings, truth values, anything) as
categories. `data.encodings.decoded` gives such columns, and a `Table` has them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgan.data.tables import objects

Columns = Mapping[str, np.ndarray]  # by name, [N] each


def marginal_variations(real: Columns, fake: Columns, bins: int = 20) -> dict[str, float]:
    """Total variation between every column's distributions: half the sum of |p - q|, in [0, 1]; 0 if they are equal.

    Numbers are counted between the quantiles of the real ones, of which equal ones become one: a value that many rows
    share, such as 0, has a bin of its own. Finite sets of equal distributions differ too: compare with a held-out set.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real, fake = {"pet": np.array(["cat", "dog"], object)}, {"pet": np.array(["cat", "cat"], object)}
      >>> jg.metrics.marginal_variations(real, fake)
      {'pet': 0.5}

    Args:
      real: columns.
      fake: columns of the same names; their number of rows may differ.
      bins: of a column of numbers, at most, >= 2.
    Returns:
      By column.
    Raises:
      ValueError: columns differ in their names or kinds, have no rows, or numbers that are not finite.
    """
    codes = _coded(real, fake, bins)
    return {name: _variation(*_shares(one, other)) for name, (one, other) in codes.items()}


def pair_variations(real: Columns, fake: Columns, bins: int = 5) -> dict[tuple[str, str], float]:
    """Total variation between the joint distributions of every pair of columns, as `marginal_variations` counts them.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> column = lambda words: np.array(list(words), object)
      >>> real, fake = {"a": column("xyxy"), "b": column("xyxy")}, {"a": column("xyxy"), "b": column("xyyx")}
      >>> jg.metrics.marginal_variations(real, fake), jg.metrics.pair_variations(real, fake)
      ({'a': 0.0, 'b': 0.0}, {('a', 'b'): 0.5})

    Args:
      real: columns, two or more.
      fake: columns of the same names.
      bins: of a column of numbers, at most, >= 2.
    Returns:
      By pair of columns.
    Raises:
      ValueError: as `marginal_variations`, or there is a single column.
    """
    codes = _coded(real, fake, bins)
    if len(codes) < 2:
        raise ValueError(f"pair_variations compares pairs of columns; got {list(codes)}")
    made = {}
    for (a, one), (b, other) in itertools.combinations(codes.items(), 2):
        width = 1 + int(max(other[0].max(), other[1].max()))
        made[a, b] = _variation(*_shares(*(one[side] * width + other[side] for side in (0, 1))))
    return made


def correlation_error(real: Columns, fake: Columns) -> float:
    """Mean difference, without sign, of the rank correlations of all pairs of columns that have an order.

    Those are numbers, and categories that are numbers; ranks of equal values are their mean (Spearman).

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> up = np.arange(5.0)
      >>> jg.metrics.correlation_error({"a": up, "b": up}, {"a": up, "b": -up})  # 1 and -1
      2.0

    Args:
      real: columns, of which two or more have an order.
      fake: columns of the same names.
    Returns:
      In [0, 2]; a column of fakes that does not vary counts as uncorrelated.
    Raises:
      ValueError: as `marginal_variations`, or fewer than two columns have an order.
    """
    _check(real, fake)
    ordered = [name for name in real if all(_is_number(value) for value in np.asarray(real[name]).tolist())]
    if len(ordered) < 2:
        raise ValueError(f"correlation_error needs two columns of numbers or more; got {ordered}")
    one, other = (_rank_correlations([np.asarray(side[name], np.float64) for name in ordered]) for side in (real, fake))
    return float(np.mean(np.abs(one - other)[np.triu_indices(len(ordered), 1)]))


def held_out_score(rows: Columns, held_out: Columns, target: str, predictor: Any = None) -> float:
    """Trains a predictor on rows and tests it on held-out real ones: of synthetic rows TSTR, of real ones TRTR.

    The two are to be compared, of as many rows, for more flatter. Of a target of two values the score is the area under
    the ROC curve, of more categories the accuracy, of numbers the share of variance explained (R^2). Categories enter
    as one-hots, numbers in standard deviations of the held-out ones. Rows whose target has one value train nothing:
    their score is that of chance (1/2; the share of that value; 0).

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> rows = {"a": np.arange(40.0), "big": np.arange(40) >= 20}
      >>> collapsed = rows | {"big": np.ones(40, bool)}
      >>> jg.metrics.held_out_score(collapsed, rows, "big")  # one class teaches nothing: chance
      0.5

    Args:
      rows: columns, synthetic or real.
      held_out: columns of real rows that neither predictor nor generator met.
      target: the column that is predicted from all others.
      predictor: of scikit-learn, made anew; None: a random forest of 100 trees with leaves of at least 5 rows.
    Returns:
      The score; higher is better, 1 at most.
    Raises:
      ValueError: as `marginal_variations`, or there is no such target.
      ImportError: scikit-learn is not there.
    References:
      Esteban, Hyland, Rätsch. Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs. 2017,
      section 4.2 (TSTR).
    """
    _check(held_out, rows)
    if target not in rows or len(rows) < 2:
        raise ValueError(f"held_out_score predicts {target!r} from other columns; there are {list(rows)}")
    y, test_y = np.asarray(rows[target]), np.asarray(held_out[target])
    continuous = test_y.dtype.kind in "iuf"
    kinds = sorted(set(test_y.tolist()), key=str)
    if len(set(y.tolist())) < 2:
        share = 0.5 if len(kinds) == 2 else float(np.mean(test_y == y[0]))
        return 0.0 if continuous else share
    train_x, test_x = _features(rows, held_out, target)
    model = _predictor(predictor, continuous).fit(train_x, y if continuous else y.astype(str))
    return _score(model, test_x, test_y, str(kinds[1]) if len(kinds) == 2 else None)


def _predictor(given: Any, continuous: bool) -> Any:
    try:
        from sklearn.base import clone
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    except ImportError as error:
        raise ImportError("held_out_score trains predictors of scikit-learn: pip install 'jaxgan[tables]'") from error
    if given is not None:
        return clone(given)
    forest = RandomForestRegressor if continuous else RandomForestClassifier
    return forest(100, min_samples_leaf=5, random_state=0)


def _score(model: Any, x: np.ndarray, y: np.ndarray, positive: str | None) -> float:
    """Returns R^2 of numbers, the area under the ROC curve where there is a positive category, or accuracy."""
    if y.dtype.kind in "iuf":
        return float(model.score(x, y))
    if positive is None:
        return float(model.score(x, y.astype(str)))
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y.astype(str) == positive, model.predict_proba(x)[:, [*model.classes_].index(positive)]))


def _features(rows: Columns, held_out: Columns, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a predictor is shown of both, [N, F] and [M, F]."""
    parts: list[tuple[np.ndarray, ...]] = []
    for name in rows:
        sides = [np.asarray(columns[name]) for columns in (rows, held_out)]
        if name == target:
            continue
        if sides[1].dtype.kind in "iuf":
            mean, std = float(sides[1].mean()), float(sides[1].std()) or 1.0
            parts.append(tuple(((x.astype(np.float64) - mean) / std)[:, None] for x in sides))
        else:
            kinds = objects(dict.fromkeys([*sides[1].tolist(), *sides[0].tolist()]))
            parts.append(tuple((x[:, None] == kinds).astype(np.float64) for x in sides))
    return tuple(np.concatenate([part[side] for part in parts], axis=1) for side in (0, 1))  # type: ignore[return-value]


def _coded(real: Columns, fake: Columns, bins: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns both sides of every column as numbers of bins or categories, [N] and [M] int."""
    _check(real, fake)
    if bins < 2:
        raise ValueError(f"columns of numbers need bins >= 2; got {bins}")
    codes = dict[str, tuple[np.ndarray, np.ndarray]]()
    for name in real:
        one, other = np.asarray(real[name]), np.asarray(fake[name])
        if one.dtype.kind in "iuf":
            edges = np.unique(np.quantile(one, np.linspace(0, 1, bins + 1)[1:-1]))
            codes[name] = (np.searchsorted(edges, one, side="left"), np.searchsorted(edges, other, side="left"))
        else:
            place = {v: k for k, v in enumerate(dict.fromkeys([*one.tolist(), *other.tolist()]))}
            numbers = [np.array([place[v] for v in side.tolist()]) for side in (one, other)]
            codes[name] = (numbers[0], numbers[1])
    return codes


def _shares(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = 1 + int(max(one.max(), other.max()))
    return np.bincount(one, minlength=size) / len(one), np.bincount(other, minlength=size) / len(other)


def _variation(p: np.ndarray, q: np.ndarray) -> float:
    return 0.5 * float(np.abs(p - q).sum())


def _rank_correlations(columns: list[np.ndarray]) -> np.ndarray:
    """Returns Spearman's coefficients [C, C]; of a column that does not vary, 0."""
    ranks = []
    for x in columns:
        _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[inverse])
    r = np.stack(ranks) - np.mean(ranks, axis=1, keepdims=True)
    scale = np.sqrt(np.sum(r * r, axis=1))
    r = r / np.where(scale > 0, scale, 1.0)[:, None]
    return r @ r.T


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(real: Columns, fake: Columns) -> None:
    if list(real) != list(fake) or not real:
        raise ValueError(f"tables must have the same columns in one order; got {list(real)} and {list(fake)}")
    for name in real:
        one, other = np.asarray(real[name]), np.asarray(fake[name])
        if (one.dtype.kind in "iuf") != (other.dtype.kind in "iuf") or not len(one) or not len(other):
            raise ValueError(f"column {name!r} is {one.dtype} {one.shape} and {other.dtype} {other.shape}: one kind")
        if one.dtype.kind == "f" and not np.isfinite(np.sum(one) + np.sum(other.astype(np.float64))):
            raise ValueError(f"column {name!r} has numbers that are not finite; tables of gaps are compared by masks")
