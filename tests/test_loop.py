"""The loop: what is called when, what is read when, and how it ends."""

import itertools
import math
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import data, loop
from jaxgan.loop import Hook, NonFiniteError, Safety, plateau, reached, stop_on_signals, train

BATCH = {"x": np.zeros((2, 2), np.float32)}


def state_at(step, w=0.0, opt_state=None):
    return jg.TrainState(
        step=jnp.asarray(step, jnp.int32),
        key=jax.random.key(0),
        params={"net": {"w": jnp.full((2,), w)}},
        model_state={"net": {}},
        opt_state=opt_state or {},
        ema={},
    )


def counting(state, batch):
    """A step that does nothing but count; its metric is the number of the step."""
    state = state._replace(step=state.step + 1)
    return state, {"player/loss": state.step.astype(jnp.float32)}


def forever():
    return itertools.repeat(BATCH)


# Hooks and metrics


def test_hooks_run_at_their_steps_and_at_the_last():
    calls = []
    hooks = [
        Hook(3, lambda step, state: calls.append(("three", step, int(state.step)))),
        Hook(2, lambda step, state: calls.append(("two", step, int(state.step)))),
    ]
    ending = train(counting, state_at(0), forever(), 7, hooks=hooks)
    assert calls == [
        *[("two", 2, 2), ("three", 3, 3), ("two", 4, 4)],
        *[("three", 6, 6), ("two", 6, 6), ("three", 7, 7), ("two", 7, 7)],
    ]
    assert (int(ending.state.step), ending.reason) == (7, None)


def test_what_hooks_return_is_logged_after_the_metrics_of_that_step():
    rows = []
    hook = Hook(2, lambda step, state: {"quality/score": 1.0} if step == 2 else None)
    train(counting, state_at(0), forever(), 4, hooks=[hook], log=lambda step, values: rows.append((step, dict(values))))
    losses = [(step, {"player/loss": float(step)}) for step in (1, 2, 3, 4)]
    assert rows == [*losses[:2], (2, {"quality/score": 1.0}), *losses[2:]]


class Watched:
    """A metric that writes down when it is read."""

    def __init__(self, step, events):
        self.step, self.events = step, events

    def __float__(self):
        self.events.append(("read", self.step))
        return float(self.step)


def test_the_next_step_is_dispatched_before_metrics_are_read(monkeypatch):
    events = []
    monkeypatch.setattr(loop.jax, "device_get", lambda metrics: metrics)

    def step(state, batch):
        state = state._replace(step=state.step + 1)
        events.append(("dispatched", int(state.step)))
        return state, {"player/loss": Watched(int(state.step), events)}

    train(step, state_at(0), forever(), 4)
    assert events == [
        *[("dispatched", 1), ("dispatched", 2), ("read", 1), ("dispatched", 3), ("read", 2)],
        *[("dispatched", 4), ("read", 3), ("read", 4)],
    ]


def test_hooks_see_no_state_whose_metrics_are_unread():
    """A checkpoint must not be taken of a step whose loss turns out not to be finite."""
    saved = []

    def step(state, batch):
        state, _ = counting(state, batch)
        return state, {"player/loss": jnp.where(state.step == 4, jnp.nan, 1.0)}

    with pytest.raises(NonFiniteError, match="step 4: player/loss is nan"):
        train(step, state_at(0), forever(), 9, hooks=[Hook(2, lambda step, state: saved.append(step))])
    assert saved == [2]


# Not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("when", [1, 3, 5])
def test_a_metric_that_is_not_finite_stops(value, when):
    def step(state, batch):
        state, _ = counting(state, batch)
        return state, {"good/loss": jnp.ones(()), "bad/loss": jnp.where(state.step == when, value, 1.0)}

    with pytest.raises(NonFiniteError, match=rf"^step {when}: bad/loss is {value}$"):
        train(step, state_at(0), forever(), 5)


