"""Runs of the real command line, in this process (fast) or in one of their own (kills, signals, limits)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan.runs.loading import load
from tests.conftest import QUICK_CODE

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_strictness():
    """The command line runs under JAX's own defaults, as users have them."""
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


def start(*words, module="experiments", environment=None, **settings):
    """Starts `python -m MODULE ...` as a process; bits depend on the number of threads, so there is one."""
    inherited = os.environ | {"XLA_FLAGS": QUICK_CODE, "JAX_PLATFORMS": "cpu", "NPROC": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        env=inherited | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def finish(process, timeout=240):
    """Waits; returns (exit code, output, errors)."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def signal_after_checkpoint(process, run, step, which=signal.SIGKILL, timeout=120):
    """Sends a signal once a checkpoint of that step or later is committed; returns False if the run was faster."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        saved = [int(p.name) for p in (run / "checkpoints").glob("*") if p.name.isdigit()]
        if max(saved, default=-1) >= step:
            process.send_signal(which)
            return True
        time.sleep(0.005)
    return False


def bits(run, step="latest", file=None):
    """Returns every leaf of a run's state as bytes, by path."""
    state = load(run, step, file=file).state
    state = state._replace(key=jax.random.key_data(state.key))
    return {
        jax.tree_util.keystr(path): np.asarray(leaf).tobytes()
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }
