"""Neighbours: bitwise equal to brute force in every tier, on any devices, with copies, ties, offsets and blocks."""

import jax
import numpy as np
import pytest

from jaxgan.metrics import neighbours, pairs
from jaxgan.metrics.neighbours import nearest, squared_radii, within


def brute(x, y):
    return np.stack([((row - y.astype(np.float64)) ** 2).sum(axis=1) for row in x.astype(np.float64)])


def clustered(rng):
    """Ten tight clusters far apart: float32 cannot tell distances within them."""
    return rng.normal(size=(10, 8))[rng.integers(10, size=90)] * 1e3 + rng.normal(size=(90, 8)) * 1e-3


SETS = {
    "normal": lambda rng: rng.normal(size=(90, 8)),
    "float32": lambda rng: rng.normal(size=(90, 8)).astype(np.float32),
    "offset": lambda rng: rng.normal(size=(90, 8)) + 1e6,
    "copies": lambda rng: rng.normal(size=(12, 8))[rng.integers(12, size=90)],
    "constant": lambda rng: np.full((90, 8), 0.1),
    "lattice": lambda rng: rng.integers(3, size=(90, 8)).astype(np.float64),
    "clusters": clustered,
    "an outlier": lambda rng: np.concatenate([rng.normal(size=(89, 8)), np.full((1, 8), 1e9)]),
    "tiny": lambda rng: rng.normal(size=(90, 8)) * 1e-40,
    "nothing": lambda rng: rng.normal(size=(90, 8)) * 1e-200,
    "signed zeros": lambda rng: np.where(rng.random((90, 8)) < 0.5, 0.0, -0.0),
}


@pytest.fixture(params=SETS)
def sets(request):
    rng = np.random.default_rng(0)
    x = SETS[request.param](rng)
    y = SETS[request.param](rng)
    return x, np.concatenate([y[:60], x[:10]])


def test_radii_equal_brute_force(sets):
    x, _ = sets
    expected = np.sort(brute(x, x), axis=1)[:, [1, 4]].T
    np.testing.assert_array_equal(squared_radii(x, [1, 4]), expected)


def test_nearest_equals_brute_force(sets):
    x, y = sets
    distance = brute(x, y)
    found = nearest(x, y)
    np.testing.assert_array_equal(found.squared, distance.min(axis=1))
    np.testing.assert_array_equal(found.index, distance.argmin(axis=1))


@pytest.mark.parametrize("closed", [True, False])
def test_balls_equal_brute_force(sets, closed):
    x, y = sets
    distance = brute(x, y)
    radii = [np.sort(brute(x, x), axis=1)[:, 3, None], distance[[4]], np.zeros((1, 70))]  # some exactly at a distance
    for found, radius in zip(within(x, y, radii, closed), radii, strict=True):
        holds = distance <= radius if closed else distance < radius
        np.testing.assert_array_equal(found.rows, holds.sum(axis=1))
        np.testing.assert_array_equal(found.columns, holds.sum(axis=0))


def test_devices_and_blocks_change_nothing(sets, monkeypatch):
    x, y = sets
    radii = np.sort(brute(x, x), axis=1)[:, 3, None]
    monkeypatch.setattr(pairs, "ENTRIES", 7 * 70)
    steps = []
    devices = jax.devices()[:3]
    np.testing.assert_array_equal(squared_radii(x, [3], devices)[0], radii[:, 0])
    np.testing.assert_array_equal(nearest(x, y, devices).squared, brute(x, y).min(axis=1))
    [found] = within(x, y, [radii], True, devices, lambda done, total: steps.append((done, total)))
    np.testing.assert_array_equal(found.rows, (brute(x, y) <= radii).sum(axis=1))
    np.testing.assert_array_equal(found.columns, (brute(x, y) <= radii).sum(axis=0))
    assert steps == [(min(90, done), 90) for done in range(7, 92, 7)]


def counted(monkeypatch):
    """Counts what brute force is asked for, and how often float64 is needed."""
    asked, passes = [], []
    plain, host = neighbours._brute_force, pairs._host
    monkeypatch.setattr(neighbours, "_brute_force", lambda *a: asked.append(a[3].sum()) or plain(*a))
    monkeypatch.setattr(pairs, "_host", lambda: passes.append(1) or host())
    return asked, passes