def test_a_state_that_is_not_finite_is_found_before_a_hook():
    saved = []

    def step(state, batch):
        state, metrics = counting(state, batch)
        broken = jnp.where(state.step >= 3, jnp.array([0.0, jnp.nan]), jnp.zeros(2))
        return state._replace(params={"net": {"w": broken}}), metrics

    with pytest.raises(NonFiniteError, match="step 4: params/net/w of the train state is not finite"):
        train(step, state_at(0), forever(), 9, hooks=[Hook(2, lambda step, state: saved.append(step))])
    assert saved == [2]


def test_a_state_that_is_not_finite_is_found_when_stopping():
    """Whoever stopped will save this state as the newest checkpoint."""

    def step(state, batch):
        state, metrics = counting(state, batch)
        return state._replace(params={"net": {"w": jnp.full(2, jnp.nan)}}), metrics

    with pytest.raises(NonFiniteError, match="step 1: params/net/w"):
        train(step, state_at(0), forever(), 9, stop=lambda: "SIGTERM")


@pytest.mark.parametrize(
    ("name", "opt_state"),
    [
        ("key", {"p": jax.random.key(1)}),  # optax.add_noise keeps a key
        ("flag", {"p": jnp.array(True)}),  # optax.apply_if_finite keeps flags
        ("count", {"p": jnp.zeros((), jnp.int32)}),
        ("empty", {"p": optax.EmptyState()}),
    ],
)
def test_any_state_can_be_looked_at(name, opt_state):
    seen = []
    train(counting, state_at(0, opt_state=opt_state), forever(), 1, hooks=[Hook(1, lambda s, _: seen.append(s))])
    assert seen == [1]


# How it ends


def test_a_reason_to_stop_ends_after_that_step():
    rows = []
    reasons = iter([None, None, "enough"])
    ending = train(
        counting, state_at(0), forever(), 9, stop=lambda: next(reasons), log=lambda step, values: rows.append(step)
    )
    assert (int(ending.state.step), ending.reason) == (3, "enough")
    assert rows == [1, 2, 3]  # all of them read


def test_it_goes_on_from_the_state():
    steps = []
    ending = train(counting, state_at(5), forever(), 8, log=lambda step, values: steps.append(step))
    assert steps == [6, 7, 8]
    assert int(ending.state.step) == 8


def test_nothing_happens_to_a_state_that_is_done():
    def never(*_):
        raise AssertionError

    ending = train(never, state_at(8), iter(()), 8, hooks=[Hook(1, never)], log=never)
    assert (int(ending.state.step), ending.reason) == (8, None)


def test_batches_that_end_early_are_an_error():
    with pytest.raises(ValueError, match="batches ended at step 3 of 5; give an endless iterator"):
        train(counting, state_at(0), iter([BATCH, BATCH]), 5)


def test_only_as_many_batches_are_taken_as_steps():
    batches = itertools.count()
    given = (BATCH for _ in batches)
    train(counting, state_at(0), given, 3)
    assert next(batches) == 3


def test_hooks_need_a_positive_interval():
    with pytest.raises(ValueError, match=r"every >= 1; got \[0\]"):
        train(counting, state_at(0), forever(), 1, hooks=[Hook(0, lambda *_: None)])


def test_batches_are_checked_first_and_now_and_then():
    bad = {"x": np.full((2, 2), np.nan, np.float32)}
    with pytest.raises(ValueError, match="non-finite"):
        train(counting, state_at(0), iter([bad]), 1)
    unlabelled = {"x": BATCH["x"], "z": BATCH["x"]}
    labelled, safety = BATCH | {"y": np.zeros(2, np.int32)}, Safety(check_every=2, classes=3)
    with pytest.raises(ValueError, match="has no 'y'"):
        train(counting, state_at(0), iter([labelled, unlabelled]), 2, safety=safety)
    later = Safety(check_every=3)
    train(counting, state_at(0), iter([BATCH, bad, bad]), 3, safety=later)  # a later NaN is the guard's affair
    with pytest.raises(ValueError, match=r"is float32 \(3, 2\) at step 2, where the first was float32 \(2, 2\)"):
        train(counting, state_at(0), iter([BATCH, {"x": np.zeros((3, 2), np.float32)}]), 2)
    with pytest.raises(ValueError, match="has no 'y'"):
        train(counting, state_at(0), forever(), 1, safety=Safety(classes=3))


