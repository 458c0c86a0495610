"""What a step costs by count, held to tests/costs.json; recorded again by `python -m benchmarks costs --record`."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from benchmarks.costs import RECORD, environment
from benchmarks.games import GAMES

TOLERANCE = 0.02
recorded = json.loads(RECORD.read_text())
REMEDY = "if the change is meant, record the counts: python -m benchmarks costs --record"


@pytest.fixture(scope="module")
def counted():
    if version("jaxlib") != recorded["jaxlib"]:
        pytest.skip(f"recorded with jaxlib {recorded['jaxlib']}; another release compiles other programs")
    path = {"PYTHONPATH": str(RECORD.parents[1])}
    command = [sys.executable, "-m", "benchmarks", "costs"]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=environment(dict(os.environ)) | path
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["games"]


def test_all_games_are_recorded():
    assert set(recorded["games"]) == set(GAMES)
    assert len(GAMES) == 10


@pytest.mark.parametrize("name", GAMES)
def test_costs_are_those_recorded(counted, name):
    now, before = counted[name], recorded["games"][name]
    assert now["traces"] == before["traces"] == 1
    assert now["collectives"] == before["collectives"], REMEDY
    for quantity in ("operations", "sent", "peak_bytes"):
        assert now[quantity] == pytest.approx(before[quantity], rel=TOLERANCE), f"{quantity}: {REMEDY}"
