"""How a figure was measured, kept beside it: figures of different protocols are neither compared nor ranked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Better = Literal["lower", "higher", "nearer to 1"]
NORMALIZATIONS = ("running", "batch", "standing")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """All that a figure depends on besides the generator that is judged.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.Protocol("mine", "digits", "test", 0, 90, (8, 8, 1), "none", "pixels", "none", True, None, seed=0)
      Traceback (most recent call last):
          ...
      ValueError: protocol 'mine' needs real >= 1 and fake >= 1; got 0 and 90
    """

    name: str  # of the protocol, by which people speak of it: "digits-held-out"
    dataset: str  # what the real examples are
    split: str  # of the data set: "train", "test", "all"
    real: int  # real examples compared with, >= 1
    fake: int  # samples compared, >= 1
    size: tuple[int, ...]  # (H, W, C) of the images that were compared, or the shape of other examples
    resizer: str  # how images reach the feature network: "none", "tf1 bilinear 299x299", ...
    features: str  # the feature network, by name and layer
    weights: str  # SHA-256 of its weights, or "none" where it has none
    averaged: bool | None  # samples by averaged parameters; None: not known, for samples from a folder
    normalization: Literal["running", "batch", "standing"] | None  # statistics of the generator; None: not known
    seed: int  # of latents, subsets and resamples
    labels: Literal["data", "equal"] | None = None  # of samples: in whose shares; None: none

    def __post_init__(self) -> None:
        """Checks counts and the way of normalisation."""
        if self.real < 1 or self.fake < 1:
            raise ValueError(f"protocol {self.name!r} needs real >= 1 and fake >= 1; got {self.real} and {self.fake}")
        if self.normalization not in (*NORMALIZATIONS, None):
            raise ValueError(f"protocol {self.name!r} has normalization={self.normalization!r}; use {NORMALIZATIONS}")


class Figure(NamedTuple):
    """A measured number, with all that is needed to compare it.

    Example:
      >>> import jaxgan as jg
      >>> how = ("mine", "digits", "test", 90, 90, (8, 8, 1), "none", "pixels", "none", True, None)
      >>> protocol = jg.metrics.Protocol(*how, seed=0)
      >>> jg.metrics.Figure("recall", 0.5, 0.4, 0.6, "higher", protocol).low
      0.4
    """

    metric: str  # "frechet_distance", "recall", ...
    value: float
    low: float  # of its confidence interval; NaN where none was estimated
    high: float
    better: Better
    protocol: Protocol

    def __repr__(self) -> str:
        """Says what was measured, in a line; `described(figure.protocol)` says how."""
        name = self.protocol.name if isinstance(self.protocol, Protocol) else "?"
        return f"Figure({self.metric} {in_words(self)}, {self.better} is better, by {name!r})"


class Difference(NamedTuple):
    """How two figures of one protocol differ."""

    value: float  # of the first, less the second
    apart: bool | None  # their intervals do not meet; None where one has no interval
    better: bool  # the first is


def in_words(figure: Figure) -> str:
    """Returns the number and its interval, four digits each: `0.5 [0.4, 0.6]`."""
    known = not (math.isnan(figure.low) or math.isnan(figure.high))
    return f"{figure.value:.4g}" + (f" [{figure.low:.4g}, {figure.high:.4g}]" if known else "")


def differing(a: Protocol, b: Protocol) -> dict[str, tuple[Any, Any]]:
    """Returns the fields in which two protocols differ, each with both values; empty for equal protocols."""
    pairs = {f.name: (getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(Protocol)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def compare(a: Figure, b: Figure) -> Difference:
    """Compares two figures.

    Intervals that do not meet are far apart: a stricter test than a difference that is significant at their level.

    Example:
      >>> import jaxgan as jg
      >>> how = ("mine", "digits", "test", 90, 90, (8, 8, 1), "none", "pixels", "none", True, None)
      >>> protocol = jg.metrics.Protocol(*how, seed=0)
      >>> one, other = (jg.metrics.Figure("recall", x, x - 0.1, x + 0.1, "higher", protocol) for x in (0.5, 0.75))
      >>> jg.metrics.compare(one, other)
      Difference(value=-0.25, apart=True, better=False)

    Args:
      a: one figure.
      b: another, of the same metric and protocol.
    Returns:
      Difference: a less b.
    Raises:
      ValueError: they are of different metrics, or of different protocols (every field that differs is named).
    """
    if (a.metric, a.better) != (b.metric, b.better):
        raise ValueError(f"{a.metric!r} ({a.better} is better) and {b.metric!r} ({b.better}) cannot be compared")
    if fields := differing(a.protocol, b.protocol):
        differences = "; ".join(f"{name} {x!r} and {y!r}" for name, (x, y) in fields.items())
        raise ValueError(
            f"{a.metric} of different protocols cannot be compared: {differences}. Measure both by the same one"
        )
    known = not any(map(math.isnan, (a.low, a.high, b.low, b.high)))
    apart = (a.low > b.high or b.low > a.high) if known else None
    difference = a.value - b.value
    return Difference(difference, apart, cost(a) < cost(b))


def rank(figures: Mapping[str, Figure]) -> list[str]:
    """Returns the names of figures from best to worst; equal ones in their given order.

    Example:
      >>> import jaxgan as jg
      >>> how = ("mine", "digits", "test", 90, 90, (8, 8, 1), "none", "pixels", "none", True, None)
      >>> protocol = jg.metrics.Protocol(*how, seed=0)
      >>> one, other = (jg.metrics.Figure("recall", x, x - 0.1, x + 0.1, "higher", protocol) for x in (0.5, 0.75))
      >>> jg.metrics.rank({"one": one, "other": other})
      ['other', 'one']

    Raises:
      ValueError: there is none, one is NaN, or they are of different metrics or protocols.
    """
    if not figures:
        raise ValueError("there are no figures to rank")
    first = next(iter(figures.values()))
    for name, figure in figures.items():
        compare(first, figure)
        if math.isnan(figure.value):
            raise ValueError(f"the {figure.metric} of {name!r} is NaN and has no rank")
    return sorted(figures, key=lambda name: cost(figures[name]))


def cost(figure: Figure) -> float:
    """Returns a number that is the lower, the better a figure is; a ratio that should be 1 costs its log's size."""
    if figure.better == "nearer to 1":
        return abs(math.log(figure.value)) if figure.value > 0 else math.inf
    return figure.value if figure.better == "lower" else -figure.value


