"""Data that are not what they should be: refused before compilation, or left out and counted; none train in silence."""

import re
import resource
import struct
import time
import zlib
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from PIL import Image

import jaxgan as jg
from jaxgan.loop import Safety, train
from jaxgan.networks import dcgan
from tests.runs.conftest import start


def no_compilation(state, batch):
    raise AssertionError("the batch came as far as the train step")


def state_of(game, batch):
    return game.init(jax.random.key(0), batch)


@pytest.fixture(scope="module")
def images_game():
    networks = {
        "generator": dcgan.Generator(size=28, features=2),
        "discriminator": dcgan.Discriminator(size=28, features=2, normalization="none"),
    }
    return jg.game(networks, files_system())


def files_system():
    return jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(1e-2))


def images(*shape, low=-1.0, high=1.0, dtype=np.float32):
    return np.linspace(low, high, int(np.prod(shape))).reshape(shape).astype(dtype)


GOOD = images(4, 28, 28, 1)
WRONG = {
    "channels first": (images(4, 1, 28, 28), r"\(4, 1, 28, 28\); looks channels-first: transpose to \[B, H, W, C\]"),
    "uint8": (
        images(4, 28, 28, 1, low=0, high=255, dtype=np.uint8),
        r"uint8; expected float32 in \[-1, 1\]: use .*from_uint8",
    ),
    "0..255": (images(4, 28, 28, 1, low=0, high=255), r"\[0.00, 255.00\]; expected \[-1, 1\]: x / 127.5 - 1"),
    "-2..2": (images(4, 28, 28, 1, low=-2, high=2), r"\[-2.00, 2.00\]; expected \[-1, 1\]: scale it"),
    "float64": (images(4, 28, 28, 1, dtype=np.float64), r"float64; expected float32 in \[-1, 1\]: .*astype"),
    "float16": (images(4, 28, 28, 1, dtype=np.float16), r"float16; expected float32"),
    "int32": (images(4, 28, 28, 1, dtype=np.int32), r"int32; expected float32"),
    "no examples": (images(0, 28, 28, 1), r"empty: shape \(0, 28, 28, 1\)"),
    "no batch axis": (images(28), r"shape \(28,\); expected \[B, ...\]"),
    "a list": (GOOD.tolist(), r"must be an array; got list"),
    "ragged": (np.array([images(28, 28), images(27, 28)], dtype=object), r"object|must be an array|shape \(2,\)"),
    "a NaN": (np.where(np.arange(4)[:, None, None, None] == 2, np.nan, GOOD).astype(np.float32), r"first in example 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_images_are_refused(name, images_game, scorecard):
    """By the loop, before its step is called, and where they are made a source."""
    x, says = WRONG[name]
    state = state_of(images_game, {"x": GOOD})
    began = time.monotonic()
    with pytest.raises(ValueError, match=says):
        train(no_compilation, state, iter([{"x": x}]), 9)
    with pytest.raises(ValueError, match=says):
        jg.data.arrays(x)
    outcome = "layout, dtype, range, no examples, ragged, NaN: refused before compilation, found and expected named"
    scorecard("R18", outcome, time.monotonic() - began, limit=10)


def test_pixels_from_0_to_1_are_seen(images_game, scorecard):
    """They lie within [-1, 1]: a dark half is no error, so this is not refused."""
    jg.data.arrays(images(4, 28, 28, 1, low=0, high=1))
    scorecard("R18", "pixels in [0, 1]: NOT seen, they are valid in [-1, 1]", 0.0)


@pytest.mark.parametrize("shape", [(4, 32, 32, 1), (4, 28, 20, 1), (4, 28, 28, 3)])
def test_images_of_another_size_are_refused(shape, images_game, scorecard):
    state = state_of(images_game, {"x": GOOD})
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))
    step, began = jax.jit(images_game.train_step), time.monotonic()
    with pytest.raises(ValueError, match=rf"{re.escape(str(shape))} as real, but the generator makes \(4, 28, 28, 1\)"):
        train(step, state, iter([{"x": images(*shape)}]), 9)
    assert not [name for name in compiled if "backend_compile" in name]  # traced, and refused then
    outcome = "another height, width or number of channels: refused before compilation, both shapes named"
    scorecard("R18", outcome, time.monotonic() - began, limit=10)


Y = np.array([0, 1, 2, 1], np.int32)
LABELS = {
    "-1": (np.array([0, 1, -1, 1], np.int32), r"label -1 out of range \[0, 3\) at example 2"),
    "K": (np.array([0, 3, 2, 1], np.int32), r"label 3 out of range \[0, 3\) at example 1"),
    "float": (Y.astype(np.float32), r"float32 \(4,\); labels must be int"),
    "one-hot": (np.eye(3, dtype=np.int32)[Y], r"int32 \(4, 3\); labels must be int"),
    "too few": (Y[:3], r"int32 \(3,\); labels must be int.*\(4,\)"),
    "missing": (None, r"no 'y', but its source has 3 classes|no labels; pass y"),
}


@pytest.mark.parametrize("name", LABELS)
def test_wrong_labels_are_refused(name, images_game, scorecard):
    y, says = LABELS[name]
    state = state_of(images_game, {"x": GOOD})
    began = time.monotonic()
    with pytest.raises(ValueError, match=says):
        train(
            no_compilation,
            state,
            iter([{"x": GOOD} if y is None else {"x": GOOD, "y": y}]),
            9,
            safety=Safety(classes=3),
        )
    with pytest.raises(ValueError, match=says):
        jg.data.arrays(GOOD, y, classes=3)
    outcome = "labels -1, K, float, one-hot, too few, missing: refused before compilation, label and example named"
    scorecard("R19", outcome, time.monotonic() - began, limit=10)


