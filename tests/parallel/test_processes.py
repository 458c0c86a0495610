"""Two real processes on loopback are one: the same batches, and the same state to rounding."""

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan.parallel import connect
from tests.conftest import QUICK_CODE
from tests.parallel.conftest import STEPS, batches, game_of

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def start(process, port, *words):
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count=4 {QUICK_CODE}"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.parallel.worker", str(port), "2", str(process), *map(str, words)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


GAMES = ("wgan_gp-pmap", "hinge_bn-pmap", "dcgan_ema-pmap", "hinge_bn-sharded", "wgan_gp-split")


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Where two processes left the states of all games: the start of a process takes longer than a game."""
    folder, port = tmp_path_factory.mktemp("states"), free_port()
    workers = [start(process, port, folder, *GAMES) for process in range(2)]
    for worker in workers:
        out, _ = worker.communicate(timeout=600)
        assert worker.returncode == 0, out
    return folder


@functools.cache
def on_one_device(kind):
    game = game_of(kind, None)
    data = batches(game, STEPS)
    step, state = jax.jit(game.train_step), game.init(jax.random.key(0), data[0])
    for batch in data:
        state, _ = step(state, batch)
    return [np.asarray(x) for x in jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))]


@pytest.mark.parametrize("game", GAMES)
def test_two_processes_of_four_devices_are_one_device(game, states):
    straight = on_one_device(game.split("-")[0])
    found = [list(np.load(states / f"{game}-{process}.npz").values()) for process in range(2)]
    for one, first, second in zip(straight, *found, strict=True):
        assert np.array_equal(first, second)
        np.testing.assert_allclose(first, one, rtol=1e-5, atol=1e-5 * max(np.max(np.abs(one)), 1e-6))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"coordinator": "127.0.0.1:1"}, "together"),
        ({"coordinator": "127.0.0.1:1", "processes": 2, "process": 2}, "process 2 is not one of 2"),
    ],
)
def test_incomplete_settings_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        connect(**settings)
