"""Degradations: exact values of each, and batches that stay a pure function of (seed, step)."""

import itertools

import numpy as np
import pytest

import jaxgan as jg
from jaxgan import data
from jaxgan.data import Draw, Transform, blur, crop, degraded, downsample, hide, hole, noise

N = 40
PICTURES = np.random.default_rng(0).uniform(-1, 1, (N, 8, 6, 2)).astype(np.float32)
SOURCE = data.arrays(PICTURES, np.arange(N), name="pictures")
ALL = {
    "x": crop(4),
    "low": (blur((0.2, 1.0)), downsample(2), noise((0.1, 0.3))),
    "hidden": (noise(0.1), hide(2, anywhere=True)),
}


def draws(n=N, seed=0, start=0):
    position = np.arange(start, start + n)
    return Draw(seed, position, position % N)


def made(transform, x=PICTURES, seed=0):
    return transform.apply(x, draws(len(x), seed))


def test_names_and_what_a_transform_gives_besides():
    source = degraded(SOURCE, **ALL)
    batch = data.batch_at(source, 5, seed=3)(2)
    shapes = {name: value.shape for name, value in batch.items()}
    assert shapes == {
        "x": (5, 4, 4, 2),
        "y": (5,),
        "low": (5, 2, 2, 2),
        "hidden": (5, 4, 4, 2),
        "hidden_mask": (5, 4, 4, 1),
    }
    assert all(value.dtype == np.float32 for name, value in batch.items() if name != "y")
    words = (
        "degraded(pictures, x=crop(4x4), low=blur(0.2..1) + downsample(2) + noise(0.1..0.3), "
        "hidden=noise(0.1) + hide(hole(2x2, anywhere), 0))"
    )
    assert (source.name, source.size, source.classes) == (words, N, N)
    assert source.digest() not in (SOURCE.digest(), degraded(SOURCE, x=crop(5)).digest())


def test_a_batch_is_a_pure_function_of_seed_and_step():
    """Read again, as a part, one example at a time, or resumed: the same bits. Another seed or step: others."""
    source = degraded(SOURCE, **ALL)
    read = data.batch_at(source, 8, seed=1)
    whole, again = read(3), data.batch_at(degraded(SOURCE, **ALL), 8, seed=1)(3)
    part = data.batch_at(source, 8, seed=1, rows=np.array([2, 6]))(3)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, again[name])
        np.testing.assert_array_equal(value[[2, 6]], part[name])
    resumed = next(data.batches(source, 8, 1, start=3))
    for name, value in itertools.islice(whole.items(), 5):
        np.testing.assert_array_equal(value, resumed[name])
    assert (data.batch_at(source, 8, seed=2)(3)["low"] != whole["low"]).all()
    one = degraded(data.arrays(np.zeros((1, 4, 4, 1), np.float32)), low=noise(1.0))
    assert (data.batch_at(one, 1, 0)(0)["low"] != data.batch_at(one, 1, 0)(1)["low"]).all()  # at each use anew


def test_entries_and_links_draw_independently():
    flat = data.arrays(np.zeros((N, 8, 8, 1), np.float32))
    batch = data.batch_at(degraded(flat, a=noise(1.0), b=noise(1.0), c=(noise(1.0), noise(1.0))), N, 0)(0)
    assert abs(np.corrcoef(batch["a"].ravel(), batch["b"].ravel())[0, 1]) < 0.06
    assert batch["c"].std() == pytest.approx(np.sqrt(2), rel=0.03)  # 2 if both links drew the same


def test_crop_is_a_window_of_the_picture():
    cut = made(crop((3, 2)))
    windows = {}
    for top, left in itertools.product(range(6), range(5)):
        window = PICTURES[:, top : top + 3, left : left + 2]
        for k in np.flatnonzero((window == cut).all(axis=(1, 2, 3))):
            windows[int(k)] = (top, left)
    assert len(windows) == N
    assert len(set(windows.values())) > 10
    np.testing.assert_array_equal(made(crop((4, 2), anywhere=False)), PICTURES[:, 2:6, 2:4])
    np.testing.assert_array_equal(made(crop((8, 6))), PICTURES)


def test_every_corner_is_as_likely():
    masks = made(hole(3, anywhere=True), np.zeros((4000, 5, 4, 1), np.float32))
    corners, counts = np.unique(np.argmax(masks.reshape(4000, -1), axis=1), return_counts=True)
    assert len(corners) == 6  # 3 x 2 places
    assert counts.min() > 4000 / 6 * 0.85