def described(protocol: Protocol) -> str:
    """Returns the protocol in words, one line, to print beside a figure.

    Example:
      >>> import jaxgan as jg
      >>> how = ("mine", "digits", "test", 90, 80, (8, 8, 1), "none", "pixels", "none", True, None)
      >>> protocol = jg.metrics.Protocol(*how, seed=0)
      >>> jg.metrics.described(protocol).split("; ")[0]
      'mine: 80 samples (averaged parameters) against 90 of digits [test], 8x8x1'
    """
    weights = "" if protocol.weights == "none" else f" ({protocol.weights[:12]})"
    generator = {None: "parameters not known", True: "averaged parameters", False: "plain parameters"}
    normalised = f", {protocol.normalization} statistics" if protocol.normalization else ""
    by = generator[protocol.averaged] + normalised
    labels = {None: "", "data": ", labels in the shares of the training data", "equal": ", labels in equal shares"}
    shape = "x".join(map(str, protocol.size))
    return (
        f"{protocol.name}: {protocol.fake} samples ({by}{labels[protocol.labels]}) "
        f"against {protocol.real} of {protocol.dataset} [{protocol.split}], {shape}; "
        f"features: {protocol.features}{weights}, "
        f"resize: {protocol.resizer}; seed {protocol.seed}"
    )


def to_json(figure: Figure) -> dict[str, Any]:
    """Returns a figure as plain JSON values; an unknown interval end is null."""
    page: dict[str, Any] = figure._asdict() | {"protocol": dataclasses.asdict(figure.protocol)}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in page.items()
    }


def from_json(page: Mapping[str, Any]) -> Figure:
    """Reads what `to_json` wrote.

    Raises:
      ValueError: a field is missing, unknown or of another type.
    """
    try:
        counts, words = ("real", "fake", "seed"), ("name", "dataset", "split", "resizer", "features", "weights")
        protocol = dict(page["protocol"])
        typed = [(protocol[name], int) for name in counts] + [(protocol[name], str) for name in words]
        typed += [(size, int) for size in protocol["size"]] + [(page["metric"], str), (page["better"], str)]
        if wrong := [value for value, kind in typed if not isinstance(value, kind)]:
            raise TypeError(f"{wrong[0]!r} is of another type")
        protocol["size"] = tuple(protocol["size"])
        numbers = {name: math.nan if page[name] is None else float(page[name]) for name in ("value", "low", "high")}
        return Figure(page["metric"], **numbers, better=page["better"], protocol=Protocol(**protocol))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"not a figure with its protocol: {error}") from error
