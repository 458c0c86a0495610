"""Evaluation: samples against real examples by any of the metrics, each figure with its interval and its protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import metrics
from jaxgan.metrics.bootstrap import SHARE, Range
from jaxgan.metrics.protocol import Better, Figure, Protocol, compare, described, from_json, in_words
from jaxgan.pages import read_page
from jaxgan.sample import grid
from jaxgan.types import html_table

PICTURED = 8  # samples shown beside the training examples nearest to them
COMPARED = 64  # pairs of images in memory at once
FEW = 10  # resamples of a metric that takes seconds
NEIGHBOURS = 7  # training examples shown beside each


class Figures(dict[str, Figure]):
    """Figures by name, which show themselves with their intervals and protocols, in a terminal and in a notebook."""

    def __repr__(self) -> str:
        """Returns `table`, and how all was measured."""
        return "\n".join([table(self), *self._protocols()])

    def _repr_html_(self) -> str:
        """Shows a row for each figure."""
        rows = [(name.replace("_", " "), in_words(figure), figure.better) for name, figure in self.items()]
        words = "".join(f"<p>{escape(each)}</p>" for each in self._protocols())
        return f"{html_table(('figure', 'value [95 % interval]', 'better'), rows)}{words}"

    def _protocols(self) -> list[str]:
        return list(dict.fromkeys(described(figure.protocol) for figure in self.values()))


class Examples(NamedTuple):
    """A set of examples as metrics see it."""

    x: np.ndarray | None  # [N, ...] examples: images [N, H, W, C] in [-1, 1], or points [N, D]; None: not kept
    features: np.ndarray  # [N, F]
    probabilities: np.ndarray | None = None  # [N, K], where a classifier is at hand


def kept(examples: Examples) -> np.ndarray:
    """Returns the examples themselves.

    Raises:
      ValueError: only their features were kept.
    """
    if examples.x is None:
        raise ValueError("this metric looks at the examples themselves; only their features were kept")
    return examples.x


class Sides(NamedTuple):
    """What a metric may compare."""

    real: Examples
    fake: Examples
    training: Examples | None  # what the generator was trained on, where it is known
    seed: int


class Measure(NamedTuple):
    """A metric by name: what it gives, and what it needs."""

    better: dict[str, Better]  # its figures, and which way each is better
    measure: Callable[[Sides], dict[str, float]]
    needs: frozenset[str] = (
        frozenset()
    )  # of "images", "probabilities", "training", and "pairs" (real i is the truth of fake i)
    dear: bool = False  # takes seconds: its interval is a rough one, of FEW resamples


def _frechet(sides: Sides) -> dict[str, float]:
    return {"frechet_distance": metrics.fid(sides.real.features, sides.fake.features)}


def _kernel(sides: Sides) -> dict[str, float]:
    return {"kernel_distance": metrics.kid(sides.real.features, sides.fake.features)}


def _inception_score(sides: Sides) -> dict[str, float]:
    given = sides.fake.probabilities
    return {"inception_score": math.nan if given is None else metrics.inception_score(given, splits=1).mean}


def _precision_recall(sides: Sides) -> dict[str, float]:
    return metrics.precision_recall(sides.real.features, sides.fake.features, k=3)._asdict()


def _density_coverage(sides: Sides) -> dict[str, float]:
    return metrics.density_coverage(sides.real.features, sides.fake.features, k=5)._asdict()


def _sliced(sides: Sides) -> dict[str, float]:
    key = jax.random.key(sides.seed)  # a sixteenth of the paper's work: it is done again for the interval
    distance = metrics.laplacian_swd(kept(sides.real), kept(sides.fake), key, patches=32, directions=128)
    return {"sliced_wasserstein": distance.mean}


def _prd(sides: Sides) -> dict[str, float]:
    curve = metrics.prd(sides.real.features, sides.fake.features, sides.seed)
    return {"prd_f8": curve.f_8, "prd_f1_8": curve.f_1_8}


def _bins(sides: Sides) -> dict[str, float]:
    bins = metrics.fit_bins(
        sides.real.features, jax.random.key(sides.seed), bins=max(2, len(sides.real.features) // 20)
    )
    return {"ndb_share": metrics.ndb(bins, sides.fake.features).share}


def _two_sample(sides: Sides) -> dict[str, float]:
    key = jax.random.key(sides.seed)
    return {
        "two_sample_accuracy": metrics.classifier_two_sample_test(
            sides.real.features, sides.fake.features, key
        ).accuracy
    }


def _diversity(sides: Sides) -> dict[str, float]:
    return {"ms_ssim": metrics.diversity(kept(sides.fake), jax.random.key(sides.seed)).mean}


def _memorization(sides: Sides) -> dict[str, float]:
    if sides.training is None:
        return {"copies": math.nan, "authenticity": math.nan}
    train, fake = sides.training.features, sides.fake.features
    return {
        "copies": metrics.copies(train, sides.real.features, fake).share,
        "authenticity": metrics.authenticity(train, fake),
    }


def _patches(sides: Sides) -> dict[str, float]:
    return {"patch_distance": metrics.patch_distance(kept(sides.fake), kept(sides.real))}


def _sharpness(sides: Sides) -> dict[str, float]:
    return {"gradient_energy_ratio": metrics.gradient_energy_ratio(kept(sides.fake), kept(sides.real))}


def _pixels(sides: Sides) -> dict[str, float]:
    fake, real = kept(sides.fake), kept(sides.real)
    return {"psnr": metrics.psnr(fake, real), "l1": float(np.mean(np.abs(fake - real)))}


def _structure(sides: Sides) -> dict[str, float]:
    fake, real = kept(sides.fake), kept(sides.real)
    rows = [slice(start, start + COMPARED) for start in range(0, len(fake), COMPARED)]
    values = [np.asarray(metrics.ssim(jnp.asarray(fake[part]), jnp.asarray(real[part]))) for part in rows]
    return {"ssim": float(np.mean(np.concatenate(values)))}


def _agreement(sides: Sides) -> dict[str, float]:
    known = [side.probabilities for side in (sides.real, sides.fake)]
    if known[0] is None or known[1] is None:
        return {"agreement": math.nan}
    return {"agreement": float(np.mean(np.argmax(known[0], axis=1) == np.argmax(known[1], axis=1)))}


IMAGE_PAIRS = frozenset({"images", "pairs"})
MEASURES: dict[str, Measure] = {
    "frechet": Measure({"frechet_distance": "lower"}, _frechet),
    "kernel": Measure({"kernel_distance": "lower"}, _kernel),
    "precision_recall": Measure({"precision": "higher", "recall": "higher"}, _precision_recall),
    "density_coverage": Measure({"density": "higher", "coverage": "higher"}, _density_coverage),
    "prd": Measure({"prd_f8": "higher", "prd_f1_8": "higher"}, _prd, dear=True),
    "ndb": Measure({"ndb_share": "lower"}, _bins),
    "two_sample": Measure({"two_sample_accuracy": "lower"}, _two_sample, dear=True),
    "inception_score": Measure({"inception_score": "higher"}, _inception_score, frozenset({"probabilities"})),
    "sliced_wasserstein": Measure({"sliced_wasserstein": "lower"}, _sliced, frozenset({"images"}), dear=True),
    "ms_ssim": Measure({"ms_ssim": "lower"}, _diversity, frozenset({"images"}), dear=True),
    "memorization": Measure({"copies": "lower", "authenticity": "higher"}, _memorization, frozenset({"training"})),
    "patches": Measure({"patch_distance": "lower"}, _patches, frozenset({"images"}), dear=True),
    "sharpness": Measure({"gradient_energy_ratio": "nearer to 1"}, _sharpness, IMAGE_PAIRS),
    "pixels": Measure({"psnr": "higher", "l1": "lower"}, _pixels, IMAGE_PAIRS),
    "ssim": Measure({"ssim": "higher"}, _structure, IMAGE_PAIRS, dear=True),
    "agreement": Measure({"agreement": "higher"}, _agreement, frozenset({"pairs", "probabilities"})),
}


RANGES: dict[str, Range] = {  # of figures that cannot be any number
    **dict.fromkeys(("precision", "recall", "coverage", "ndb_share"), SHARE),
    **dict.fromkeys(("two_sample_accuracy", "copies", "authenticity", "agreement"), SHARE),
    **dict.fromkeys(("frechet_distance", "density", "sliced_wasserstein"), Range(low=0.0)),
    **dict.fromkeys(("patch_distance", "gradient_energy_ratio", "l1"), Range(low=0.0)),
    **dict.fromkeys(("prd_f8", "prd_f1_8"), Range(0.0, 1.0)),
    "inception_score": Range(low=1.0),
    **dict.fromkeys(("ms_ssim", "ssim"), Range(-1.0, 1.0)),
}


def chosen(names: Iterable[str], available: set[str]) -> list[str]:
    """Returns the metrics that were asked for; of "all", those that what is available allows.

    Args:
      names: of MEASURES, or "all".
      available: of "images", "probabilities", "training", "pairs".
    Raises:
      ValueError: there is no name, one is unknown, or a metric needs what is not available.
    """
    asked = list(dict.fromkeys(names))
    if not asked:
        raise ValueError(f"no metric is asked for; choose of {', '.join(MEASURES)}, or all")
    if "all" in asked:
        return [name for name, measure in MEASURES.items() if measure.needs <= available]
    for name in asked:
        if name not in MEASURES:
            raise ValueError(f"unknown metric {name!r}; choose of {', '.join(MEASURES)}, or all")
        if missing := MEASURES[name].needs - available:
            raise ValueError(f"the metric {name!r} needs {', '.join(sorted(missing))}, which are not at hand here")
    return asked


def evaluate(
    real: Examples,
    fake: Examples,
    protocol: Protocol,
    names: Iterable[str],
    training: Examples | None = None,
    resamples: int = 50,
    seed: int = 0,
    progress: Callable[[str], None] = lambda name: None,
) -> Figures:
    """Measures samples by several metrics.

    Args:
      real: real examples that the generator has not seen, best of all.
      fake: samples.
      protocol: how both came about; stored in every figure.
      names: of MEASURES, as `chosen` returns them.
      training: what the generator was trained on, for "memorization".
      resamples: for the 95 % intervals (`metrics.bootstrap`), >= 10, each measures once more; 0: none. These tell
        how far a figure depends on which examples were drawn, real and fake, not on the seed of the training.
      seed: of subsets, directions and resamples.
      progress: called with each metric's name before it is measured.
    Returns:
      By name, Figure; its interval is NaN without resamples. They show themselves as a table.
    Raises:
      ValueError: a metric's, such as for features that are not finite.
    """
    figures = Figures()
    for name in names:
        progress(name)
        measure = MEASURES[name]
        values = measure.measure(Sides(real, fake, training, seed))
        known = _intervals(measure, Sides(real, fake, training, seed), resamples)
        for figure, better in measure.better.items():
            low, high = known.get(figure, (math.nan, math.nan))
            figures[figure] = Figure(figure, float(values[figure]), low, high, better, protocol)
    return figures


def _intervals(measure: Measure, sides: Sides, resamples: int) -> dict[str, tuple[float, float]]:
    """Returns the ends of each figure's interval, by name; nothing without resamples."""
    if not resamples:
        return {}

    def on_rows(real: np.ndarray, *others: np.ndarray) -> tuple[float, ...]:
        fake = others[0] if others else real  # pairs are drawn together
        values = measure.measure(sides._replace(real=_rows(sides.real, real), fake=_rows(sides.fake, fake)))
        return tuple(values[figure] for figure in measure.better)

    rows = [np.arange(len(sides.real.features)), np.arange(len(sides.fake.features))]
    rows = rows[:1] if "pairs" in measure.needs else rows
    resamples = min(resamples, FEW) if measure.dear else resamples
    within = [RANGES.get(figure, Range()) for figure in measure.better]
    ends = metrics.bootstrap(on_rows, *rows, seed=sides.seed, resamples=resamples, within=within)
    return {figure: (end.low, end.high) for figure, end in zip(measure.better, ends, strict=True)}


