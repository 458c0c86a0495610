"""The training loop: the only one in Python. It keeps the device busy, looks at what comes back, and stops cleanly.

Step n + 1 is dispatched before the metrics of step n are read, so that reading them costs no device time. Whatever
needs the state itself (samples, evaluation, checkpoints) is a hook, called between two steps.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan import data
from jaxgan.guard import CHANGING, SKIPPED, is_finite
from jaxgan.types import Batch, Metrics, TrainState, by_path
from jaxgan.watchdog import Alive

DURING = "during "  # how the note begins that `train` adds to whatever ends it: "during step 7 of 100"

Form = dict[str, tuple[tuple[int, ...], Any]]  # shape and dtype of the arrays of a batch
Log = Callable[[int, Mapping[str, float]], None]  # (step, values by name)


class NonFiniteError(ArithmeticError):
    """A metric or the state stopped being finite; the message names the step and the value."""


class Hook(NamedTuple):
    """Something to do with the state every so many steps, and at the last one."""

    every: int
    call: Callable[[int, TrainState], Mapping[str, float] | None]  # (completed steps, state) -> values to log, or None


class Ending(NamedTuple):
    """How training ended."""

    state: TrainState
    reason: str | None  # what `stop` returned; None: all steps are done
    skipped: tuple[int, ...] = ()  # the steps whose update was not finite (`guarded`), and was not made


class Safety(NamedTuple):
    """What training is watched for."""

    check_every: int = 1000  # the first batch, and every so many, are checked on the host (`data.check_batch`)
    classes: int = 0  # number of labels that batches carry
    max_skips: int = 10  # of a guarded step (`guard.guarded`), how many updates in a row may be skipped
    # Called before every step and hook, as by `watchdog.watchdog`: (what begins, times the usual limit it may take).
    alive: Alive = lambda what, factor: None


SAFETY = Safety()


def train(
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]],
    state: TrainState,
    batches: Iterator[Batch],
    steps: int,
    *,
    hooks: Sequence[Hook] = (),
    log: Log | None = None,
    stop: Callable[[], str | None] = lambda: None,
    safety: Safety = SAFETY,
) -> Ending:
    """Trains from a state up to a number of completed steps.

    Args:
      train_step: compiled, (state, batch) -> (state, metrics); may donate the state.
      state: where to begin; `batches` begin at its step.
      batches: one for each step to come, from `data.batches(..., start=int(state.step))`.
      steps: completed steps at the end; nothing happens if the state has them already.
      hooks: called in order, when the metrics so far are known to be finite, and so is the state.
      log: receives every step's metrics, one step late, and what hooks return.
      stop: asked after every step; a reason ends the training there.
      safety: checks and limits. The first step, which compiles, and hooks may take ten times as long as other steps.
    Returns:
      Ending, with the state after the last completed step.
    Raises:
      NonFiniteError: a metric, or the state at a hook, is not finite; or too many updates in a row were skipped.
      ValueError: a batch is not what networks expect or of another form than the first, the batches end early, or a
        hook's interval or `max_skips` is not positive.
    """
    _check_settings(hooks, safety)
    pending: list[tuple[int, Metrics]] = []  # at most one step's, still on the device
    skipped: list[int] = []
    now, form, first = "the start", Form(), int(state.step) + 1

    def read(keep: int) -> None:
        while len(pending) > keep:
            values = _read(*pending.pop(0), skipped, safety.max_skips)
            if log:
                log(*values)

    def check(step: int) -> None:
        read(keep=0)
        if broken := _non_finite(state):
            raise NonFiniteError(f"step {step}: {broken} of the train state is not finite")

    def begin(what: str, factor: float) -> None:
        nonlocal now
        now = what
        safety.alive(what, factor)

    try:
        for step in range(first, steps + 1):
            begin(f"step {step}", 10.0 if step == first else 1.0)
            batch = _next(batches, step, steps)
            if step == first or step % safety.check_every == 0:
                _check(batch, safety.classes, step)
            form = _same_form(batch, form, step)
            state, metrics = train_step(state, batch)
            pending.append((step, metrics))
            due = [hook for hook in hooks if step % hook.every == 0 or step == steps]
            if due:
                check(step)
            read(keep=1)
            for hook in due:
                begin(f"what is done after step {step}", 10.0)
                values = hook.call(step, state)
                if values and log:
                    log(step, values)
            if reason := stop():
                check(step)
                return Ending(state, reason, tuple(skipped))
        check(steps)
    except NonFiniteError:  # names its step itself
        raise
    except BaseException as error:  # what a peer's death or a file raises does not know of steps
        error.add_note(f"{DURING}{now} of {steps}")
        raise
    return Ending(state, None, tuple(skipped))


def plateau(figures: Sequence[float], patience: int, lower_is_better: bool = True) -> bool:
    """Tells whether a quality figure has not improved for a number of evaluations.

    Args:
      figures: one for each evaluation so far, in order; NaN is no improvement.
      patience: how many evaluations without a new best are enough, >= 1.
      lower_is_better: which way is better.
    Returns:
      True if none of the last `patience` figures is better than the best before them.
    Raises:
      ValueError: patience is not positive.
    """
    if patience < 1:
        raise ValueError(f"plateau needs patience >= 1; got {patience}")
    costs = [figure if lower_is_better else -figure for figure in figures]
    costs = [math.inf if math.isnan(cost) else cost for cost in costs]
    return len(costs) > patience and min(costs[-patience:]) >= min(costs[:-patience])


def reached(figures: Sequence[float], target: float, lower_is_better: bool = True) -> bool:
    """Tells whether the last figure is as good as a target; NaN never is, and neither is an empty sequence."""
    return bool(figures) and (figures[-1] <= target if lower_is_better else figures[-1] >= target)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], str | None]]:
    """Catches Ctrl-C and SIGTERM for the length of a block, so that the step under way can be finished and saved.

    A second signal acts at once, as if nothing had been caught. Outside the main thread nothing is caught.

    Yields:
      The `stop` of `train`: the name of the signal that came ("SIGINT", "SIGTERM"), or None.
    """
    received: list[str] = []
    caught = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in caught}

    def remember(number: int, frame: Any) -> None:
        received.append(signal.Signals(number).name)
        for each in caught:
            signal.signal(each, before[each])

    for number in caught:
        signal.signal(number, remember)
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_settings(hooks: Sequence[Hook], safety: Safety) -> None:
    if bad := [hook.every for hook in hooks if hook.every < 1]:
        raise ValueError(f"hooks need every >= 1; got {bad}")
    if safety.max_skips < 1:
        raise ValueError(f"train needs max_skips >= 1; got {safety.max_skips}")


def _next(batches: Iterator[Batch], step: int, steps: int) -> Batch:
    batch = next(batches, None)
    if batch is None:
        raise ValueError(f"the batches ended at step {step} of {steps}; give an endless iterator (data.batches)")
    return batch


def _read(step: int, metrics: Metrics, skipped: list[int], max_skips: int) -> tuple[int, dict[str, float]]:
    """Fetches a step's metrics from the device; notes a skipped update, and raises where there were too many."""
    values = {name: float(value) for name, value in _fetched(metrics).items()}
    wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
    what = ", ".join(f"{name} is {value}" for name, value in wrong.items()) or "the train state is not finite"
    if values.pop(SKIPPED, 0.0):
        skipped.append(step)
        if skipped[-max_skips:] == list(range(step - max_skips + 1, step + 1)):
            raise NonFiniteError(f"step {step}: {what}; {max_skips} updates in a row were skipped")
        return step, {SKIPPED: 1.0}
    if wrong:
        raise NonFiniteError(f"step {step}: {what}")
    return step, values


