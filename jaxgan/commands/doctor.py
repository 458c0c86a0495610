"""Names what ails a run, with evidence and remedies, also while it goes on.

Command: jaxgan doctor RUN [--flag value ...]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
import tyro

import jaxgan as jg
from jaxgan.data import Source
from jaxgan.diagnose import Finding, Measurements, Spectrum, diagnose, examine, spectrum, variety
from jaxgan.diagnose.record import History
from jaxgan.report import read_metrics
from jaxgan.runs.experiment import Experiment, as_pictures, principal, sample_inputs, with_labels
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.folder import write_json
from jaxgan.runs.loading import held_out, load
from jaxgan.runs.tables import save
from jaxgan.types import Batch, Network, System, TrainState, name_index

TRAINING = 5000  # training examples, at most, among which samples look for their nearest


@dataclass(frozen=True)
class Doctor:
    """What to examine, and how thoroughly."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint
    samples: int = 1000  # samples that are compared with as many real examples
    spectrum: bool = True  # eigenvalues of the game around the checkpoint; the slow part with convolutions
    eigenvalues: int = 4  # at each end of the spectrum
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


class Subject(NamedTuple):
    """A game to be examined."""

    networks: Mapping[str, Network]
    system: System
    state: TrainState
    source: Source  # what it is trained on
    size: int  # examples in a batch of the train step
    seed: int  # of the data
    history: History
    held_out: Source | None = None  # real examples that are not trained on
    inputs: Callable[[int], Mapping[str, Any]] | None = None  # n -> what n samples are asked with; None: by labels


class Examination(NamedTuple):
    """What was measured, and what follows."""

    measured: Measurements
    findings: list[Finding]


def examination(subject: Subject, samples: int) -> Examination:
    """Measures a game and names what ails it.

    Args:
      subject: whom.
      samples: that are compared with as many real examples, >= 2.
    Returns:
      Examination. Samples are those of the averaged generator where it is kept; copies are looked for in a finite
      source.
    Raises:
      ValueError: samples is too small, or the source does not fit the game.
    """
    if samples < 2:
        raise ValueError(f"--samples must be at least 2; got {samples}")
    source, state = subject.source, subject.state
    asked = subject.inputs is not None and subject.held_out is not None  # answers, to be compared with right ones
    source = subject.held_out if asked and subject.held_out else source
    real, fake = _examples(source, samples, subject.seed), _fake(subject, samples)
    compared = None
    if np.isfinite(fake).all() and len(fake) > 1:
        training = None if source.size is None else _examples(source, min(source.size, TRAINING), subject.seed)
        held_out = _examples(subject.held_out, samples, subject.seed) if subject.held_out else None
        compared = variety(real, fake, training, held_out)
    measured = examine(subject.networks, subject.system, state, _batch(subject), compared)
    return Examination(measured, diagnose(measured, subject.history))


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    return reported(lambda: doctor(parse(Doctor, words, "jaxgan doctor", __doc__)))


def doctor(flags: Doctor) -> int:
    """Examines a run, prints what ails it, and writes `RUN/doctor.json` and `RUN/doctor.png`.

    Args:
      flags: which run and checkpoint, and how thoroughly.
    Returns:
      0, whether or not anything ails the run.
    Raises:
      ValueError: the folder is no run, has no such checkpoint, or its data cannot be read.
    """
    trained = load(flags.run, flags.step, file=flags.module)
    module, config, built, state, size, *_ = trained
    history, networks, system = read_metrics(flags.run), built.game.networks, built.game.system
    if networks is None or system is None:
        raise ValueError(f"the game of {flags.run} does not say what it is made of; make it by jg.game")
    source, kept_back = module.source(config), held_out(trained)
    subject = Subject(networks, system, state, source, size, config.seed, history, kept_back, built.inputs)
    result = examination(subject, flags.samples)
    around, trouble = None, "not asked for"
    if flags.spectrum:
        try:
            around = spectrum(networks, system, state, _batch(subject), count=flags.eigenvalues)
        except ValueError as error:  # a loss may have no second derivative, and the rest still counts
            trouble = str(error)
    print("\n".join(_lines(flags.run, int(state.step), result, around, trouble, history)))
    write_json(flags.run / "doctor.json", _page(int(state.step), result, around))
    try:
        print(draw(flags.run / "doctor.png", result, around, history))
    except ImportError:
        print("no doctor.png: install the extra 'experiments' (matplotlib) for it")
    return 0