def _rows(examples: Examples, rows: np.ndarray) -> Examples:
    x, known = (None if part is None else part[rows] for part in (examples.x, examples.probabilities))
    return Examples(x, examples.features[rows], known)


def read_figures(path: Path) -> Figures:
    """Reads the figures of an `evaluation.json`, as `jaxgan evaluate` writes it.

    Raises:
      ValueError: the file is none.
    """
    try:
        return Figures({name: from_json(figure) for name, figure in read_page(path, figures=dict)["figures"].items()})
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no evaluation.json: {error}") from error


def table(figures: Mapping[str, Figure], other: Mapping[str, Figure] | None = None) -> str:
    """Returns figures as lines of text, beside those of another set of samples.

    Raises:
      ValueError: figures of both are of different protocols.
    """
    lines = []
    for name, figure in figures.items():
        arrow = {"lower": "v", "higher": "^", "nearer to 1": "1"}[figure.better]
        line = f"{name.replace('_', ' '):>22} {arrow} {in_words(figure)}"
        if other is not None and name in other:
            difference = compare(figure, other[name])
            verdict = "better" if difference.better else "worse" if difference.value else "equal"
            sure = {True: "", False: " (intervals overlap)", None: ""}[difference.apart]
            line += f"   against {in_words(other[name])}   {verdict}{sure}"
        lines.append(line.rstrip())
    return "\n".join(["                       (v lower is better, ^ higher, 1 nearer to 1; [95 % interval])", *lines])


