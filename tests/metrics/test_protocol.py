import dataclasses
import json
import math

import pytest

from jaxgan.metrics.protocol import Figure, Protocol, compare, described, differing, from_json, rank, to_json

PROTOCOL = Protocol(
    name="test", dataset="digits", split="test", real=10, fake=20, size=(8, 8, 1), resizer="none", features="pixels",
    weights="none", averaged=True, normalization="running", seed=0,
)  # fmt: skip
OTHER = {
    "name": "b", "dataset": "b", "split": "train", "real": 11, "fake": 21, "size": (8, 8, 3), "resizer": "clean",
    "features": "inception", "weights": "ab" * 32, "averaged": False, "normalization": "standing", "seed": 1,
    "labels": "data",
}  # fmt: skip


def figure(value, low=math.nan, high=math.nan, better="lower", metric="fid", **changes):
    return Figure(metric, value, low, high, better, dataclasses.replace(PROTOCOL, **changes))


def test_every_field_of_a_protocol_separates():
    assert set(OTHER) == {field.name for field in dataclasses.fields(Protocol)}
    for name, value in OTHER.items():
        with pytest.raises(ValueError, match=f"different protocols cannot be compared: {name} .* and "):
            compare(figure(1.0), figure(2.0, **{name: value}))
        with pytest.raises(ValueError, match=f"{name} "):
            rank({"a": figure(1.0), "b": figure(2.0, **{name: value})})
    assert differing(PROTOCOL, dataclasses.replace(PROTOCOL, **OTHER)).keys() == OTHER.keys()


def test_a_protocol_is_frozen_and_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROTOCOL.seed = 3
    with pytest.raises(ValueError, match="real >= 1"):
        dataclasses.replace(PROTOCOL, real=0)
    with pytest.raises(ValueError, match="normalization='moving'"):
        dataclasses.replace(PROTOCOL, normalization="moving")


def test_comparison_knows_which_way_is_better():
    assert compare(figure(1.0), figure(3.0)) == (-2.0, None, True)
    assert compare(figure(1.0, better="higher"), figure(3.0, better="higher")).better is False
    assert compare(figure(1.0, 0.5, 1.5), figure(3.0, 2.5, 3.5)).apart is True
    assert compare(figure(1.0, 0.5, 2.6), figure(3.0, 2.5, 3.5)).apart is False
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(figure(1.0), figure(1.0, metric="kid"))


def test_rank_is_from_best_to_worst():
    assert rank({"a": figure(2.0), "b": figure(1.0), "c": figure(3.0)}) == ["b", "a", "c"]
    assert rank({n: figure(v, better="higher") for n, v in (("a", 2.0), ("b", 1.0), ("c", 3.0))}) == ["c", "a", "b"]
    with pytest.raises(ValueError, match="no figures"):
        rank({})
    with pytest.raises(ValueError, match="'b' is NaN"):
        rank({"a": figure(2.0), "b": figure(math.nan)})


def test_figures_are_stored_with_their_protocol():
    for kept in (figure(1.5, 1.0, 2.0), figure(1.5), figure(1.0, **OTHER), figure(1.0, averaged=None)):
        text = json.dumps(to_json(kept), allow_nan=False)
        assert repr(from_json(json.loads(text))) == repr(kept)  # NaN is not equal to itself
    with pytest.raises(ValueError, match="not a figure"):
        from_json({"metric": "fid"})
    page = to_json(figure(1.0))
    with pytest.raises(ValueError, match="not a figure"):
        from_json(page | {"protocol": page["protocol"] | {"precision": "float16"}})


def test_every_field_is_told_in_words():
    words = described(PROTOCOL)
    for changed, value in OTHER.items():
        assert described(dataclasses.replace(PROTOCOL, **{changed: value})) != words