def test_hooks_do_not_make_every_batch_a_checked_one(monkeypatch):
    """Checking a batch waits for it and reads it on the host."""
    checked = []
    monkeypatch.setattr(loop.data, "check_batch", lambda batch, classes: checked.append(1))
    train(counting, state_at(0), forever(), 10, hooks=[Hook(1, lambda *_: None)], safety=Safety(check_every=5))
    assert len(checked) == 3  # steps 1, 5, 10.


# A real game, resumed


def test_a_run_in_two_parts_equals_one_run():
    game = jg.game(
        {"generator": jg.networks.mlp.Generator((2,), (8,)), "discriminator": jg.networks.mlp.Discriminator((8,))},
        jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.adam(1e-2)),
    )
    source = data.arrays(np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32))
    step = jax.jit(game.train_step, donate_argnums=0)

    def run(state, steps, rows):
        batches = data.batches(source, 8, seed=3, start=int(state.step))
        return train(step, state, batches, steps, log=lambda i, values: rows.append((i, dict(values)))).state

    def start():
        return game.init(jax.random.key(1), data.batch_at(source, 8, 3)(0))

    whole, parts = [], []
    straight = run(start(), 7, whole)
    resumed = run(run(start(), 3, parts), 7, parts)
    assert whole == parts
    for a, b in zip(jax.tree.leaves(straight.params), jax.tree.leaves(resumed.params), strict=True):
        np.testing.assert_array_equal(a, b)


# Plateau


@pytest.mark.parametrize(
    ("figures", "patience", "lower", "expected"),
    [
        ([], 1, True, False),
        ([3.0], 1, True, False),
        ([3.0, 3.0], 1, True, True),
        ([3.0, 2.0], 1, True, False),
        ([3.0, 2.0], 1, False, True),
        ([3.0, 2.0, 2.5, 2.1], 2, True, True),
        ([3.0, 2.0, 2.5, 1.9], 2, True, False),
        ([3.0, 2.0, 1.9, 2.5], 2, True, False),
        ([0.1, 0.5, 0.4, 0.5], 2, False, True),
        ([1.0, float("nan"), float("nan")], 2, True, True),
        ([1.0, float("nan"), 0.5], 2, True, False),
    ],
)
def test_plateau(figures, patience, lower, expected):
    assert plateau(figures, patience, lower) is expected


@pytest.mark.parametrize(
    ("figures", "target", "lower", "expected"),
    [
        ([5.0, 2.0], 2.0, True, True),
        ([2.0, 5.0], 2.0, True, False),
        ([0.1, 0.9], 0.9, False, True),
        ([0.9, 0.1], 0.9, False, False),
        ([], 1.0, True, False),
        ([math.nan], 1.0, True, False),
    ],
)
def test_reached_looks_at_the_last_figure_and_which_way_is_better(figures, target, lower, expected):
    assert reached(figures, target, lower) is expected


def test_plateau_needs_patience():
    with pytest.raises(ValueError, match="patience >= 1"):
        plateau([1.0], 0)


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_step_under_way(number):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def step(state, batch):
        state, metrics = counting(state, batch)
        if int(state.step) == 3:
            os.kill(os.getpid(), number)
        return state, metrics

    with stop_on_signals() as stop:
        assert stop() is None
        ending = train(step, state_at(0), forever(), 9, stop=stop)
    assert (int(ending.state.step), ending.reason) == (3, signal.Signals(number).name)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_handlers_are_restored_after_an_error():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), stop_on_signals():
        raise KeyError
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_acts_at_once_as_if_nothing_had_been_caught():
    """A second Ctrl-C is a KeyboardInterrupt, as it is outside, so that `finally` and `with` still clean up."""
    program = (
        "import os, signal\n"
        "from jaxgan.loop import stop_on_signals\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "try:\n"
        "    with stop_on_signals():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        print('went on')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == ["interrupted"]


def test_outside_the_main_thread_nothing_is_caught():
    import threading

    seen = SimpleNamespace(stop=None)

    def run():
        with stop_on_signals() as stop:
            seen.stop = stop()
            seen.done = True

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen.done
    assert seen.stop is None
