"""Measures samples of a run, or pictures, against real examples.

Pictures are a folder, a zip of one, a .npy or .npz file, tfds:NAME or hf:FOLDER.

Command: jaxgan evaluate RUN [--flag value ...]
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import jax
import numpy as np
import tyro

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.data.opened import FORMS, NAMED
from jaxgan.data.pixels import Size
from jaxgan.evaluation import (
    MEASURES,
    PICTURED,
    Examples,
    Sides,
    chosen,
    draw,
    evaluate,
    nearest_picture,
    read_figures,
    table,
)
from jaxgan.metrics import extractors
from jaxgan.metrics.extractors import Extractor
from jaxgan.metrics.protocol import Figure, Protocol, described, to_json
from jaxgan.metrics.standing import standing_statistics
from jaxgan.metrics.variation import NEARLY_CONSTANT
from jaxgan.runs.experiment import Experiment, Shares, as_pictures, principal, sample_inputs, shares
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.folder import write_json
from jaxgan.runs.judging import PIXELS, JudgedBy, seen_through
from jaxgan.runs.loading import Trained, held_out, inputs_in_words, load

CHUNK = 128  # real pictures in memory at once
DRAWN = 1024  # samples in memory at once
STANDING = (16, 64)  # batches and samples in each, to estimate standing statistics with


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """What to measure, and how."""

    judged: Annotated[Path, tyro.conf.Positional]  # a run (runs/EXPERIMENT/ID), or pictures
    pictures: Annotated[Path | None, tyro.conf.Positional] = None  # real pictures, instead of --reference
    metrics: tuple[str, ...] = ("frechet", "kernel", "precision_recall", "density_coverage")  # or "all" that apply
    reference: str = "held-out"  # real examples: "held-out" or "train" of the run, or pictures
    split: str = "train"  # of real pictures that have splits: tfds:NAME, hf:FOLDER, .npz
    against: Path | None = None  # another run or pictures, measured the same way; or an evaluation.json
    n: int = 1000  # samples, and at most so many real examples
    features: Literal["auto", "digits", "inception", "efficientnet_lite0", "pixels"] = "auto"  # auto: the run's judge
    weights: Path | None = None  # of Inception: .pth, .safetensors or .npz
    resize: Literal["tf1", "clean"] = "tf1"  # how pictures reach Inception: as the original FID, or antialiased
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint of a run
    averaged: bool = True  # samples by averaged parameters, where the run keeps them
    normalization: Literal["running", "batch", "standing"] = "running"  # batch statistics of a run's generator
    size: int | str | None = None  # side, or HEIGHTxWIDTH, to crop and resize pictures to; as they are if not given
    resamples: int = 50  # for the intervals; 0: none
    seed: int = 0  # of latents, subsets and resamples
    out: Path | None = None  # folder for evaluation.json and .png; the run itself, or a new ./evaluation, -2, -3, ...
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


class Side(NamedTuple):
    """One set of examples, to be measured or to measure by. They are read when they are needed, chunk by chunk."""

    name: str
    split: str  # "train", "held-out", "all" of a folder, "samples" of a run
    size: int  # how many
    shape: tuple[int, ...]  # of one example
    chunks: Callable[[], Iterator[np.ndarray]]  # reads or draws them: [n, ...] each, the same at every call
    averaged: bool | None = None
    normalization: Literal["running", "batch", "standing"] | None = None
    labels: Shares | None = None  # of samples by class


class Features(NamedTuple):
    """What the metrics see of examples."""

    name: str
    weights: str  # SHA-256, or "none"
    resizer: str
    extract: Callable[[np.ndarray], np.ndarray]  # examples [N, ...] -> features [N, F]
    probabilities: Callable[[np.ndarray], np.ndarray] | None  # examples [N, ...] -> [N, K]


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    return reported(lambda: evaluate_command(parse(Evaluate, words, "jaxgan evaluate", __doc__)))


def evaluate_command(flags: Evaluate) -> int:
    """Measures what the flags ask for, prints a table and writes `evaluation.json` and `evaluation.png`.

    Returns:
      0.
    Raises:
      ValueError: flags that do not fit together, or examples that cannot be measured.
      FileNotFoundError: no such weight file.
    """
    _check(flags)
    run = load(flags.judged, flags.step, file=flags.module) if _is_run(flags.judged) else None
    paired = bool(run and run.experiment.truth and not flags.pictures and flags.reference == "held-out")
    if run and paired:  # as many inputs as there are truths, in one order
        flags = dataclasses.replace(flags, n=min(flags.n, run.module.held_out(run.config).size or flags.n))
    judged = _side(flags.judged, flags, flags.size)
    real = _reference(flags, run, judged)
    training = _training(flags, run)
    features = _features(flags, judged, run)
    available = {"images": len(judged.shape) == 3, "probabilities": features.probabilities, "training": training}
    available["pairs"] = paired and judged.size == real.size
    wanted = chosen(flags.metrics, {name for name, there in available.items() if there})
    protocol = Protocol(
        name=f"{real.split} {real.name}",
        dataset=real.name,
        split=real.split,
        real=real.size,
        fake=judged.size,
        size=judged.shape,
        resizer=features.resizer,
        features=features.name,
        weights=features.weights,
        averaged=judged.averaged,
        normalization=judged.normalization,
        seed=flags.seed,
        labels=judged.labels,
    )
    needed = frozenset[str]().union(*(MEASURES[name].needs for name in wanted))
    print(f"{flags.judged} against {real.size} of {real.name} [{real.split}], by {features.name}", flush=True)
    known = _extracted(real, features, needed)
    learned = _extracted(training, features, needed) if training and "training" in needed else None

    def measured(side: Side, protocol: Protocol) -> dict[str, Figure]:
        examples = _extracted(side, features, needed)
        if warning := _constant(side, real):
            print(warning, flush=True)
        return _figures(flags, wanted, Sides(known, examples, learned, flags.seed), protocol)

    figures = measured(judged, protocol)
    other: dict[str, Figure] | None = None
    if flags.against and flags.against.suffix == ".json":
        other = read_figures(flags.against)
    elif flags.against:
        side = _side(flags.against, flags, judged.shape[:2])
        same = dataclasses.replace(
            protocol, averaged=side.averaged, normalization=side.normalization, fake=side.size, labels=side.labels
        )
        print(f"{flags.against}", flush=True)
        other = measured(side, same)
    print(f"{table(figures, other)}\n{described(protocol)}")
    return _write(flags, figures, other, nearest_picture(_first(judged), training.chunks()) if training else None)


def _training(flags: Evaluate, run: Trained | None) -> Side | None:
    """Returns what a run was trained on, where it still is: only two things need it, so that its loss stops nothing."""
    if run is None or _translates(run):
        return None
    try:
        return _examples(run.module.source(run.config), flags, "train")
    except (ValueError, OSError) as error:
        print(f"without the training data (copies, authenticity, nearest examples): {error}", flush=True)
        return None


def _translates(run: Trained) -> bool:
    """Tells whether samples are answers to what the data hold, and no copies of it: they are asked with its entries."""
    return bool(run.experiment.inputs and (inputs_in_words(run).keys() - {"y"}) & run.example.keys())


def _extracted(side: Side, features: Features, needed: frozenset[str]) -> Examples:
    """Reads a side once, and keeps of each example what the metrics need."""
    extracted, probable, examples = [], [], []
    for chunk in side.chunks():
        extracted.append(features.extract(chunk))
        if features.probabilities and "probabilities" in needed:  # another pass through a large network
            probable.append(features.probabilities(chunk))
        if "images" in needed:
            examples.append(chunk)
    whole = [np.concatenate(parts) if parts else None for parts in (examples, probable)]
    return Examples(whole[0], np.concatenate(extracted), whole[1])


def _figures(flags: Evaluate, wanted: Sequence[str], sides: Sides, protocol: Protocol) -> dict[str, Figure]:
    """Measures by each metric; one that these examples do not allow is left out with a word, and so is an interval."""
    figures: dict[str, Figure] = {}
    errors: list[str] = []
    for name in wanted:
        print(f"  {name.replace('_', ' ')}", flush=True)
        for resamples in dict.fromkeys((flags.resamples, 0)):
            try:
                measured = evaluate(
                    sides.real, sides.fake, protocol, [name], sides.training, resamples=resamples, seed=flags.seed
                )
            except ValueError as error:
                errors.append(f"{name.replace('_', ' ')}: {error}")
                continue
            if resamples != flags.resamples:
                print(f"  no interval for {errors.pop()}; --n of more pictures allows one", flush=True)
            figures |= measured
            break
        else:
            print(f"  left out {errors[-1]}", flush=True)
    if not figures:
        raise ValueError(f"nothing could be measured of {sides.fake.features.shape[0]} pictures: {errors[-1]}")
    return figures


def _first(side: Side) -> np.ndarray:
    return next(side.chunks())[:PICTURED]


def _constant(side: Side, real: Side) -> str | None:
    """Says that samples are nearly one and the same, which figures of quality alone do not see."""
    share = metrics.variation(next(side.chunks()), next(real.chunks()))
    if share >= NEARLY_CONSTANT:
        return None
    return (
        f"  {side.name} is nearly constant: its examples vary by {share:.1%} of what the real ones do, pixel by pixel. "
        "Precision and density may be high all the same; look at recall and coverage, and at the pictures"
    )


def _check(flags: Evaluate) -> None:
    if flags.n < 4 or (flags.resamples and flags.resamples < 10):
        raise ValueError(f"evaluate needs --n >= 4, and --resamples 0 or >= 10; got {flags.n} and {flags.resamples}")
    if (flags.features == "inception") != bool(flags.weights) and flags.features != "auto":
        raise ValueError("--features inception and --weights FILE belong together")
    if not (flags.judged.exists() or str(flags.judged).startswith(NAMED)):
        raise ValueError(f"{flags.judged} is neither the folder of a run (runs/EXPERIMENT/ID) nor pictures: {FORMS}")


def _is_run(path: Path) -> bool:
    return (path / "config.json").is_file()


def _reference(flags: Evaluate, run: Trained | None, judged: Side) -> Side:
    """Reads the real examples that the judged ones are compared with."""
    if flags.pictures or flags.reference not in ("held-out", "train"):
        size = judged.shape[:2] if run else flags.size
        return _pictures(flags.pictures or Path(flags.reference), flags, size, judged.shape[-1], flags.split)
    if run is None:
        raise ValueError(f"{flags.judged} is no run, so it has no data to compare with; name real pictures beside it")
    if flags.reference == "train":
        return _examples(run.module.source(run.config), flags, "train")
    kept_back = held_out(run)
    if kept_back is None:
        raise ValueError(f"{flags.judged} has no held-out data; use --reference train, or name pictures")
    return _examples(kept_back, flags, "held-out")


def _examples(source: Source, flags: Evaluate, split: str) -> Side:
    """Up to n examples of a source, evenly spread; of a density, n fresh draws."""
    n = min(flags.n, source.size or flags.n)
    index = np.linspace(0, (source.size or n) - 1, n).astype(np.int64)

    def chunks() -> Iterator[np.ndarray]:
        for rows in np.split(np.arange(n), range(CHUNK, n, CHUNK)):
            yield np.asarray(principal(source.read(jg.data.Draw(flags.seed, rows, index[rows]))))

    shape = next(chunks()).shape[1:]
    return Side(source.name, split, n, shape, chunks)


def _pictures(path: Path, flags: Evaluate, size: Size | None, channels: int = 3, split: str = "train") -> Side:
    # Read chunk by chunk, and not kept.
    source = jg.data.open_data(path, size=size, channels=channels, split=split, memory=0)
    return _examples(source, flags, split if source.name.startswith((*NAMED, "npz:")) else "all")


def _side(path: Path, flags: Evaluate, size: Size | None) -> Side:
    """Draws samples of a run, or reads pictures."""
    if not _is_run(path):
        return _pictures(path, flags, size)
    run = load(path, flags.step, file=flags.module)
    game, state = run.experiment.game, run.state
    key = jax.random.key(flags.seed)
    averaged = flags.averaged and bool(state.ema)
    state = state._replace(ema=state.ema if averaged else {})
    if flags.normalization == "standing":
        batches, rows = STANDING
        inputs, own = _asked(run.experiment, batches * rows, flags.seed), jax.random.fold_in(key, 1)
        if inputs.keys() - {"y"}:
            raise ValueError(f"--normalization standing knows labels alone; {path} is asked with {sorted(inputs)}")
        state = standing_statistics(game, state, own, batches=batches, batch_size=rows, y=inputs.get("y"))
    if flags.normalization == "batch" and (rehearse := game.rehearse):
        game = game._replace(generate=lambda state, key, inputs: rehearse(state, key, inputs)[0])
    asked = _asked(run.experiment, flags.n, flags.seed)

    @functools.lru_cache(maxsize=1)  # the first is drawn for its shape already, and often there is no other
    def drawn(start: int) -> np.ndarray:
        n = min(DRAWN, flags.n - start)
        inputs = jax.tree.map(lambda leaf: leaf[start : start + n], dict(asked))
        return as_pictures(jg.sample(game, state, jax.random.fold_in(key, start) if start else key, n=n, **inputs))

    def chunks() -> Iterator[np.ndarray]:
        return map(drawn, range(0, flags.n, DRAWN))

    name = f"{path} at step {int(state.step)}"
    labels = shares(run.experiment)
    return Side(name, "samples", flags.n, drawn(0).shape[1:], chunks, averaged, flags.normalization, labels)


def _asked(experiment: Experiment, n: int, seed: int) -> dict[str, Any]:
    """Returns what samples are asked with, labels shuffled: a batch of them that is normalised by itself is mixed."""
    inputs = sample_inputs(experiment, n)
    if shares(experiment):
        inputs["y"] = np.random.default_rng(seed).permutation(inputs["y"])
    return inputs


def _features(flags: Evaluate, judged: Side, run: Trained | None) -> Features:
    """Chooses the feature network: the run's own judge, or what was asked for, and never another."""
    judge = flags.judged / "judge.npz"
    if len(judged.shape) == 1:
        return Features("coordinates", "none", "none", np.asarray, None)
    if flags.features == "pixels":
        return _from_extractor(extractors.function("pixels", lambda x: x.reshape(len(x), -1)))
    if flags.features in ("auto", "digits") and judge.is_file() and not flags.weights:
        classifier = metrics.load_classifier(judge)
        return _from_extractor(extractors.digits_classifier(classifier), lambda x: metrics.probabilities(classifier, x))
    by: Any = getattr(run.config, "judged_by", None) if run and flags.features == "auto" else None
    own = seen_through(by) if by in get_args(JudgedBy) and not flags.weights else None
    if own and own.name == PIXELS:
        return _from_extractor(own)
    if own or flags.features == "efficientnet_lite0":
        logits = extractors.efficientnet_lite0("logits")
        pooled = own or extractors.efficientnet_lite0()
        return _from_extractor(pooled, lambda x: _softmax(extractors.extract(logits, x)))
    if flags.weights:
        logits = extractors.inception(flags.weights, "logits_unbiased", flags.resize)
        pooled = extractors.inception(flags.weights, "2048", flags.resize)
        return _from_extractor(pooled, lambda x: _softmax(extractors.extract(logits, x)))
    raise ValueError(
        "choose what the pictures are seen through: --weights FILE (Inception, for an FID), --features "
        "efficientnet_lite0 or --features pixels" + (" (this run keeps no judge.npz)" if _is_run(flags.judged) else "")
    )


