"""Charts as inline SVG: our own lines and bars, without script or library, in the colours of their page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Series = Mapping[str, tuple[Sequence[int], Sequence[float]]]  # by name: (steps, values), equally long

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 240, 62, 22, 14, 44  # pixels; the last four are margins of the plot
TEXT, LINE = 12, 17  # pixels: height of letters, and of a line of the legend; a telephone shows them at 10.5 and 15
LETTER = 7  # pixels across, of a digit
POINTS = 400  # points drawn per line; longer series are averaged
COLOURS = ("#3b76c4", "#d9730d", "#2f9e62", "#b5489a", "#8a6d1b", "#5a5fcf")  # legible on light and on dark

DASHES = ("6 3", "2 2", "8 2 2 2")  # of lines beyond the first six, which have colours of their own


def line_chart(series: Series, x_label: str, y_label: str) -> str:
    """Draws one line per series over common axes, with a legend; gaps are left where values are not finite.

    Args:
      series: by name, (steps, values); more than POINTS points are averaged over equal runs of neighbours.
      x_label: what the horizontal axis counts.
      y_label: what the vertical axis measures, with its unit.
    Returns:
      An `<svg>` element that is well-formed XML, or a paragraph when no value is finite.
    """
    lines = {name: _thinned(*points) for name, points in series.items()}
    finite = [(x, y) for points in lines.values() for x, y in points if math.isfinite(y)]
    if not finite:
        return f"<p>{escape(y_label)}: no finite value yet</p>"
    x_ticks, y_ticks = _ticks(*_range([x for x, _ in finite])), _ticks(*_range([y for _, y in finite]))
    parts = _axes(x_ticks, y_ticks, x_label, y_label)
    for i, points in enumerate(lines.values()):
        colour = COLOURS[i % len(COLOURS)]
        for run in _runs(points):
            pixels = [(_across(x, x_ticks), _up(y, y_ticks)) for x, y in run]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
            parts.append(f'<polyline points="{path}" fill="none" stroke-width="1.5" {_stroke(i)}/>')
            if len(run) <= 30:
                parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{colour}"/>' for x, y in pixels]
    return _svg(parts, HEIGHT, y_label, list(lines))


def bar_chart(counts: Sequence[float], x_label: str, y_label: str) -> str:
    """Draws one bar per class, from zero, each with its count.

    Args:
      counts: [K] counts, >= 0.
      x_label: what the classes are.
      y_label: what is counted.
    Returns:
      An `<svg>` element that is well-formed XML.
    """
    x_ticks, y_ticks = [-0.5, len(counts) - 0.5], _ticks(0.0, max([*counts, 1.0]))
    parts = _axes([], y_ticks, x_label, y_label)
    longest = max(len(f"{count:g}") for count in counts)
    for k, count in enumerate(counts):
        left, right, top = _across(k - 0.4, x_ticks), _across(k + 0.4, x_ticks), _up(count, y_ticks)
        size = f'width="{right - left:.1f}" height="{HEIGHT - BOTTOM - top:.1f}"'
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{COLOURS[0]}"><title>{k}: {count:g}</title></rect>'
        )
        middle, room = (left + right) / 2, 1.25 * (right - left)
        if LETTER * len(f"{len(counts) - 1}") < room:
            parts.append(_text(middle, HEIGHT - BOTTOM + 15, f"{k}"))
        if LETTER * longest < room:
            parts.append(_text(middle, top - 3, f"{count:g}"))
    return _svg(parts, HEIGHT, y_label, [])


def _stroke(i: int) -> str:
    """Returns the colour of the i-th line, and its dashes where the colours begin again."""
    again = i // len(COLOURS)
    dashes = f' stroke-dasharray="{DASHES[(again - 1) % len(DASHES)]}"' if again else ""
    return f'stroke="{COLOURS[i % len(COLOURS)]}"{dashes}'


def _svg(parts: list[str], height: float, title: str, legend: list[str]) -> str:
    for i, name in enumerate(legend):
        y = height + LINE * i + 8
        parts.append(f'<path d="M{LEFT} {y - 4}h22" stroke-width="3" {_stroke(i)}/>')
        parts.append(_text(LEFT + 28, y, name, anchor="start"))
    height += LINE * len(legend)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    return f'{head} aria-label="{escape(title)}" font-size="{TEXT}">' + "".join(parts) + "</svg>"


def _axes(x_ticks: list[float], y_ticks: list[float], x_label: str, y_label: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for y in y_ticks:
        y_pixel = _up(y, y_ticks)
        parts.append(f'<path d="M{LEFT} {y_pixel:.1f}H{right}" stroke="currentColor" stroke-opacity="0.15"/>')
        parts.append(_text(LEFT - 6, y_pixel + 4, f"{y:.4g}", anchor="end"))
    parts += [_text(_across(x, x_ticks), bottom + 15, f"{x:,.0f}") for x in x_ticks]
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="currentColor"/>')
    parts.append(_text((LEFT + right) / 2, HEIGHT - 10, x_label))
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 12 {middle})"'
    return [*parts, _text(12, middle, y_label, extra=turned)]


def _text(x: float, y: float, text: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" {extra}>{escape(text)}</text>'


def _across(x: float, ticks: list[float]) -> float:
    return LEFT + (x - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)


def _up(y: float, ticks: list[float]) -> float:
    return HEIGHT - BOTTOM - (y - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - BOTTOM - TOP)


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.5 * abs(low) or 0.5
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high)) else (low - margin, high + margin)


def _ticks(low: float, high: float) -> list[float]:
    """Returns round, equally spaced values that enclose [low, high]."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def _thinned(steps: Sequence[int], values: Sequence[float]) -> list[tuple[float, float]]:
    run = math.ceil(len(steps) / POINTS) or 1
    starts = range(0, len(steps), run)
    return [(sum(s := steps[i : i + run]) / len(s), sum(v := values[i : i + run]) / len(v)) for i in starts]


def _runs(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Returns the points split where a value is not finite."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