def test_labels_that_go_wrong_later(images_game, scorecard):
    """The loop looks again now and then."""
    good, bad = {"x": GOOD, "y": Y}, {"x": GOOD, "y": LABELS["K"][0]}
    state, seen, began = state_of(images_game, {"x": GOOD}), [], time.monotonic()

    def step(state, batch):
        seen.append(batch)
        return state._replace(step=state.step + 1), {}

    with pytest.raises(ValueError, match="label 3 out of range") as caught:
        train(step, state, iter([good] * 9 + [bad]), 99, safety=Safety(classes=3, check_every=10))
    assert len(seen) == 9
    assert caught.value.__notes__ == ["during step 10 of 99"]
    scorecard(
        "R19", "a wrong label in a later batch that is checked: refused, step named", time.monotonic() - began, limit=10
    )


# R26: picture files


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side):
    """A whole PNG of side x side grey pixels, all black: a few hundred kilobytes at most."""
    packed = zlib.compressobj(9)
    row = bytes(1 + side)
    body = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve good pictures of odd kinds, and nine bad ones."""
    import os

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)

    def picture(mode="RGB"):
        return Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).convert(mode)

    for number in range(6):
        picture().save(folder / f"good-{number}.png")
    picture("CMYK").save(folder / "cmyk.jpg")
    picture("P").save(folder / "palette.png")
    picture("RGBA").save(folder / "transparent.png")
    Image.fromarray(rng.integers(0, 65536, (40, 40)).astype(np.uint16)).save(folder / "deep.png")
    picture().save(folder / "film.gif", save_all=True, append_images=[picture(), picture()])
    picture().save(os.fsencode(folder) + b"/not-\xff-utf8.png")
    whole = (folder / "good-0.png").read_bytes()
    (folder / "bad-truncated.png").write_bytes(whole[: len(whole) // 2])
    picture().save(folder / "x.jpg", quality=95)
    photo = (folder / "x.jpg").read_bytes()
    (folder / "x.jpg").unlink()
    (folder / "bad-truncated.jpg").write_bytes(photo[: len(photo) // 2])
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    (folder / "bad-bytes.png").write_bytes(damaged)
    (folder / "bad-empty.png").write_bytes(b"")
    (folder / "bad-text.png").write_text("no picture")
    (folder / "bad-bomb.png").write_bytes(bomb(12_000))
    os.mkfifo(folder / "bad-pipe.png")
    (folder / "bad-link.png").symlink_to("bad-link.png")
    (folder / "bad-unreadable.png").symlink_to("/proc/self/mem")  # root may read any file; this one gives no bytes
    (folder / "loop").symlink_to(folder)
    return folder


def run_folder_experiment(*words):
    """Runs the folder experiment; returns (exit code, output, errors, peak memory in MB, seconds)."""
    began = time.monotonic()
    process = start("folder", *words, "--smoke")
    peak, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:  # not its `ru_maxrss`, which starts from the memory of the process that forked it
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        peak = max(peak, *(int(line.split()[1]) for line in found), 0)
        time.sleep(0.05)
    out, err = process.communicate()
    return process.returncode, out, err, peak / 2**10, time.monotonic() - began


def test_damaged_pictures_are_left_out_and_counted(pictures, tmp_path, scorecard):
    code, _, err, peak, seconds = run_folder_experiment("--path", pictures, "--out", tmp_path, "--id", "run")
    assert code == 0, err
    assert "9 unreadable of 21 pictures: " in err
    assert "and 4 more; skipped" in err
    assert peak < 1024
    outcome = "9 bad pictures of 21 (truncated, bomb, pipe, ...): left out, counted; peak below 1 GB (with start)"
    scorecard("R26", outcome, seconds, limit=60)  # of which nearly all is the start and a smoke run
    code, _, err, peak, seconds = run_folder_experiment("--path", pictures, "--on-corrupt", "error", "--out", tmp_path)
    assert code == 2
    assert "error: " in err
    assert "bad-bomb.png (Image size (144000000 pixels) exceeds" in err
    assert "bad-bytes.png" in err
    assert peak < 1024
    scorecard("R26", "the same with --on-corrupt error: exit 2, files named (with start)", seconds, limit=60)


def test_a_bomb_takes_no_memory(pictures, tmp_path, scorecard):
    """12,000 x 12,000 pixels would be 144 MB decoded, thrice as RGB."""
    import shutil

    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(pictures / "bad-bomb.png", alone)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ValueError, match=r"1 unreadable of 1 pictures: bad-bomb\.png .*144000000 pixels"):
        jg.data.folder(alone)
    seconds, grown = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50 * 2**10
    scorecard(
        "R26", "a bomb of 144 million pixels: refused by its header, memory grows by less than 50 MB", seconds, limit=20
    )


def test_more_bad_pictures_than_the_cap(tmp_path, scorecard):
    Image.new("RGB", (40, 40)).save(tmp_path / "good.png")
    for number in range(101):
        (tmp_path / f"{number:03}.png").write_bytes(b"")
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"101 unreadable of 102 pictures: 000\.png .*max_corrupt is 100"):
        jg.data.folder(tmp_path)
    scorecard("R26", "more bad pictures than the cap: an error that names them", time.monotonic() - began, limit=20)