def _fetched(metrics: Metrics) -> Mapping[str, Any]:
    """Returns metrics on the host: one by one where they are there already, which is eight times as fast."""
    if jax.default_backend() == "cpu":
        return {name: np.asarray(value) for name, value in metrics.items()}
    return jax.device_get(metrics)


def _check(batch: Batch, classes: int, step: int) -> None:
    """Checks a batch; NaN in a later one than the very first is left to the guard.

    An uninterrupted run skips such a batch. If it were refused here, a run that goes on before it never could.
    """
    arrays = [leaf for leaf in jax.tree.leaves(batch) if isinstance(leaf, np.ndarray | jax.Array)]
    floating = [np.asarray(leaf) for leaf in arrays if jax.numpy.issubdtype(leaf.dtype, np.floating)]
    if step == 1 or all(np.isfinite(leaf).all() for leaf in floating):
        data.check_batch(batch, classes)


def _same_form(batch: Batch, form: Form, step: int) -> Form:
    """Returns shapes and dtypes of a batch; raises where they are not those of the first: each costs a compilation."""
    this: Form = {name: (np.shape(x), getattr(x, "dtype", type(x).__name__)) for name, x in by_path(batch).items()}
    for name in sorted(this.keys() | form.keys()) if form and this != form else ():
        one, other = (f"{x[name][1]} {x[name][0]}" if name in x else "missing" for x in (this, form))
        if one != other:
            remedy = "all batches of a run have one shape and dtype (data.batches drops and pads none)"
            raise ValueError(f"batch[{name!r}] is {one} at step {step}, where the first was {other}; {remedy}")
    return this


def _non_finite(state: TrainState) -> str | None:
    """Returns the path of a leaf that is not finite, or None; one scalar crosses to the host where all is well."""
    if jax.jit(is_finite)(state):
        return None
    nothing = state._replace(params={}, model_state={}, opt_state={}, ema={}, ema_state={})
    for field in CHANGING:
        for path, leaf in jax.tree_util.tree_leaves_with_path({field: getattr(state, field)}):
            alone: dict[str, Any] = {field: {"": leaf}}
            if not is_finite(nothing._replace(**alone)):
                return jax.tree_util.keystr(path, simple=True, separator="/")
    return None
