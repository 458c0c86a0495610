"""Folders of pairs: joined by name, mirrored alike, and what has no partner is named."""

import numpy as np
import pytest
from PIL import Image

import jaxgan as jg


@pytest.fixture
def pairs(tmp_path):
    """Picture k of A is of grey 10 k, its partner in B of 10 k + 5; half black, so that a mirror shows."""
    for place, offset, suffix in (("A", 0, ".png"), ("B", 5, ".bmp")):
        (tmp_path / place / "deep").mkdir(parents=True)
        for k in range(8):
            pixels = np.full((16, 16, 3), 10 * k + offset, np.uint8)
            pixels[:, :8] = 200
            Image.fromarray(pixels).save(tmp_path / place / ("deep" if k % 2 else ".") / f"{k}{suffix}")
    return tmp_path


def grey(x):
    return np.rint((np.asarray(x) + 1) * 127.5).astype(int)


def test_pictures_of_one_name_come_together_and_are_mirrored_alike(pairs):
    source = jg.data.folder_pairs(pairs, size=16, channels={"a": 1, "b": 3}, flip=True)
    assert (source.size, len(source.files)) == (8, 8)
    mirrored = set()
    for step in range(4):
        batch = jg.data.batch_at(source, batch_size=4, seed=0)(step)
        assert (batch["a"].shape, batch["b"].shape) == ((4, 16, 16, 1), (4, 16, 16, 3))
        for a, b in zip(grey(batch["a"]), grey(batch["b"]), strict=True):
            bright = a[0, 0, 0] == 200
            mirrored.add(bright)
            assert (b[0, 0, 0] == 200) == bright
            place = -1 if bright else 0
            assert b[0, place, 0] == a[0, place, 0] + 5
    assert mirrored == {True, False}


def test_entries_by_other_names_and_sizes(pairs):
    source = jg.data.folder_pairs(pairs, {"sketch": "A", "photo": "B"}, size={"sketch": 8, "photo": 16})
    batch = jg.data.evenly(source, 2)
    assert {name: x.shape[1] for name, x in batch.items()} == {"sketch": 8, "photo": 16}


def test_what_has_no_partner_is_named_and_refused_or_left_out(pairs):
    (pairs / "B" / "2.bmp").unlink()
    (pairs / "A" / "0.png").write_bytes(b"no picture")
    message = r"2 pictures without a partner of their name: A/2.png, B/0.bmp"
    with pytest.warns(UserWarning, match="1 unreadable"), pytest.raises(ValueError, match=message):
        jg.data.folder_pairs(pairs, size=16)
    left_out = r"without a partner of their name: A/2.png, B/0.bmp; skipped"
    with pytest.warns(UserWarning, match="1 unreadable"), pytest.warns(UserWarning, match=left_out):
        source = jg.data.folder_pairs(pairs, size=16, on_unpaired="skip")
    batch = jg.data.evenly(source, source.size)
    a, b = (grey(batch[name])[:, 0, -1, 0].tolist() for name in "ab")
    assert (sorted(a), [x + 5 for x in a]) == ([10, 30, 40, 50, 60, 70], b)


def test_bad_input(pairs):
    with pytest.raises(ValueError, match="on_unpaired is 'drop'; use 'error' or 'skip'"):
        jg.data.folder_pairs(pairs, on_unpaired="drop")
    with pytest.raises(ValueError, match="no channels for entry 'b'"):
        jg.data.folder_pairs(pairs, channels={"a": 1})
    with pytest.raises(ValueError, match=r"folder .*C does not exist"):
        jg.data.folder_pairs(pairs, {"a": "A", "b": "C"})
    Image.new("L", (16, 16)).save(pairs / "A" / "0.gif")
    with pytest.raises(ValueError, match="several pictures of one name: 0; keep the one that is meant"):
        jg.data.folder_pairs(pairs, size=16)
    for file in (pairs / "B").glob("**/*.bmp"):
        file.rename(file.with_name(f"other-{file.name}"))
    (pairs / "A" / "0.gif").unlink()
    with pytest.raises(ValueError, match=r"no pairs: no two names agree; it has A/0.png, .* and 11 more"):
        jg.data.folder_pairs(pairs, size=16)
