"""The series of a run, `metrics.jsonl`, and how they are sorted into charts."""

from __future__ import annotations

from pathlib import Path

from jaxgan.report.read import mapping, parsed

Metrics = dict[str, tuple[list[int], list[float]]]  # by name: (steps, values), equally long, steps rising

AXES = {  # what the vertical axis of a quantity says; a quantity that is not here says its name
    "loss": "loss (minimised by its player)",
    "logits": "logits (mean)",
    "probability": "probability (mean, 0 to 1)",
    "frechet_distance": "Fréchet distance (lower is better)",
    "precision": "precision (share, higher is better)",
    "recall": "recall (share, higher is better)",
    "accuracy": "accuracy (share, higher is better)",
    "high_quality": "high-quality share (higher is better)",
    "reverse_kl": "reverse KL (nats, lower is better)",
    "classes": "classes that appear",
    "modes": "modes covered",
}


def read_metrics(run: Path) -> Metrics:
    """Reads the series of `run/metrics.jsonl` by name; torn lines and values that are not numbers are skipped.

    Where a step was logged twice (a resumed run repeats the steps after its checkpoint) the later row counts.

    Args:
      run: a run folder; without a metrics.jsonl there are no series.
    Returns:
      By "<player>/<quantity>", (steps, values) in rising order of steps; values may be infinite or NaN.
    """
    path = Path(run) / "metrics.jsonl"
    series: dict[str, dict[int, float]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        row = mapping(parsed(line))
        step = row.pop("step", None)
        if isinstance(step, int):
            for name, value in row.items():
                if isinstance(value, (int, float)):
                    series.setdefault(name, {})[step] = float(value)
    return {name: (sorted(points), [points[s] for s in sorted(points)]) for name, points in series.items()}


def grouped(metrics: Metrics) -> dict[str, Metrics]:
    """Sorts series into charts, by axis label: losses of all players, quality figures one by one, the rest by quantity.

    `real_` and `fake_` before a quantity are read as two series of one chart.
    """
    groups: dict[str, Metrics] = {}
    for name, points in metrics.items():
        player, _, quantity = name.rpartition("/")
        if player != "quality":
            quantity = quantity.removeprefix("real_").removeprefix("fake_")
        label = AXES.get(quantity, quantity.replace("_", " "))
        groups.setdefault(label, {})[name] = points
    return groups
