"""Reading .pth: as torch.save wrote it, and never as an attacker would have it."""

import io
import os
import pickle
import pickletools
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from jaxgan.metrics.extractors import pth

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_reads_what_torch_wrote(name):
    """Every dtype, views with strides and offsets, shared storages, parameters, empty arrays and scalars."""
    arrays = pth.parse((GOLDEN / name).read_bytes())
    with np.load(GOLDEN / "pth.npz") as file:
        expected = dict(file)
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(array, expected[name], strict=True)


class Pickled:
    """Writes the instructions of a pickle one after the other."""

    def __init__(self, protocol=2):
        self.bytes = b"\x80" + bytes([protocol])

    def text(self, text):
        self.bytes += b"X" + struct.pack("<I", len(text.encode())) + text.encode()
        return self

    def raw(self, *parts):
        self.bytes += b"".join(parts)
        return self

    def number(self, value):
        return self.raw(b"J", struct.pack("<i", value))

    def storage(self, kind="FloatStorage", key="0", size=6, module="torch"):
        self.raw(b"(").text("storage").raw(f"c{module}\n{kind}\n".encode()).text(key).text("cpu").number(size)
        return self.raw(b"tQ")

    def tensor(self, shape=(2, 3), strides=(3, 1), offset=0, **storage):
        self.raw(b"ctorch._utils\n_rebuild_tensor_v2\n(").storage(**storage).number(offset)
        for numbers in (shape, strides):
            self.raw(b"(")
            for n in numbers:
                self.number(n)
            self.raw(b"t")
        return self.raw(b"\x89ccollections\nOrderedDict\n)RtR")


def state_dict(**tensor):
    return Pickled().raw(b"}").text("w").tensor(**tensor).raw(b"s.").bytes


def zipped(pickled, storages=None, extra=(), compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("archive/data.pkl", pickled)
        for key, data in ({"0": np.arange(6, dtype="<f4").tobytes()} if storages is None else storages).items():
            file.writestr(f"archive/data/{key}", data)
        for name, data in extra:
            file.writestr(name, data)
    return buffer.getvalue()


def legacy(pickled, keys=("0",), sizes=(6,), data=None, little=True, magic=pth.MAGIC):
    head = [magic, pth.LEGACY_VERSION, {"protocol_version": 1001, "little_endian": little}]
    parts = [pickle.dumps(part, 2) for part in head] + [pickled, pickle.dumps(list(keys), 2)]
    data = np.arange(6, dtype="<f4").tobytes() if data is None else data
    return b"".join(parts + [struct.pack("<q", size) + data for size in sizes])


EITHER = pytest.mark.parametrize("packed", [zipped, legacy], ids=["zip", "legacy"])
W = np.arange(6, dtype=np.float32).reshape(2, 3)


@EITHER
def test_reads_files_written_by_hand(packed):
    np.testing.assert_array_equal(pth.parse(packed(state_dict()))["w"], W, strict=True)
    turned = state_dict(shape=(3, 2), strides=(1, 3))
    np.testing.assert_array_equal(pth.parse(packed(turned))["w"], W.T, strict=True)
    cut = state_dict(shape=(2,), strides=(3,), offset=2)
    np.testing.assert_array_equal(pth.parse(packed(cut))["w"], W[:, 2], strict=True)


class Attack:
    def __init__(self, f, *args):
        self.call = f, args

    def __reduce__(self):
        return self.call


ATTACKS = {
    "posix.system": (os.system, "touch {}"),
    "subprocess.Popen": (subprocess.Popen, ["touch", "{}"]),
    "builtins.eval": (eval, "open('{}', 'w')"),
    "builtins.getattr": (getattr, "x", "format"),
}


@EITHER
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ATTACKS)
def test_payloads_are_refused_by_name(packed, protocol, name, tmp_path):
    victim = tmp_path / "victim"
    f, *arguments = ATTACKS[name]
    arguments = [[a.format(victim) for a in x] if isinstance(x, list) else x.format(victim) for x in arguments]
    payload = pickle.dumps(OrderedDict(w=Attack(f, *arguments)), protocol)
    old = {"builtins": "__builtin__", "subprocess": "commands"}  # what protocol 2 calls them
    shown = name if protocol > 2 else name.replace(module := name.split(".")[0], old.get(module, module))
    with pytest.raises(ValueError, match=f"refused: the file asks for '{shown}'"):
        pth.parse(packed(payload))
    assert not victim.exists()
    pickle.loads(payload) if name == "posix.system" else None
    assert victim.exists() == (name == "posix.system")  # the payload is a real one


