"""Labels and attributes from a file beside the pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxgan import data

FILES = ("a/0.png", "a/1.png", "b/2.png")


@pytest.fixture
def pictures(tmp_path):
    for k, file in enumerate(FILES):
        (tmp_path / "all" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (60 * k, 0, 0)).save(tmp_path / "all" / file)
    return tmp_path / "all"


def conditions(pictures, name, text):
    file = pictures.parent / name
    file.write_text(text, encoding="utf-8")
    source = data.folder(pictures, size=4, labels_file=file)
    batch = source.read(data.Draw(0, np.arange(3), np.arange(3)))
    data.check_batch(batch, source.classes)
    return source, batch["y"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "file,class\na/0.png,owl\na/1.png,cat\nb/2.png,owl\n"),
        ("l.csv", "2.png,owl\n1.png,cat\n0.png,owl\n"),  # names alone, another order, no heading
        ("l.csv", '\ufefffile, class\n"a/0.png", owl\n\na\\1.png, cat\n./b/2.png, owl\n'),  # as spreadsheets write it
        ("l.tsv", "a/0.png\towl\na/1.png\tcat\nb/2.png\towl\n"),
        ("l.json", json.dumps(dict(zip(FILES, ("owl", "cat", "owl"), strict=True)))),
        ("l.json", json.dumps({"labels": [[file, n] for file, n in zip(FILES, ("owl", "cat", "owl"), strict=True)]})),
    ],
)
def test_names_of_classes_are_numbered_in_sorted_order(pictures, name, text):
    source, y = conditions(pictures, name, text)
    assert (source.classes, source.names, source.counts) == (2, ("cat", "owl"), (1, 2))
    assert (y.tolist(), y.dtype) == ([1, 0, 1], np.int32)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "a/0.png,3\na/1.png,0\nb/2.png,3"),
        ("dataset.json", json.dumps({"labels": [["a/0.png", 3], ["a/1.png", 0], ["b/2.png", 3]]})),  # StyleGAN's
    ],
)
def test_integers_are_the_labels(pictures, name, text):
    source, y = conditions(pictures, name, text)
    assert (source.classes, source.names, source.counts, y.tolist()) == (4, (), (1, 0, 0, 2), [3, 0, 3])


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("l.csv", "file,smile,age\na/0.png,1,20\na/1.png,-1,30.5\nb/2.png,1,40\n", ("smile", "age")),
        ("l.json", json.dumps([[f, list(v)] for f, v in zip(FILES, ((1, 20), (-1, 30.5), (1, 40)), strict=True)]), ()),
    ],
)
def test_several_numbers_are_attributes(pictures, name, text, names):
    source, y = conditions(pictures, name, text)
    assert (source.classes, source.names, y.dtype) == (0, names, np.float32)
    assert y.tolist() == [[1, 20], [-1, 30.5], [1, 40]]


def test_attributes_by_name(pictures):
    page = {file: {"age": 10 * k, "smile": k > 0} for k, file in enumerate(FILES)}
    source, y = conditions(pictures, "l.json", json.dumps(page))
    assert (source.names, y.tolist()) == (("age", "smile"), [[0, 0], [10, 1], [20, 1]])


def test_unreadable_pictures_take_their_labels_along(pictures):
    (pictures / "a" / "0.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 unreadable of 3"):
        source, y = conditions_of_two(pictures)
    assert (y.tolist(), source.counts) == ([1, 2], (0, 1, 1))


def conditions_of_two(pictures):
    file = pictures.parent / "l.csv"
    file.write_text("a/0.png,0\na/1.png,1\nb/2.png,2\n")
    source = data.folder(pictures, size=4, labels_file=file)
    return source, source.read(data.Draw(0, np.arange(2), np.arange(2)))["y"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "a/0.png,1\na/1.png,2\n", r"says nothing of 1 of 3 pictures, such as 'b/2.png'"),
        ("l.csv", "a/0.png,1\na/1.png,2\nb/2.png,-1\n", "label -1 out of range"),
        ("l.csv", "a/0.png,1\na/1.png,2\nb/2.png,4294967297\n", "4294967297 at 2, which int32 does not"),
        ("l.csv", "a/0.png,1\na/0.png,2\n", "says twice what a/0.png is"),
        ("l.csv", "a/0.png,1,2\na/1.png,2\n", r"lines of \[2, 3\] cells"),
        ("l.csv", "a/0.png,1,x\na/1.png,2,y\nb/2.png,3,z\n", "mixes values of several kinds"),
        ("l.csv", "", "cannot be read: it has lines of"),
        ("l.csv", "a/0.png,1.5\na/1.png,nan\nb/2.png,2\n", "not finite"),
        ("l.json", '{"labels": null}', "says nothing of 3 of 3|mixes values"),
        ("l.json", "[1, 2]", "neither {picture: value} nor"),
        ("l.json", "{", "cannot be read"),
        ("l.json", '{"a/0.png": 1, "a/1.png": "cat", "b/2.png": 2}', "mixes values of several kinds"),
        (
            "l.json",
            '{"a/0.png": {"x": 1}, "a/1.png": {"y": 1}, "b/2.png": {"x": 1}}',
            "not the attributes of the others",
        ),
        ("l.json", '{"a/0.png": [1], "a/1.png": [1, 2], "b/2.png": [1]}', "mixes values of several kinds"),
        ("l.txt", "", "is none of .csv, .tsv, .json"),
    ],
)
def test_files_that_do_not_fit(pictures, name, text, message):
    with pytest.raises(ValueError, match=message):
        conditions(pictures, name, text)


def test_two_sources_of_labels_are_refused(pictures):
    with pytest.raises(ValueError, match=r"choose one of labels= and labels_file="):
        data.folder(pictures, labels=True, labels_file="l.csv")
    with pytest.raises(ValueError, match=r"l.csv cannot be read: .*No such file"):
        data.folder(pictures, labels_file=pictures / "l.csv")