def _from_extractor(extractor: Extractor, probabilities: Callable[[np.ndarray], np.ndarray] | None = None) -> Features:
    weights = extractor.sha256 or "none"
    return Features(
        extractor.name, weights, extractor.resize, lambda x: extractors.extract(extractor, x), probabilities
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    from scipy.special import softmax  # a tenth of a second of start-up for whoever does not come here

    return softmax(logits.astype(np.float64), axis=1)


def _unused(path: Path) -> Path:
    """Returns the path, or the first of path-2, path-3, ... that does not exist: what was measured before stays."""
    numbered = (path.with_name(f"{path.name}-{k}") for k in itertools.count(2))
    return next(place for place in itertools.chain([path], numbered) if not place.exists())


def _write(
    flags: Evaluate, figures: dict[str, Figure], other: dict[str, Figure] | None, nearest: np.ndarray | None
) -> int:
    out = flags.out or (flags.judged if _is_run(flags.judged) else _unused(Path("evaluation")))
    out.mkdir(parents=True, exist_ok=True)
    page: dict[str, Any] = {"judged": str(flags.judged), "figures": {name: to_json(f) for name, f in figures.items()}}
    if other:
        page |= {"against": str(flags.against), "figures_against": {name: to_json(f) for name, f in other.items()}}
    write_json(out / "evaluation.json", page)
    print(out / "evaluation.json")
    names = (flags.judged.name, flags.against.name if flags.against else "")
    try:
        print(draw(out / "evaluation.png", figures, other, names, nearest))
    except ImportError:
        print("no evaluation.png: install the extra 'experiments' (matplotlib) for it")
    return 0
