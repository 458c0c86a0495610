"""Weight files: what is written is read bitwise, hashes are checked, odd files are refused."""

import contextlib
import hashlib
import io
import itertools
import json
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgan.metrics.extractors import weights

GOLDEN = Path(__file__).parent / "golden"
KINDS = ("<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "<i1", "<u8", "<u4", "<u2", "<u1", "?")
ARRAYS = {f"layer.{i}": (np.arange(6).reshape(2, 3) - 2).astype(kind) for i, kind in enumerate(KINDS)}
ARRAYS |= {"scalar": np.float32(3.5)[()] * np.ones(()), "empty": np.zeros((0, 4), np.float32)}
HASH = "12" * 32
PLAIN = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


def same(a, b):
    assert sorted(a) == sorted(b)
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_array_equal(a[name], b[name], strict=True)


@PLAIN
def test_arrays_are_kept_bitwise(tmp_path, suffix):
    path = weights.write(tmp_path / f"w{suffix}", weights.Weights(ARRAYS, HASH))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    found = weights.read(path)
    same(found.arrays, ARRAYS)
    assert found.sha256 == HASH


@PLAIN
@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_convert_keeps_every_bit_and_the_hash_of_the_original(tmp_path, suffix, name):
    done = weights.convert(GOLDEN / name, tmp_path / f"a{suffix}")
    digest = hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest()
    assert (done.path, done.tensors, done.sha256) == (tmp_path / f"a{suffix}", 21, digest)
    assert done.values == 124
    assert digest in done.message
    assert "no file known by hash" in done.message
    with np.load(GOLDEN / "pth.npz") as file:
        same(weights.read(done.path).arrays, dict(file))
    again = weights.convert(done.path, tmp_path / "b.npz")  # a conversion of a conversion remembers the first
    assert again.sha256 == digest == weights.sha256(GOLDEN / name)


def test_a_plain_file_of_somebody_else_is_known_by_its_own_hash(tmp_path):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, a=np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    found = weights.read(path)
    np.testing.assert_array_equal(found.arrays["a"], np.arange(6.0).reshape(2, 3), strict=True)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_safetensors_as_the_format_says(tmp_path):
    """A file written by hand from the format's description, and ours taken apart by hand."""
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"__metadata__":{"k":"v"}}   '
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0")
    found = weights.read(path)
    np.testing.assert_array_equal(found.arrays["a"], np.float32([1.0, -2.0]), strict=True)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    arrays = {"b": np.int16([[7, 8]]), "a": np.float32([1])}
    data = weights.write(path, weights.Weights(arrays, HASH)).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    record = json.loads(header.pop("__metadata__").pop("jaxgan"))
    assert record == {"source_sha256": HASH, "content_sha256": weights.content_sha256(arrays)}
    assert header == {
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "I16", "shape": [1, 2], "data_offsets": [4, 8]},
    }
    assert data[8 + length :] == b"\x00\x00\x80\x3f\x07\x00\x08\x00"


@PLAIN
def test_how_an_array_lies_in_memory_does_not_matter(tmp_path, suffix):
    """The safetensors library alone writes memory as it lies: a transposed array would be read scrambled."""
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = weights.write(tmp_path / f"a{suffix}", weights.Weights({"a": plain}, HASH)).read_bytes()
    for other in (np.asfortranarray(plain), np.repeat(plain, 2, axis=1)[:, ::2], plain.astype(">f4")):
        path = weights.write(tmp_path / f"b{suffix}", weights.Weights({"a": other}, HASH))
        np.testing.assert_array_equal(weights.read(path).arrays["a"], plain)
        if suffix == ".safetensors":
            assert path.read_bytes() == first


def test_equal_weights_are_equal_bytes(tmp_path):
    """Its metadata are a hash map: two entries would change places from one write to the next."""
    files = [tmp_path / f"{i}.safetensors" for i in range(20)]
    assert len({weights.write(file, weights.Weights(ARRAYS, HASH)).read_bytes() for file in files}) == 1


@PLAIN
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, suffix):
    path = weights.write(tmp_path / f"w{suffix}", weights.Weights({"a": np.float32([1])}, HASH))
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            weights.write(path, weights.Weights({"a": np.ones(1000)}, HASH))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


