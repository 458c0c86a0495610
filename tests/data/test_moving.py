"""Moving digits: they move as they must, bounce, turn as often as asked, and are a function of seed and step."""

import numpy as np
import pytest

import jaxgan as jg


def corners(clips):
    """Where the digit is, as its centre of mass [n, T, 2]."""
    ink = clips[..., 0] + 1
    total = ink.sum(axis=(2, 3))
    rows, columns = (np.arange(ink.shape[k]) for k in (2, 3))
    return np.stack([(ink.sum(axis=3) @ rows) / total, (ink.sum(axis=2) @ columns) / total], axis=-1)


def test_a_digit_keeps_its_ink_and_its_speed():
    clips = jg.data.batch_at(jg.data.moving_digits(8, 64, turn=0.0, speed=2.0), 50, seed=0)(0)
    jg.data.check_batch(clips, classes=10)
    ink = (clips["x"] + 1).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(ink, ink[:, :1].repeat(8, axis=1), rtol=1e-4)  # it never leaves the picture
    steps = np.diff(corners(clips["x"]), axis=1)
    assert np.median(np.linalg.norm(steps, axis=2)) == pytest.approx(2, abs=0.2)
    turned = np.sum(steps[:, 1:] * steps[:, :-1], axis=2) < 0
    assert turned.mean() < 0.08  # at the border alone, and then about one axis


def test_it_is_mirrored_at_the_border():
    """By its bounding box: it comes up to every border and leaves it again by as much as it would have gone beyond."""
    clips = jg.data.batch_at(jg.data.moving_digits(12, 28, turn=0.0, speed=5.0), 100, seed=0)(0)["x"]
    tops = np.argmax((clips[..., 0] > -1).any(axis=3), axis=2)  # [n, T], the digit's first row: its place and a margin
    moves = np.diff(tops, axis=1)
    assert tops.max() - tops.min() >= 12
    still = moves[:, 1:] == 0
    straight = np.abs(moves[:, 1:] - moves[:, :-1]) <= 1
    back = moves[:, 1:] * moves[:, :-1] < 0
    assert 0.15 < back.mean() < 0.6  # 12 pixels of room at 5 a frame, times the share of the direction
    assert (still & ~straight & ~back).mean() < 0.1  # it does not stick


def test_turns_are_as_frequent_as_asked():
    """Half of the frames take a new direction, of which half are more than a right angle away: a quarter and walls."""
    kept = []
    for turn in (0.0, 0.5, 1.0):
        clips = jg.data.batch_at(jg.data.moving_digits(6, 64, turn=turn, speed=6.0), 300, seed=0)(0)
        steps = np.diff(corners(clips["x"]), axis=1)
        kept.append(np.mean(np.sum(steps[:, 1:] * steps[:, :-1], axis=2) > 0))
    assert kept[0] > 0.8
    assert kept[1] == pytest.approx((kept[0] + kept[2]) / 2, abs=0.05)
    assert kept[2] < 0.5


def test_a_batch_is_a_pure_function_of_seed_and_step():
    source = jg.data.moving_digits(3)
    whole, part = (jg.data.batch_at(source, 6, seed=1, rows=rows)(2) for rows in (None, np.array([1, 4])))
    for name, value in whole.items():
        np.testing.assert_array_equal(value[[1, 4]], part[name])
    assert whole["x"].shape == (6, 3, 32, 32, 1)
    assert not np.array_equal(jg.data.batch_at(source, 6, seed=2)(2)["x"], whole["x"])


def test_what_is_refused():
    for bad in ({"frames": 1}, {"size": 16}, {"turn": 1.5}, {"speed": 20.0}):
        with pytest.raises(ValueError, match="moving_digits need frames >= 2, size >= 20"):
            jg.data.moving_digits(**bad)
    with pytest.raises(ValueError, match="split is 'held out'"):
        jg.data.moving_digits(split="held out")