def nearest_picture(samples: np.ndarray, training: Iterable[np.ndarray]) -> np.ndarray | None:
    """Returns samples, each beside the training examples nearest to it in pixels, as one picture; None for points.

    Args:
      samples: [N, H, W, C] in [-1, 1]; the first PICTURED are shown.
      training: chunks [n, H, W, C] of what the generator was trained on; one is held at a time.
    """
    first, near = samples[:PICTURED], samples[:0]
    if samples.ndim != 4:
        return None
    for chunk in training:
        pool = np.concatenate([near, chunk])
        neighbours = metrics.nearest_training(first, pool, k=min(NEIGHBOURS, len(pool)))
        near = pool[np.unique(neighbours.indices)]
    neighbours = metrics.nearest_training(first, near, k=min(NEIGHBOURS, len(near)))
    return grid(metrics.neighbour_rows(first, near, neighbours), columns=1 + neighbours.indices.shape[1])


def draw(
    path: Path,
    figures: Mapping[str, Figure],
    other: Mapping[str, Figure] | None = None,
    names: tuple[str, str] = ("", ""),
    nearest: np.ndarray | None = None,
) -> Path:
    """Draws figures with their intervals, one small axis each, and samples beside their nearest training examples.

    Args:
      path: the picture to write.
      figures: what was measured.
      other: the same of another set of samples.
      names: of both.
      nearest: a picture of samples and their neighbours, uint8.
    Returns:
      path.
    Raises:
      ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure as Picture

    shown = list(figures.values())
    rows = math.ceil(len(shown) / 2)
    picture = Picture(figsize=(9, 0.9 * rows + (4 if nearest is not None else 0.6)), layout="constrained")
    heights = [1] * rows + ([4] if nearest is not None else [])
    spaces = picture.add_gridspec(len(heights), 2, height_ratios=heights)
    for place, figure in enumerate(shown):
        axes = picture.add_subplot(spaces[place // 2, place % 2])
        compared = [(names[0], figure)] + (
            [(names[1], other[figure.metric])] if other and figure.metric in other else []
        )
        for height, (_, each) in enumerate(compared):
            known = not math.isnan(each.low)
            error = [[each.value - each.low], [each.high - each.value]] if known else None
            axes.errorbar(each.value, -height, xerr=np.abs(error) if error else None, fmt="o", capsize=4)
        axes.set(
            ylim=(-len(compared) + 0.4, 0.6), title=f"{figure.metric.replace('_', ' ')} ({figure.better} is better)"
        )
        axes.set_yticks([-height for height in range(len(compared))], [name for name, _ in compared], fontsize=7)
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3, axis="x")
    if nearest is not None:
        axes = picture.add_subplot(spaces[rows, :])
        axes.imshow(nearest, cmap="gray" if nearest.shape[-1] == 1 else None)
        axes.set(title="samples (left), and the training examples nearest to each in pixels", xticks=[], yticks=[])
        axes.title.set_fontsize(9)
    picture.savefig(path, dpi=120, format="png")
    return path
