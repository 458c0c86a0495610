"""Signals by formula, and folders of recordings: keyed, in their ranges, with errors that name what is wrong."""

import numpy as np
import pytest
import soundfile

from jaxgan import data
from jaxgan.data.tones import NOTES
from jaxgan.data.vibration import Bearing

SOURCES = {"tones": data.tones(256), "vibration": data.vibration(256)}


@pytest.mark.parametrize("name", SOURCES)
def test_a_batch_is_a_pure_function_of_seed_and_step(name):
    source = SOURCES[name]
    read = data.batch_at(source, 6, seed=1)
    whole, part = read(2), data.batch_at(source, 6, seed=1, rows=np.array([1, 4]))(2)
    for entry, value in whole.items():
        np.testing.assert_array_equal(value[[1, 4]], part[entry])
    data.check_batch(whole, source.classes)
    assert whole["x"].shape == (6, 256, 1)
    assert (read(3)["x"] != whole["x"]).any()
    assert (data.batch_at(source, 6, seed=2)(2)["x"] != whole["x"]).any()
    labels = data.batch_at(source, 600, seed=0)(0)["y"]
    counts = np.bincount(labels, minlength=len(source.names))
    assert counts.min() > 0.6 * 600 / len(source.names)


def test_notes_are_of_equal_temperament_and_end_in_silence():
    assert NOTES[0] == 220.0
    assert NOTES[3] == pytest.approx(261.63, abs=0.01)  # middle C
    x = data.batch_at(data.tones(1024), 40, 0)(0)["x"][..., 0]
    assert np.abs(x[:, 0]).max() == 0
    assert np.abs(x[:, -1]).max() < 0.02
    assert 0.3 < np.abs(x).max(axis=1).min() <= np.abs(x).max() <= 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: data.tones(32), r"length >= 64 and rate > 3322 samples a second; got 32 and 8000"),
        (lambda: data.tones(rate=3000), "got 4096 and 3000"),
        (lambda: data.vibration(rate=3000), r"rate > 3600 samples a second and two impacts .* rate=3000"),
        (lambda: data.vibration(shaft=0.1), "shaft=0.1"),
        (
            lambda: data.vibration(bearing=Bearing(ball=50.0)),
            r"ball < pitch; got 30.0 and Bearing\(balls=9, ball=50",
        ),
    ],
)
def test_formulas_refuse_settings_out_of_range(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.fixture
def folder(tmp_path):
    """Two classes; a recording is a ramp, so that a piece says where it was cut."""
    for name, length in (("low/a.wav", 100), ("low/b.wav", 64), ("high/c.wav", 300)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.arange(length) / 512, 8000, subtype="FLOAT")
    (tmp_path / ".hidden.wav").write_bytes(b"no sound")
    return tmp_path


def test_pieces_of_recordings_are_cut_by_key(folder):
    source = data.sounds(folder, 8000, 64, labels=True)
    assert source.files == ("high/c.wav", "low/a.wav", "low/b.wav")
    assert (source.classes, source.names, source.counts) == (2, ("high", "low"), (1, 2))
    starts = {0: set(), 1: set(), 2: set()}
    for step in range(200):
        batch = data.batch_at(source, 3, seed=0)(step)
        data.check_batch(batch, 2)
        draw = data.Draw(0, 3 * step + np.arange(3), data.indices(0, 3, 3 * step + np.arange(3)))
        for wave, y, k in zip(batch["x"][..., 0], batch["y"], draw.index, strict=True):
            assert y == (k > 0)
            np.testing.assert_allclose(np.diff(wave), 1 / 512)
            starts[k].add(round(float(wave[0]) * 512))
    assert starts[2] == {0}
    assert (min(starts[1]), max(starts[1])) == (0, 36)
    assert min(starts[0]) < 10
    assert 226 < max(starts[0]) <= 236
    assert source.digest() != data.sounds(folder, 8000, 32, labels=True).digest()


def test_short_recordings_are_padded_if_asked(folder):
    x = data.whole(data.sounds(folder, 8000, 80, short="pad"))["x"]
    np.testing.assert_allclose(x[2, :, 0], np.pad(np.arange(64) / 512, (0, 16)))


def stereo(folder):
    soundfile.write(folder / "low/d.wav", np.zeros((100, 2)), 8000)


def slow(folder):
    soundfile.write(folder / "low/d.wav", np.zeros(100), 4000)


def broken(folder):
    (folder / "low/d.wav").write_bytes(b"RIFF no more")


@pytest.mark.parametrize(
    ("change", "settings", "says"),
    [
        (slow, {}, r"low/d.wav has rate=4000, where rate=8000 is asked for: resample it"),
        (
            stereo,
            {},
            r"low/d.wav has channels=2, where channels=1 is asked for: mix it, or pass",
        ),
        (broken, {}, r"low/d.wav cannot be read \(.*\); mend or remove it"),
        (None, {"length": 99}, r"1 of 3 recordings are shorter than length=99, the first low/b.wav with 64 samples"),
        (None, {"rate": 44100}, r"high/c.wav \(and 2 more\) has rate=8000, where rate=44100"),
        (None, {"short": "loop"}, r"short='error' or 'pad'; got 8000, 64, 1 and 'loop'"),
        (lambda folder: [file.unlink() for file in folder.rglob("*/*.wav")], {}, r"no recordings; looked for \.wav, "),
    ],
)
def test_folders_of_recordings_that_are_refused(folder, change, settings, says):
    if change:
        change(folder)
    with pytest.raises(ValueError, match=says):
        data.sounds(folder, **{"rate": 8000, "length": 64} | settings)


def test_no_folder_and_a_file_that_changes(folder):
    with pytest.raises(ValueError, match=r"nowhere does not exist"):
        data.sounds(folder / "nowhere", 8000, 64)
    source = data.sounds(folder, 8000, 64)
    slow(folder)
    (folder / "low/d.wav").rename(folder / "low/a.wav")
    with pytest.raises(ValueError, match=r"low/a.wav has changed meanwhile"):
        data.whole(source)