def test_no_damage_to_a_safetensors_file_reaches_the_arrays(tmp_path):
    """Cut anywhere: one clear error. One bit flipped anywhere: the same, or the arrays that were written."""
    arrays = {"a": np.float32([1, 2]), "b": np.int8([[3]])}
    path = weights.write(tmp_path / "w.safetensors", weights.Weights(arrays, HASH))
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(ValueError, match=r"^.*cannot be read: not a readable \.safetensors file: .*$"):
            weights.read(path)
    for i, bit in itertools.product(range(len(data)), range(8)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :])
        with contextlib.suppress(ValueError):  # nothing else may be raised
            same(weights.read(path).arrays, arrays)


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def packed(header, body=b"1234", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header too small"),
        (packed({}, length=2**63), "header too large"),
        (packed({}, length=7), "invalid header length"),
        (packed(b"\xff\xff"), "invalid UTF-8"),
        (packed(b"{"), "invalid JSON"),
        (packed(b"[1]"), "invalid JSON"),
        (packed(b"[" * 100_000), "invalid JSON"),
        (packed(b'{"a":1,"a":2}'), "invalid JSON"),
        (packed(b'{"__metadata__":{},"__metadata__":{}}'), "duplicate field"),
        (packed({"a": 1}), "invalid JSON"),
        (packed({"a": entry("F31")}), "unknown variant `F31`"),
        (packed({"a": entry("C64", offsets=(0, 8))}, b"12345678"), r"not read: 'a' \(C64\); save them as float32"),
        (packed({"a": entry("F8_E4M3", shape=(4,))}), r"not read: 'a' \(F8_E4M3\)"),
        (packed({"a": entry(shape=(2,))}), "invalid shape, data type, or offset"),
        (packed({"a": entry(shape=(-1,), offsets=(4, 0))}), "invalid value: integer `-1`"),
        (packed({"a": entry(shape=(2**62, 2**62))}), "overflow"),
        (packed({"a": entry(shape=(1.0,))}), "floating point `1.0`"),
        (packed({"a": entry(offsets=(-4, 0))}), "invalid value: integer `-4`"),
        (packed({"a": entry(offsets=(4, 8))}), "invalid offset for tensor `a`"),
        (packed({"a": entry(), "b": entry()}), "invalid offset for tensor"),
        (packed({"a": entry()}, b"12"), "file not fully covered"),
        (packed({"a": entry()}, b"12345"), "file not fully covered"),
        (packed({"__metadata__": {"k": 1}, "a": entry()}), "expected a string"),
        (packed({"__metadata__": {"jaxgan": "[]"}, "a": entry()}), "not a dictionary"),
        (packed({"__metadata__": {"jaxgan": "{"}, "a": entry()}), "property name"),
    ],
)
def test_odd_safetensors_are_refused(tmp_path, data, message):
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        weights.read(path)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def archive(*entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return buffer.getvalue()


HUGE = npy(np.zeros(2, np.float32)).replace(b"(2,)", b"(9999999999,)").replace(b"          \n", b" \n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable .npz"),
        (b"no archive", "not a readable .npz"),
        (archive(("a.npy", npy(np.array([{}])))), "not an array of numbers but of object"),
        (archive(("a.npy", npy(np.array(["text"])))), "not an array of numbers but of <U4"),
        (archive(("a.npy", npy(np.zeros(2, "f4,i4")))), "not an array of numbers"),
        (archive(("a.npy", npy(np.ones(4))[:-1])), r"31 bytes for shape \(4,\)"),
        (archive(("a.npy", HUGE)), r"8 bytes for shape \(9999999999,\)"),
        (archive(("a.npy", b"junk")), "magic"),
        (archive(("a.npy", npy(np.ones(400))))[:200], "not a readable .npz"),
        (archive(("__metadata__.npy", npy(np.array("[]")))), "not a dictionary"),
        (archive(("__metadata__.npy", npy(np.array("{")))), "Expecting"),
    ],
)
def test_odd_npz_are_refused(tmp_path, data, message):
    path = tmp_path / "w.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        weights.read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_occurs_twice_is_refused(tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(archive(("a.npy", npy(np.ones(4))), ("a.npy", npy(np.ones(4)))))
    with pytest.raises(ValueError, match="occurs twice"):
        weights.read(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    path.write_bytes(archive(("a.npy", npy(np.zeros(100_000)))))
    assert path.stat().st_size < 2000
    monkeypatch.setattr(weights, "NPZ_LIMIT", 10_000)
    with pytest.raises(ValueError, match="unpacks to more than 10000 bytes"):
        weights.read(path)


@PLAIN
def test_a_changed_number_is_noticed(tmp_path, suffix):
    path = weights.write(tmp_path / f"w{suffix}", weights.Weights({"a": np.float32([1, 2, 3])}, HASH))
    if suffix == ".safetensors":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        with np.load(path) as file:
            arrays = dict(file)
        np.savez(path, **arrays | {"a": np.float32([1, 2, 4])})
    with pytest.raises(ValueError, match="is damaged: its arrays are not those that were written"):
        weights.read(path)


def test_the_hash_in_a_name_is_checked(tmp_path):
    data = (GOLDEN / "zip.pth").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    right, wrong = tmp_path / f"w-{digest[:8]}.pth", tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    right.write_bytes(data)
    wrong.write_bytes(data)
    assert weights.read(right).sha256 == digest
    with pytest.raises(ValueError, match=rf"damaged or another file: its SHA-256 is {digest}, its name says 6726825d"):
        weights.read(wrong)


def test_content_hash_depends_on_all_but_the_order():
    a = {"x": np.float32([1, 2]), "y": np.float32([[3]])}
    reference = weights.content_sha256(a)
    assert weights.content_sha256(dict(reversed(a.items()))) == reference
    assert weights.content_sha256({"x": a["x"].astype(">f4"), "y": a["y"]}) == reference
    others = [{"x": a["x"], "z": a["y"]}, a | {"x": np.float64([1, 2])}, a | {"y": np.float32([3])}]
    others += [a | {"x": np.float32([1, -2])}, {"x": a["x"]}]
    assert len({reference, *map(weights.content_sha256, others)}) == 6


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        weights.read(tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"no weight file that can be read; have \.pth, \.pt, \.npz"):
        weights.read(tmp_path / "w.h5")
    with pytest.raises(ValueError, match=r"name it \.npz or \.safetensors"):
        weights.convert(GOLDEN / "zip.pth", tmp_path / "w.pth")
    for odd in ({"a": np.array([{}])}, {"a": np.array(["x"])}, {"__metadata__": np.ones(1)}):
        with pytest.raises(ValueError, match="named arrays of numbers"):
            weights.write(tmp_path / "w.npz", weights.Weights(odd, HASH))
    with pytest.raises(ValueError, match=r"cannot be stored as \.safetensors: Unknown dtype"):
        weights.write(tmp_path / "w.safetensors", weights.Weights({"a": np.ones(1, np.longdouble)}, HASH))
    assert list(tmp_path.iterdir()) == []


def test_published_files_are_known():
    assert "pytorch-fid" in weights.published(weights.INCEPTION)
    assert weights.INCEPTION.startswith("6726825d")
    assert len(weights.INCEPTION) == 64
    assert weights.published(HASH) is None