@pytest.mark.parametrize("position", [0, 1, 2, 4])
def test_every_pickle_of_a_legacy_file_is_guarded(position):
    whole = legacy(state_dict())
    stream, parts = io.BytesIO(whole), []
    for _ in range(5):
        begin = stream.tell()
        list(pickletools.genops(stream))
        parts.append(whole[begin : stream.tell()])
    parts[position] = pickle.dumps(Attack(os.system, "true"), 2)
    with pytest.raises(ValueError, match=r"posix\.system"):
        pth.parse(b"".join(parts) + whole[stream.tell() :])


@EITHER
@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"(S'true'\nios\nsystem\n.", r"refused.* (STRING|INST)"),  # protocol 0 has its own way to call
        (b"\x80\x02(ios\nsystem\n.", "refused.* INST os system"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "refused.* NEWOBJ"),
        (b"\x80\x02\x82\x01.", "refused.* EXT1"),
        (b"\x80\x04\x8c\x05torch\x8c\x04load\x93.", r"asks for 'torch\.load'"),
        (b"\x80\x02ctorch.nn\nLinear\n)R.", r"asks for 'torch\.nn\.Linear'"),
        (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.", "refused: a call of collections OrderedDict"),
        (b"\x80\x02}}R.", "refused: a call of dict"),
        (b"\x80\x02ctorch\nFloatStorage\n}b.", "attributes of something else"),
        (b"\x80\x02K\x05Q.", "refused: a reference"),
        (b"\x80\x02K\x05.", "holds a int, not a state dict|KeyError"),
        (b"\x80\x02}X\x01\x00\x00\x00aK\x05s.", r"holds more than tensors, under \['a'\]|KeyError"),
        (b"\x80\x02}K\x01K\x02s.", "names must be text"),
        (b"\x80\x02}X\x01\x00\x00\x00as.", "IndexError"),
        (b"\x80\x02h\x07.", "KeyError"),
        (b"\x80\x02}X\xff\xff\xff\xffa.", "expected 4294967295 bytes"),  # a text of 4 GiB
        (b"\x80\x02\x8b\xff\xff\xff\x7f", "."),  # a number of 2 GiB
        (b"\x80\x02}", "."),
        (b"", "."),
    ],
)
def test_odd_pickles_are_refused(packed, pickled, message):
    with pytest.raises(ValueError, match=message):
        pth.parse(packed(pickled))


@EITHER
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"shape": (2, 4), "strides": (4, 1)}, "reaches element 7 of a storage of 6"),
        ({"offset": 1}, "reaches element 6"),
        ({"offset": -1}, "refused: a tensor"),
        ({"strides": (-3, 1)}, "refused: a tensor"),
        ({"shape": (2, 3), "strides": (1,)}, "refused: a tensor"),
        ({"shape": (2**30, 2**30), "strides": (0, 0)}, "claim 4611686018427387904 bytes"),  # six numbers as exabytes
        ({"kind": "DoubleStorage"}, r"torn: storage 0 has 24 bytes|not a readable"),
        ({"kind": "ComplexFloatStorage"}, r"asks for 'torch\.ComplexFloatStorage'"),
        ({"kind": "system", "module": "os"}, r"asks for 'os\.system'"),
        ({"size": 7}, "torn: storage 0 has 24 bytes for 7|6 elements where 7 were"),
        ({"size": -6}, "refused: a reference"),
        ({"key": "../../data.pkl"}, "refused: a reference"),
        ({"key": "1"}, "KeyError"),
    ],
)
def test_impossible_tensors_are_refused(packed, tensor, message):
    with pytest.raises(ValueError, match=message):
        pth.parse(packed(state_dict(**tensor)))


