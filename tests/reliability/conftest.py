"""The scorecard: each test of a fault records what became of it, and the session ends with the table."""

import jax
import pytest

from tests.runs.conftest import finish, start

# Long enough to be stopped anywhere, and the same in every test: one uninterrupted run is compared with all of them.
RING = ("ring", "--steps", 3000, "--batch-size", 16, "--width", 8, "--evaluations", 6)


@pytest.fixture
def scorecard(request):
    """Records a fault's outcome: scorecard("R8", "60 flips: 58 detected, 2 harmless, 0 wrong", seconds).

    Seconds run from the fault to its outcome. Where outcomes are equal, the table shows their number and the longest.
    """

    def record(fault, outcome, seconds, limit=None):
        request.node.user_properties.append(("scorecard", (fault, outcome, seconds)))  # workers report it
        assert limit is None or seconds < limit, f"{fault}: {outcome} took {seconds:.1f} s of {limit} s"

    return record


@pytest.fixture(autouse=True)
def own_strictness():
    """As users run it: under JAX's own defaults."""
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """The folders of two runs of RING that were never stopped; started at once, and neither was given a name."""
    out = tmp_path_factory.mktemp("straight")
    for process in [start(*RING, "--out", out) for _ in range(2)]:
        code, _, err = finish(process)
        assert code == 0, err
    return sorted((out / "ring").iterdir())


@pytest.fixture(scope="session")
def straight(twins):
    """The folder of a run of RING that was never stopped."""
    return twins[0]
