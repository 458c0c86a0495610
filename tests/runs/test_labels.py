"""Which labels are sampled, what they mean, and data that have changed since a run was started."""

import json

import numpy as np
import pytest

from jaxgan import data
from jaxgan.runs.experiment import Experiment, labels, sample_inputs, shares, with_labels
from jaxgan.runs.folder import check_data, describe, read_config, write_json
from tests.runs.own import Config

ABOUT = {"experiment": "own", "module": "own", "sha256": "", "command": ""}


def source(y, x=0.0, **options):
    return data.arrays(np.full((len(y), 2), x, np.float32), np.asarray(y), **options)


@pytest.mark.parametrize("n", [1, 7, 20, 1000, 50_000])
def test_labels_come_in_the_shares_of_the_data(n):
    counts = np.array([190, 0, 10, 1, 7])
    y = labels(5, n, counts)
    assert (y.shape, y.dtype) == ((n,), np.int32)
    assert (np.diff(y) >= 0).all()
    drawn = np.bincount(y, minlength=5)
    assert np.abs(drawn - n * counts / counts.sum()).max() < 1
    assert drawn[1] == 0


@pytest.mark.parametrize(("classes", "n"), [(10, 1000), (10, 100), (3, 100), (7, 5), (1000, 500)])
def test_equal_shares_are_those_of_recorded_runs(classes, n):
    expected = np.arange(n) * classes // n
    assert np.array_equal(labels(classes, n), expected)
    assert np.array_equal(labels(classes, n, [400] * classes), expected)  # data in equal shares change nothing


def test_an_experiment_is_judged_in_the_shares_of_its_data_and_pictured_in_equal_ones():
    experiment = with_labels(Experiment(None, classes=2), source([0] * 19 + [1]))
    assert (shares(experiment), experiment.counts) == ("data", (19, 1))
    assert np.bincount(sample_inputs(experiment, 100)["y"]).tolist() == [95, 5]
    assert np.bincount(sample_inputs(experiment, 100, "equal")["y"]).tolist() == [50, 50]
    unknown = with_labels(Experiment(None, classes=3), data.ring())  # codes of the game's own
    assert shares(unknown) == "equal"
    assert np.bincount(sample_inputs(unknown, 99)["y"]).tolist() == [33, 33, 33]
    assert shares(Experiment(None)) is None
    assert shares(Experiment(None, classes=2, inputs=lambda n: {"y": np.zeros(n, np.int32)})) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (source([0, 1, 1], names=("cat", "owl")), r"classes were \['cat', 'dog'\], now \['cat', 'owl'\]"),
        (source([0, 1, 1]), r"classes were \['cat', 'dog'\], now none"),
        (source([0, 1, 1, 1], names=("cat", "dog")), "number of examples was 3, now 4"),
        (source([0, 0, 1], names=("cat", "dog")), r"examples of each class was \[1, 2\], now \[2, 1\]"),
        (source([1, 0, 1], names=("cat", "dog")), "examples of arrays are not the same"),
        (source([0, 1, 1], 0.5, names=("cat", "dog")), "examples of arrays are not the same"),
    ],
)
def test_a_run_does_not_go_on_with_other_data(tmp_path, changed, message):
    first = source([0, 1, 1], names=("cat", "dog"))
    describe(tmp_path, ABOUT, Config(), data.batch_at(first, 2, seed=0)(0), first)
    assert read_config(tmp_path)["data"]["names"] == ["cat", "dog"]
    check_data(tmp_path, first._replace(name="elsewhere"))  # where they lie does not matter
    with pytest.raises(ValueError, match=message):
        check_data(tmp_path, changed)
    page = read_config(tmp_path)
    del page["data"]
    write_json(tmp_path / "config.json", page)
    check_data(tmp_path, changed)  # a run of an older version kept nothing to compare with


def test_names_that_are_no_text_are_read_back_as_they_were(tmp_path):
    page = {"path": b"b\xe4ume".decode(errors="surrogateescape"), "plain": "bäume 森"}
    write_json(tmp_path / "page.json", page)
    text = (tmp_path / "page.json").read_bytes().decode()
    assert "森" in text
    assert json.loads(text) == page
