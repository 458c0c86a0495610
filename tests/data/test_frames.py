"""Clips of one's own: numbered pictures by their numbers, GIFs, windows, and errors that name the file."""

import numpy as np
import pytest
from PIL import Image

import jaxgan as jg


def picture(grey, side=8):
    return Image.fromarray(np.full((side, side), grey, np.uint8))


@pytest.fixture
def place(tmp_path):
    """Eleven pictures whose number is a twentieth of their grey, and a GIF of three."""
    (tmp_path / "walk").mkdir()
    for k in range(11):
        picture(20 * k).save(tmp_path / "walk" / f"frame_{k}.png")
    shown = [picture(grey) for grey in (0, 128, 255)]
    shown[0].save(tmp_path / "wave.gif", save_all=True, append_images=shown[1:], duration=50)
    (tmp_path / ".cache").mkdir()
    picture(0).save(tmp_path / ".cache" / "1.png")
    return tmp_path


def grey(batch):
    return np.rint((batch["x"][:, :, 0, 0, 0] + 1) * 127.5).astype(int)


def test_every_run_of_frames_is_a_clip(place):
    source = jg.data.frames(place, 3, size=8)
    assert source.size == 9 + 1
    assert source.files == ("walk",) * 9 + ("wave.gif",) or source.files == ("wave.gif",) + ("walk",) * 9
    batch = jg.data.whole(source)
    jg.data.check_batch(batch)
    assert batch["x"].shape == (10, 3, 8, 8, 1)
    clips = {tuple(row) for row in grey(batch).tolist()}
    assert {(0, 20, 40), (160, 180, 200)} <= clips  # 10 comes after 9, not after 1
    assert (0, 128, 255) in clips


def test_frames_that_lie_apart_and_in_colours(place):
    (place / "wave.gif").unlink()
    batch = jg.data.whole(jg.data.frames(place, 3, size=4, channels=3, apart=4))
    assert batch["x"].shape == (3, 3, 4, 4, 3)
    assert grey(batch).tolist() == [[0, 80, 160], [20, 100, 180], [40, 120, 200]]


def test_what_is_refused(place):
    with pytest.raises(ValueError, match=r"wave.gif has 3 frames, where a clip of 3, 2 apart, needs 5; ask for fewer"):
        jg.data.frames(place, 3, size=8, apart=2)
    with pytest.raises(ValueError, match="count >= 2, apart >= 1 and a size; got 1, 1 and 32"):
        jg.data.frames(place, 1)
    with pytest.raises(ValueError, match="nowhere does not exist"):
        jg.data.frames(place / "nowhere")
    (place / "empty").mkdir()
    with pytest.raises(ValueError, match="has no sequence: neither a folder of pictures nor an animated GIF"):
        jg.data.frames(place / "empty")
    (place / "walk" / "frame_3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"frame_3.png cannot be read: .*; mend it or take it out"):
        jg.data.frames(place, 2, size=8)
    (place / "wave.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"wave.gif cannot be read"):
        jg.data.frames(place, 2, size=8)