def draw(path: Path, result: Examination, around: Spectrum | None, history: History) -> Path:
    """Draws the spectrum, and the curves that the findings rest on.

    Raises:
      ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    (losses, logits), (figures, plane) = figure.subplots(2, 2)
    figure.suptitle(", ".join(finding.name for finding in result.findings) or "nothing ails this run")
    _curves(losses, "loss", {name: series for name, series in history.items() if name.endswith("/loss")})
    _curves(logits, "logits (mean)", {name: series for name, series in history.items() if name.endswith("_logits")})
    quality = {name: series for name, series in history.items() if name.startswith("quality/")}
    _curves(figures, "quality / its largest value", {n: (s, _relative(v)) for n, (s, v) in quality.items()})
    plane.set(xlabel="real part", ylabel="imaginary part", title="eigenvalues of the game's flow")
    plane.axvline(0.0, color="grey", linewidth=0.8)
    if around is not None:
        plane.plot(around.eigenvalues.real, around.eigenvalues.imag, "o", markersize=4)
    save(figure, path)
    return path


def _curves(axes: Any, title: str, series: History) -> None:
    for name, (steps, values) in series.items():
        axes.plot(steps, values, label=name, linewidth=1.0)
    axes.set(xlabel="step", ylabel=title)
    if series:
        axes.legend(fontsize=7)


def _relative(values: Sequence[float]) -> list[float]:
    finite = [abs(value) for value in values if np.isfinite(value)]
    return [value / (max(finite, default=1.0) or 1.0) for value in values]


def _lines(
    run: Path, step: int, result: Examination, around: Spectrum | None, trouble: str, history: History
) -> list[str]:
    lines = [f"{run} at step {step}"]
    for finding in result.findings:
        lines += [f"{finding.name} ({finding.severity}): {finding.evidence}", f"  try {', '.join(finding.remedies)}"]
    if not result.findings:
        lines.append("nothing ails this run")
    rows = max((len(steps) for steps, _ in history.values()), default=0)
    lines.append(f"examined: {rows} rows of metrics.jsonl; {_measured(result.measured)}")
    if around is None:
        return [*lines, f"local convergence not examined: {trouble}"]
    first = around.eigenvalues[0] if around.eigenvalues.size else complex("nan")
    stable = (
        f"contract at rates below {around.rate:.3g}"
        if around.rate
        else "would contract at no rate, which is no fault of a run that does not play so: most optimizers differ"
    )
    lines.append(
        f"local convergence: leading eigenvalue {first.real:.3g} {first.imag:+.3g}i, fastest rotation "
        f"{np.abs(around.eigenvalues.imag).max(initial=0.0):.3g}; simultaneous gradient steps {stable}"
        f"{'' if around.converged else ' (Arnoldi did not find all that were asked for)'}"
    )
    return lines


def _measured(measured: Measurements) -> str:
    parts = [f"gradient of the {name} {norm:.3g}" for name, norm in measured.gradients.items()]
    if logits := measured.logits:
        parts.append(f"real above fake {logits.separation:.1%} of the time, slope passed on {logits.passed:.2g}")
    if compared := measured.variety:
        avoided = f"{compared.missing:.0%} of {compared.groups} groups avoided"
        parts.append(f"spread of samples {compared.spread:.2f} of real, {avoided}")
        parts.append(f"birthday batch {compared.birthday:.2f} of real")
        parts.append(
            "no training set to copy from" if compared.nearness is None else f"nearness {compared.nearness:.2f}"
        )
    for name, layers in measured.normalisation.items():
        parts.append(f"units of the {name} without gradient {layers.dead:.0%}")
    return ", ".join(parts)


def _page(step: int, result: Examination, around: Spectrum | None) -> dict[str, Any]:
    page: dict[str, Any] = {"step": step, "findings": [finding._asdict() for finding in result.findings]}
    measured = result.measured
    page["measured"] = {
        "gradients": measured.gradients,
        "parameters": measured.parameters,
        "normalisation": {name: one._asdict() for name, one in measured.normalisation.items()},
        "logits": measured.logits and measured.logits._asdict(),
        "variety": measured.variety and measured.variety._asdict(),
    }
    if around is not None:
        pairs = [[float(value.real), float(value.imag)] for value in around.eigenvalues]
        page["spectrum"] = {"eigenvalues": pairs, "rate": around.rate, "converged": around.converged}
    return page


def _batch(subject: Subject) -> Batch:
    read = jg.data.batch_at(subject.source, subject.size, subject.seed)
    return read(int(subject.state.step))


def _examples(source: Source, n: int, seed: int) -> np.ndarray:
    """Returns n examples [n, ...]: evenly spread over a finite source, or drawn from a density."""
    if source.size is None:
        return np.asarray(principal(jg.data.batch_at(source, n, seed)(0)))
    return np.asarray(principal(jg.data.evenly(source, min(n, source.size))))


def _fake(subject: Subject, n: int) -> np.ndarray:
    game = jg.game(subject.networks, subject.system)
    key = jax.random.fold_in(subject.state.key, name_index("doctor"))
    experiment = Experiment(game, classes=subject.source.classes, inputs=subject.inputs)
    inputs = sample_inputs(with_labels(experiment, subject.source), n)
    return as_pictures(jg.sample(game, subject.state, key, n=n, **inputs))