@EITHER
def test_nested_structures_cost_nothing(packed):
    """Thirty doublings would be a thousand million entries if anything printed or copied them."""
    doublings = (b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(30))
    bomb = b"\x80\x02]q\x00" + b"".join(doublings)
    for tail in (b"Q.", b".", b"ctorch\nFloatStorage\nh\x1eR."):
        with pytest.raises(ValueError, match=r"refused|holds a tuple|KeyError"):
            pth.parse(packed(bomb + tail))
    deep = b"\x80\x02)" + b"\x85" * 200_000 + b"Q."
    with pytest.raises(ValueError, match="refused"):
        pth.parse(packed(deep))


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_torn_files_are_refused(name):
    whole = (GOLDEN / name).read_bytes()
    for end in [*range(0, 40), *range(40, len(whole) - 1, 97), len(whole) - 1]:
        with pytest.raises(ValueError, match=r"torn|not |pickle|expected|opcode|claims|newline"):
            pth.parse(whole[:end])


def test_flipped_bits_end_in_a_value_error_or_in_arrays():
    rng = np.random.default_rng(0)
    for name in ("zip.pth", "legacy.pth"):
        whole, refused = (GOLDEN / name).read_bytes(), 0
        for position in rng.integers(0, len(whole), 400):
            broken = bytearray(whole)
            broken[position] ^= 1 << rng.integers(0, 8)
            try:
                pth.parse(bytes(broken))
            except ValueError:
                refused += 1
        assert refused > 100


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (zipped(state_dict(), compression=zipfile.ZIP_DEFLATED), "compressed or repeated"),
        (zipped(state_dict(), extra=[("other/data.pkl", b"")]), "2 entries named data.pkl"),
        (zipped(state_dict(), extra=[("archive/byteorder", b"big")]), "byte order b'big'"),
        (legacy(state_dict(), magic=5), "neither the zip format nor the legacy one"),
        (legacy(state_dict(), little=False), "big-endian"),
        (legacy(state_dict(), sizes=(5,)), "5 elements where 6 were announced"),
        (legacy(state_dict(), data=b"1234"), "torn: storage 0 has 4 bytes for 6"),
        (legacy(state_dict(), keys=("9",)), "KeyError"),
        (zipped(state_dict(), storages={}), "KeyError"),
        (zipped(state_dict(), storages={"0": b"12"}), "torn: storage 0 has 2 bytes"),
        (b"PK\x03\x04 no archive", "BadZipFile"),
    ],
)
def test_odd_containers_are_refused(whole, message):
    with pytest.raises(ValueError, match=message):
        pth.parse(whole)


def test_names_of_an_archive_are_never_paths(tmp_path, monkeypatch):
    """Entries that climb out of a folder are not even looked at: nothing is unpacked to disk."""
    monkeypatch.chdir(tmp_path)
    whole = zipped(state_dict(), extra=[("../evil", b"x"), ("/tmp/evil", b"x"), ("archive/data/../../evil", b"x")])
    np.testing.assert_array_equal(pth.parse(whole)["w"], W)
    assert list(tmp_path.iterdir()) == []
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="compressed or repeated"):
        pth.parse(zipped(state_dict(), extra=[("archive/data/0", bytes(24))]))


def test_an_archive_that_claims_more_than_it_has_is_refused():
    whole = bytearray(zipped(state_dict()))
    directory = whole.index(b"PK\x01\x02")
    whole[directory + 24 : directory + 28] = struct.pack("<I", 2**31 - 1)  # the uncompressed size of the first entry
    with pytest.raises(ValueError, match="claims more bytes"):
        pth.parse(bytes(whole))