def test_blur_by_hand():
    """An impulse away from the border becomes a bell; constants stay; no deviation changes nothing."""
    impulse = np.zeros((1, 41, 41, 1), np.float32)
    impulse[0, 20, 20, 0] = 1
    bell = np.exp(-0.5 * np.square((np.arange(41) - 20) / 2.0))
    bell /= bell.sum()
    np.testing.assert_allclose(made(blur(2.0), impulse)[0, :, :, 0], np.outer(bell, bell), atol=1e-6)
    np.testing.assert_allclose(made(blur(1.5), np.full((2, 5, 9, 3), 0.7, np.float32)), 0.7, rtol=1e-6)
    np.testing.assert_array_equal(made(blur(0.0)), PICTURES)
    # two pixels: weights 1 and exp(-1/2), made whole
    edge = made(blur(1.0), np.array([1.0, 0.0], np.float32).reshape(1, 1, 2, 1))[0, 0, :, 0]
    np.testing.assert_allclose(edge, [1 / (1 + np.exp(-0.5)), np.exp(-0.5) / (1 + np.exp(-0.5))], rtol=1e-6)


def test_downsample_is_the_mean_of_blocks_and_undoes_repetition():
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(made(downsample(2), x)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(made(downsample(2), PICTURES.repeat(2, axis=1).repeat(2, axis=2)), PICTURES)


def test_noise_has_its_law():
    x = np.full((50, 16, 16, 3), 0.25, np.float32)
    added = made(noise(0.2), x) - x
    assert added.mean() == pytest.approx(0, abs=0.005)
    assert added.std() == pytest.approx(0.2, rel=0.02)
    assert np.mean(np.abs(added) < 0.2) == pytest.approx(0.6827, abs=0.01)
    flat = added.reshape(50, -1)
    assert np.abs(np.corrcoef(flat)[np.triu_indices(50, 1)]).max() < 0.2  # examples have their own
    deviations = (made(noise((0.1, 0.5)), x) - x).std(axis=(1, 2, 3))
    assert 0.09 < deviations.min() < 0.2 < 0.4 < deviations.max() < 0.53
    np.testing.assert_array_equal(made(noise(0.0), x), x)


def test_a_hole_hides_what_its_mask_says():
    given = made(hide((2, 4), value=-0.5))
    mask = np.zeros((N, 8, 6, 1), np.float32)
    mask[:, 3:5, 1:5] = 1
    np.testing.assert_array_equal(given["mask"], mask)
    np.testing.assert_array_equal(given["x"], np.where(mask > 0, np.float32(-0.5), PICTURES))
    np.testing.assert_array_equal(made(hole((2, 4))), mask)
    anywhere = made(hide(3, anywhere=True))
    assert (anywhere["mask"].sum(axis=(1, 2, 3)) == 9).all()
    np.testing.assert_array_equal(anywhere["x"] == 0, np.broadcast_to(anywhere["mask"] > 0, PICTURES.shape))


def test_a_transform_of_ones_own():
    negative = Transform("negative", lambda x, draw: -x)
    batch = data.batch_at(degraded(SOURCE, film=negative), 4, 0)(0)
    np.testing.assert_array_equal(batch["film"], -batch["x"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: degraded(SOURCE), "takes transforms by name, such as low="),
        (lambda: degraded(SOURCE, low=3), "takes transforms by name"),
        (lambda: degraded(SOURCE, low=(len,)), "takes transforms by name"),
        (lambda: crop(0), "crop takes a side or .* >= 1 pixel; got 0"),
        (lambda: hole((2, 3, 4)), r"hole takes a side or .*; got \(2, 3, 4\)"),
        (lambda: blur(-1.0), "blur needs a deviation >= 0, or .*; got -1"),
        (lambda: noise((0.5, 0.1)), r"noise needs a deviation >= 0, or .*; got \(0.5, 0.1\)"),
        (lambda: downsample(1), "factor >= 2; got 1"),
        (lambda: hide(2, value=3.0), r"value in \[-1, 1\]; got 3"),
        (lambda: made(crop(7)), "crop of 7x7 pixels does not fit into 8x6"),
        (lambda: made(hole((9, 1))), "hole of 9x1 pixels does not fit into 8x6"),
        (lambda: made(downsample(4)), r"downsample\(4\) takes sides that it divides; got 8x6"),
        (lambda: data.batch_at(degraded(SOURCE, y=crop(2)), 2, 0)(0), r"has entries \['y'\] already; call 'y' by"),
        (lambda: data.batch_at(degraded(jg.data.ring(), low=crop(2)), 2, 0)(0), r"takes pictures x \[n, H, W, C\]"),
    ],
)
def test_what_does_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make()
