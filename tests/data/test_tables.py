"""Tables: what is read and refused, and rows that come back from their encoding."""

import numpy as np
import pytest

import jaxgan as jg
from jaxgan.data import encodings, tables
from jaxgan.data.encodings import Discrete, Encoding, Numeric, Span

RNG = np.random.default_rng(0)
N = 400
LENGTH = np.concatenate([RNG.normal(-3, 0.2, N // 2), RNG.normal(5, 1, N // 2)])
COLOURS = np.array(["red", "green", "blue"], object)[RNG.integers(3, size=N)]


@pytest.fixture(scope="module")
def whole():
    return jg.data.table({"length": LENGTH, "count": RNG.integers(0, 50, N), "colour": COLOURS, "two": LENGTH > 0})


@pytest.fixture(scope="module")
def code(whole):
    return encodings.encoding(whole, modes=4)


def test_columns_are_sorted_out(whole):
    assert whole.discrete == ("colour", "two")
    assert [value.dtype.kind for value in whole.columns.values()] == ["f", "f", "O", "O"]
    few = jg.data.table({"a": np.arange(6) % 3, "b": np.arange(6.0)}, numeric=["b"])
    assert few.discrete == ("a",)
    assert jg.data.table({"a": np.arange(60), "b": np.arange(60)}, discrete=["b"]).discrete == ("b",)


def test_an_encoding_inverts_wherever_nothing_was_cut(whole, code):
    rows = encodings.encoded(code, whole)
    assert rows.dtype == np.float32
    assert rows.shape == (N, sum(span.width for span in encodings.spans(code)))
    assert np.abs(rows).max() <= 1
    back = encodings.decoded(code, rows)
    assert list(back) == list(whole.columns)
    inside = np.abs(rows[:, 0]) < encodings.CLIPPED - 1e-6
    assert inside.mean() > 0.98
    np.testing.assert_allclose(back["length"][inside], LENGTH[inside], rtol=0, atol=1e-6 * LENGTH.std())
    np.testing.assert_array_equal(back["count"], whole.columns["count"])
    np.testing.assert_array_equal(back["colour"], COLOURS)


def test_it_inverts_whichever_mode_is_drawn():
    column = Numeric("x", np.full(3, 1 / 3), np.array([-1.0, 0.0, 2.0]), np.array([1.0, 2.0, 0.9]), False, False)
    x = np.linspace(-1.4, 1.4, 30)
    for seed in range(3):
        rows = encodings.encoded(Encoding((column,)), jg.data.table({"x": x}), seed)
        np.testing.assert_allclose(encodings.decoded(Encoding((column,)), rows)["x"], x, rtol=0, atol=1e-6)
    assert len({tuple(encodings.encoded(Encoding((column,)), jg.data.table({"x": x}), s)[:, 1]) for s in range(3)}) > 1


def test_numbers_and_modes_by_hand():
    column = Numeric("x", np.array([0.5, 0.5]), np.array([0.0, 10.0]), np.array([1.0, 2.0]), False, False)
    rows = encodings.encoded(Encoding((column,)), jg.data.table({"x": np.array([1.0, 14.0, 99.0])}, numeric=["x"]))
    np.testing.assert_allclose(rows, [[0.25, 1, 0], [0.5, 0, 1], [0.99, 0, 1]], rtol=1e-6)  # 99 is cut
    p = encodings.responsibilities(column, np.array([4.0]))[0]  # densities e^-8 and e^-4.5 / 2
    np.testing.assert_allclose(p, np.array([np.exp(-8), np.exp(-4.5) / 2]) / (np.exp(-8) + np.exp(-4.5) / 2))


def test_modes_are_drawn_by_their_responsibilities():
    column = Numeric("x", np.array([0.8, 0.2]), np.zeros(2), np.ones(2), False, False)
    rows = encodings.encoded(Encoding((column,)), jg.data.table({"x": RNG.normal(size=4000)}))
    assert rows[:, 1].mean() == pytest.approx(0.8, abs=0.02)


def test_the_mixture_finds_two_modes(code):
    length = code.columns[0]
    assert {round(float(mean)) for mean, w in zip(length.means, length.weights, strict=True) if w > 0.3} == {-3, 5}
    assert length.weights.min() > encodings.LIGHT
    assert not length.integers
    assert code.columns[1].integers
    assert code.columns[2] == Discrete("colour", ("blue", "green", "red"), encodings.counts(code)[0])
    assert encodings.spans(code)[-2:] == (Span(3, "category"), Span(2, "category"))


def test_a_number_that_many_rows_share_is_a_mode_of_its_own():
    x = np.where(np.arange(N) % 2, 0.0, np.abs(LENGTH))
    table = jg.data.table({"x": x})
    code = encodings.encoding(table, modes=3, atoms=0.1)
    column = code.columns[0]
    assert (column.means[-1], column.stds[-1], column.weights[-1]) == (0.0, 0.0, pytest.approx(0.5))
    assert column.weights.sum() == pytest.approx(1)
    rows = encodings.encoded(code, table)
    np.testing.assert_array_equal(rows[:, -1], x == 0)
    np.testing.assert_array_equal(rows[x == 0, 0], 0)
    smeared = rows + np.eye(rows.shape[1], dtype=np.float32)[0] * 0.1  # a generator's place is never exact
    np.testing.assert_array_equal(encodings.decoded(code, smeared)["x"][x == 0], 0)
    plain = encodings.encoding(table, modes=3).columns[0]
    assert plain.stds.min() > 0
    all_heavy = jg.data.table({"x": np.arange(N) % 3}, numeric=["x"])
    assert encodings.encoding(all_heavy, modes=2, atoms=0.1).columns[0].stds.min() > 0


def test_missing_values_are_refused_or_have_a_mask():
    columns = {"x": np.where(np.arange(N) % 4, LENGTH, np.nan), "c": [None, "a", "b", "b"] * (N // 4)}
    with pytest.raises(ValueError, match=r"missing values, by column: \{'x': 100, 'c': 100\}; .* missing='mask'"):
        jg.data.table(columns)
    masked = jg.data.table(columns, missing="mask")
    assert list(masked.columns) == ["x", "x is missing", "c"]
    assert masked.columns["x"][0] == pytest.approx(np.nanmean(columns["x"]))
    code = encodings.encoding(masked, modes=3)
    back = encodings.decoded(code, encodings.encoded(code, masked))
    assert list(back) == ["x", "c"]
    np.testing.assert_array_equal(np.isnan(back["x"]), np.isnan(columns["x"]))
    np.testing.assert_array_equal(back["c"], np.array(columns["c"], object))


def test_real_rows_fulfil_their_conditions_which_are_drawn_by_log_frequency(whole):
    names = np.repeat(np.array(["a", "b", "c"], object), [900, 90, 10])
    other = np.array(["p", "q"], object)[RNG.integers(2, size=1000)]
    table = jg.data.table({"x": np.arange(1000.0), "name": names, "other": other})
    code = encodings.encoding(table, modes=2)
    source = encodings.matched(table, code)
    read = jg.data.batch_at(source, 4000, seed=1)
    x, y = read(0)["x"], read(0)["y"]
    assert (x.dtype, y.dtype, y.shape) == (np.float32, np.float32, (4000, 5))
    np.testing.assert_array_equal(np.sort(y, axis=1)[:, -1], 1)
    np.testing.assert_array_equal(y.sum(axis=1), 1)
    np.testing.assert_array_equal(np.sum(y * x[:, -5:], axis=1), 1)  # each row has the value that is asked for
    shares = y[:, :3].sum(axis=0) / y[:, :3].sum()
    np.testing.assert_allclose(shares, np.log([901, 91, 11]) / np.log([901, 91, 11]).sum(), atol=0.02)
    assert y[:, :3].sum() / 4000 == pytest.approx(0.5, abs=0.03)
    np.testing.assert_array_equal(read(3)["x"], jg.data.batch_at(source, 4000, seed=1)(3)["x"])
    asked_for_a = x[y[:, 0] == 1]
    assert len(np.unique(asked_for_a[:, 0])) > 300  # rows are drawn, not the first of each value


def test_without_categories_rows_have_no_conditions():
    table = jg.data.table({"x": LENGTH})
    assert set(jg.data.batch_at(encodings.matched(table, encodings.encoding(table, 2)), 8, 0)(0)) == {"x"}


def test_files(whole, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tables.write_csv(tmp_path / "rows.csv", whole.columns)
    read = jg.data.table(path)
    assert (list(read.columns), read.discrete) == (list(whole.columns), whole.discrete)
    np.testing.assert_allclose(read.columns["length"].astype(float), LENGTH, rtol=1e-12)
    parquet.write_table(pa.table({"x": [1.5, None, 2.5], "c": ["a", "b", None]}), tmp_path / "rows.parquet")
    masked = jg.data.table(tmp_path / "rows.parquet", numeric=["x"], missing="mask")
    assert masked.columns["x is missing"].tolist() == ["no", "yes", "no"]
    assert masked.columns["c"].tolist() == ["a", "b", None]
    (tmp_path / "gaps.csv").write_text("x,c\n1,a\n,b\n3,\n")
    with pytest.raises(ValueError, match=r"gaps.csv has missing values, by column: \{'x': 1, 'c': 1\}"):
        jg.data.table(tmp_path / "gaps.csv")
    (tmp_path / "days.csv").write_text("day,x\n2020-01-01,1\n2020-01-02,2\n")
    with pytest.raises(ValueError, match=r"neither numbers nor strings: \{'day': 'date32\[day\]'\}"):
        jg.data.table(tmp_path / "days.csv")
    (tmp_path / "twice.csv").write_text("x,x\n1,2\n")
    with pytest.raises(ValueError, match=r"names columns twice: \['x'\]"):
        jg.data.table(tmp_path / "twice.csv")
    with pytest.raises(ValueError, match=r"must end in .csv or .parquet"):
        jg.data.table(tmp_path / "rows.xlsx")
    with pytest.raises(ValueError, match="there is no file"):
        jg.data.table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("columns", "settings", "says"),
    [
        ({}, {}, "has no columns"),
        ({"a": np.zeros((2, 2))}, {}, r"not \[N\]: \{'a': \(2, 2\)\}"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, {}, r"different lengths: \{'a': 2, 'b': 3\}"),
        ({"a": np.zeros(0)}, {}, "has no rows"),
        ({"a": np.zeros(2, complex)}, {}, r"neither numbers nor strings: \{'a': 'complex128'\}"),
        ({"a": np.arange(20.0)}, {"discrete": ["b"]}, r"has no columns \['b'\]; it has \['a'\]"),
        ({"a": np.arange(20.0)}, {"discrete": ["a"], "numeric": ["a"]}, r"\['a'\] are named both"),
        ({"a": np.array(["p", "q"])}, {"numeric": ["a"]}, r"columns \['a'\] are no numbers"),
        ({"a": np.append(np.arange(20.0), np.inf)}, {}, r"infinite in columns \['a'\]"),
        ({"a": np.zeros(4)}, {"numeric": ["a"]}, r"\['a'\] hold one number alone"),
        ({"a": np.arange(2000).astype(str)}, {}, r"more than 1000 categories: \{'a': 2000\}"),
        ({"a": np.zeros(2)}, {"missing": "drop"}, "missing='drop' is unknown"),
    ],
)
def test_bad_columns_are_named(columns, settings, says):
    with pytest.raises(ValueError, match=says):
        jg.data.table(columns, **settings)


def test_what_does_not_fit_the_encoding(whole, code):
    with pytest.raises(ValueError, match=r"lacks the columns \['two'\]"):
        encodings.encoded(code, whole._replace(columns={k: v for k, v in whole.columns.items() if k != "two"}))
    with pytest.raises(ValueError, match=r"'colour' has values \('pink',\) that are not encoded"):
        encodings.encoded(code, whole._replace(columns=whole.columns | {"colour": np.full(N, "pink", object)}))
    with pytest.raises(ValueError, match=r"rows of this encoding are \[N, .*; got \(2, 3\)"):
        encodings.decoded(code, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="modes >= 1 and rows >= 2; got 0"):
        encodings.encoding(whole, modes=0)
    with pytest.raises(ValueError, match=r"atoms in \(0, 1\], a share of rows; got 2"):
        encodings.encoding(whole, atoms=2)
    assert len(tables.taken(whole, np.arange(3)).columns["length"]) == 3