def test_bounds_settle_nearly_everything(monkeypatch):
    x = np.random.default_rng(0).normal(size=(700, 256))
    asked, passes = counted(monkeypatch)
    squared_radii(x, [3])
    assert 700 * 3 <= sum(asked) < 700 * 4
    asked.clear()
    within(x, x[::-1], [np.full((1, 700), 400.0)], True)
    assert sum(asked) < 700
    assert not passes


def test_copies_need_no_brute_force(monkeypatch):
    x = np.random.default_rng(0).normal(size=(3, 256))[np.arange(700) % 3]
    asked, passes = counted(monkeypatch)
    assert not squared_radii(x, [3]).any()
    [found] = within(x, x, [np.zeros((1, 700))], True)
    assert set(found.rows) == {233, 234}
    assert sum(asked) == 0
    assert not passes


@pytest.mark.parametrize("host", [True, False])
def test_what_float32_cannot_tell_is_told_by_float64(monkeypatch, host):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(3, 16)), 100, axis=0) * 1e3 + rng.normal(size=(300, 16)) * 1e-2
    asked, passes = counted(monkeypatch)
    if not host:
        monkeypatch.setattr(pairs, "_host", lambda: None)
    np.testing.assert_array_equal(squared_radii(x, [3])[0], np.sort(brute(x, x), axis=1)[:, 3])
    assert (sum(asked) < 300 * 4) == host
    assert len(passes) == host


def test_float64_works_on_a_part_of_a_block_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(3, 16)), 100, axis=0) * 1e3 + rng.normal(size=(300, 16)) * 1e-2
    made, plain = [], pairs.points_of
    monkeypatch.setattr(pairs, "points_of", lambda *a: made.append((a[2], a[4])) or plain(*a))
    monkeypatch.setattr(pairs, "ENTRIES", 50 * 300)
    radii = np.sort(brute(x, x), axis=1)[:, 3]
    np.testing.assert_array_equal(squared_radii(x, [3])[0], radii)
    [found] = within(x, x, [radii[:, None]], True)
    np.testing.assert_array_equal(found.rows, (brute(x, x) <= radii[:, None]).sum(axis=1))
    np.testing.assert_array_equal(found.columns, (brute(x, x) <= radii[:, None]).sum(axis=0))
    assert {length for length, dtype in made if dtype == np.float64} == {300, 13}  # all of y once; 13, 13, 13, 11 rows


def test_devices_take_points_uncopied():
    for n in (7, 8, 9, 10, 11, 200_000):  # small and large arrays come from different places
        x = np.random.default_rng(0).normal(size=(n, 3))
        for dtype in (np.float32, np.float64):
            values = pairs.points_of(x, np.arange(n), n + 2, pairs.frame_of(x, x), dtype).x
            assert values.ctypes.data % 64 == 0
            assert values.shape == (n + 2, 3)
            assert not values[n:].any()


def test_bounds_hold():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 300)) + 5.0, rng.normal(size=(60, 300)) * 0.01 + 5.0
    frame = pairs.frame_of(x, y)
    points = [pairs.points_of(part, np.arange(len(part)), len(part), frame, np.float32) for part in (x, y)]
    low, high, _ = (np.asarray(a, np.float64) for a in pairs.bounds(*jax.device_put(points)))
    true = brute(x, y) / frame.scale**2
    assert (low <= true).all()
    assert (true <= high).all()
    assert np.max((high - low) / true) < 1e-3


@pytest.mark.parametrize("k", [0, 4])
def test_refuses_ranks_out_of_range(k):
    with pytest.raises(ValueError, match=rf"1\.\.N-1 = 3; got \({k},\)"):
        squared_radii(np.zeros((4, 2)), [k])


def test_refuses_what_cannot_be_squared():
    with pytest.raises(ValueError, match="too large to square"):
        nearest(np.full((4, 2), 1e200), np.zeros((4, 2)))
