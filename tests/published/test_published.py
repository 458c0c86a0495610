"""Weights that others published: from their files to samples, and what is refused; parity is a benchmark's."""

import dataclasses
import os
import pickle
import struct

import jax
import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from jaxgan.commands.main import main as jaxgan
from jaxgan.networks import residual
from jaxgan.published import pkl, read, spectral
from jaxgan.published.parts import to_map
from jaxgan.recipes import training
from jaxgan.runs import loading
from jaxgan.runs.folder import read_config
from tests.published import written


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A StyleGAN2 of 8 x 8 pixels in three classes, by the command."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "net.pkl").write_bytes(written.snapshot(*written.stylegan2(classes=3)))
    assert jaxgan(["import-weights", str(folder / "net.pkl"), "--out", str(folder / "run")]) == 0
    return folder / "run"


def by_hand(z, y):
    """The mapping of the authors' network, and the mean that truncation draws towards."""
    (arrays, _, _), _ = written.stylegan2(classes=3)

    def unit(v):
        return v / np.sqrt((v**2).mean(axis=1, keepdims=True) + 1e-8)

    embedded = np.eye(3)[y] @ arrays["mapping.embed.weight"].T / np.sqrt(3) + arrays["mapping.embed.bias"]
    w = np.concatenate([unit(z), unit(embedded)], axis=1)
    for k in range(2):
        kernel, bias = arrays[f"mapping.fc{k}.weight"], arrays[f"mapping.fc{k}.bias"]
        w = w @ kernel.T * 0.01 / np.sqrt(kernel.shape[1]) + 0.01 * bias
        w = np.sqrt(2) * np.where(w > 0, w, 0.2 * w)
    return w, arrays["mapping.w_avg"]


def test_imported_styles_are_the_authors(imported):
    trained = loading.load(imported)
    game, state = trained.experiment.game, trained.state
    z, y = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32), np.arange(4, dtype=np.int32) % 3
    variables = {"params": state.ema["generator"], **state.ema_state["generator"]}
    styles = game.networks["generator"].apply(variables, z, y, train=False, method="mapping")
    w, mean = by_hand(z, y)
    np.testing.assert_allclose(styles, np.repeat(w[:, None], 4, axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(state.model_state["generator"]["average"]["w"], mean)
    assert set(state.params) == {"generator", "discriminator"}


def test_kernels_that_double_the_map_are_turned(imported):
    (arrays, _, _), _ = written.stylegan2(classes=3)
    layers = loading.load(imported).state.params["generator"]["draw"]
    turned = arrays["synthesis.b8.conv0.weight"].transpose(2, 3, 1, 0)[::-1, ::-1]
    np.testing.assert_array_equal(layers["StyledConv_1"]["ModulatedConv_0"]["kernel"], turned)
    plain = arrays["synthesis.b8.conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(layers["StyledConv_2"]["ModulatedConv_0"]["kernel"], plain)


def test_an_import_is_sampled_exported_and_carried(imported, tmp_path, capsys):
    assert jaxgan(["sample", str(imported), "--n", "6", "--truncation", "0.5", "--out", str(tmp_path / "a.png")]) == 0
    assert Image.open(tmp_path / "a.png").size == (160, 16)
    assert jaxgan(["export", str(imported), "--out", str(tmp_path / "taken")]) == 0
    y = np.arange(4, dtype=np.int32) % 3
    run, taken = jg.load(imported), jg.load(tmp_path / "taken")
    np.testing.assert_allclose(taken(seed=1, y=y), run(seed=1, y=y), rtol=0, atol=1e-6)
    words = ["import-weights", str(tmp_path / "taken" / "generator.safetensors"), "--like", str(imported)]
    assert jaxgan([*words, "--out", str(tmp_path / "again")]) == 0
    np.testing.assert_array_equal(jg.load(tmp_path / "again")(seed=1, y=y), run(seed=1, y=y))
    trained = loading.load(imported)
    game, batch = trained.experiment.game, {"x": np.zeros((2, 8, 8, 3), np.float32), "y": y[:2]}
    carried = jg.carry(trained.state, game, jax.random.key(1), batch)
    assert not carried.fresh
    with pytest.raises(ValueError, match="imported weights come without the losses"):
        game.train_step(carried.state, batch)
    capsys.readouterr()


def pictures(folder, side, places=("",)):
    for place in places:
        (folder / place).mkdir(parents=True)
        for k in range(4):
            pixels = np.random.default_rng(k).integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(folder / place / f"{k}.png")
    return str(folder)


def test_an_import_is_trained_on(imported, tmp_path, capsys):
    """By the recipe of its family, with the networks of the file and all that they have learned."""
    data = pictures(tmp_path / "data", 8, "abc")
    brief = ["--steps", "1", "--batch-size", "8", "--judged", "8", "--evaluations", "1", "--gamma", "0"]
    words = ["train", data, "--from", str(imported), *brief, "--augment", "none", "--out", str(tmp_path), "--id", "one"]
    assert jaxgan(words) == 0
    out = capsys.readouterr().out
    assert "networks: those of the imported weights (stylegan2)" in out
    assert "leaves were carried, 0 are fresh" in out
    page = read_config(tmp_path / "train" / "one")
    config = page["config"]
    assert (config["recipe"], config["size"], config["latent"], config["labels"]) == ("stylegan2", 8, 3, True)
    assert "networks" not in page["command"]
    trained = loading.load(tmp_path / "train" / "one")
    begun = loading.load(imported)
    assert trained.experiment.game.networks["generator"] == begun.experiment.game.networks["generator"]
    apart = jax.tree.map(lambda a, b: float(abs(a - b).max()), begun.state.params, trained.state.params)
    assert 0 < max(jax.tree.leaves(apart)) < 0.1  # one step away, not begun anew
    config = training.Config(**config)
    for data, changed in (((16, 16, 3), {}), ((8, 8, 1), {}), ((8, 8, 3), {"latent": 4})):
        with pytest.raises(
            ValueError, match="the weights make pictures of 8x8x3 in 3 classes by latents of 3, the run"
        ):
            training.brought(dataclasses.replace(config, **changed), data, 3)


def test_another_recipe_has_its_own_networks(imported):
    choice = training.imported_choice(read_config(imported))
    assert training.inherited(training.Config(), choice, False).networks == choice["networks"]
    assert not training.inherited(training.Config(recipe="r3gan"), choice, False).networks
    goes_on = training.inherited(training.Config(), dataclasses.asdict(training.Config(**choice)), False)
    assert (goes_on.networks, goes_on.size, goes_on.labels) == (choice["networks"], 8, True)


def test_mimicrys_spectral_norms_divide_by_the_same_numbers(tmp_path):
    generator, discriminator = written.sngan()
    for name, arrays in (("g", generator), ("d", discriminator)):
        (tmp_path / f"{name}.npz").write_bytes(written.saved(arrays))
    made = read(tmp_path / "g.npz", discriminator=tmp_path / "d.npz")
    assert (made.family, made.size, made.latent, made.classes) == ("sngan", 32, 6, 0)
    assert made.generator.settings["upsampling"] == "bilinear"
    for theirs, ours, norm in (("block3.c2", "DownBlock_1/Conv_1", "DownBlock_1/SpectralNorm_1/Conv_1"),):
        matrix = discriminator[f"{theirs}.weight_orig"].reshape(16, -1)
        sigma = discriminator[f"{theirs}.weight_u"] @ matrix @ discriminator[f"{theirs}.weight_v"]
        kernel = made.discriminator.variables[f"params/{ours}/kernel"].reshape(-1, 16)
        u = made.discriminator.variables[f"spectral/{norm}/kernel/u"].reshape(-1)
        np.testing.assert_allclose(np.linalg.norm(kernel @ u), sigma, rtol=1e-5)
    with pytest.raises(ValueError, match="singular values from"):
        spectral.vector(np.eye(3, dtype=np.float32), np.ones(3, np.float32), 2.0)


def test_maps_are_ordered_and_doubled():
    channels_first = np.arange(12, dtype=np.float32).reshape(3, 2, 2)  # [C, h, w]
    ordered = to_map(channels_first.reshape(12, 1), 2, 2).reshape(2, 2, 3)
    np.testing.assert_array_equal(ordered, channels_first.transpose(1, 2, 0))
    row = residual.interpolated(np.asarray([0.0, 4.0], np.float32).reshape(1, 1, 2, 1))
    np.testing.assert_allclose(row[0, 0, :, 0], [0.0, 1.0, 3.0, 4.0])
    np.testing.assert_allclose(row[0, 1], row[0, 0])


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def attacks(canary):
    """Pickles that would run something, each by another instruction."""
    line = f"X{struct.pack('<I', 6 + len(str(canary))).decode('latin1')}touch {canary}".encode("latin1")
    call = b"cposix\nsystem\n"
    inner = b"(" + b"X\x07\x00\x00\x00storage" + call + line + b"\x85R"
    yield "REDUCE", pickle.dumps({"G": Attack(canary)}, 3), "posix.system"
    yield "STACK_GLOBAL", pickle.dumps({"G": Attack(canary)}, 4), "posix.system"
    yield "INST", b"\x80\x03(" + line + b"iposix\nsystem\n.", "the instruction INST"
    yield "OBJ", b"\x80\x03(" + call + line + b"o.", "posix.system"
    yield "OBJ of what is known", b"\x80\x03(ctorch\nSize\n" + line + b"o.", "the instruction OBJ"
    yield "NEWOBJ", b"\x80\x03" + call + line + b"\x85\x81.", "posix.system"
    yield "BUILD", b"\x80\x03ctorch\nSize\n}X\x08\x00\x00\x00__dict__Nsb.", "attributes of something else"
    yield "persistent ids", b"\x80\x03" + inner + b"tQ.", "posix.system"
    yield "PERSID", b"\x80\x03P" + str(canary).encode() + b"\n.", "the instruction PERSID"
    yield "EXT1", b"\x80\x03\x82\x01.", "the instruction EXT1|not a readable"
    code = "torch_utils.persistence\n_reconstruct_persistent_obj\n"
    yield "a class of another module", b"\x80\x03cos.path\njoin\n.", "os.path.join"
    yield "a name with a dot", b"\x80\x03ctorch.nn.modules.linear\nLinear.forward\n.", "Linear.forward"
    yield "no state", b"\x80\x03c" + code.encode() + b"}\x85R.", "a persistent object without a state"
    yield "bytes of a program", _nested(pickle.dumps(Attack(canary), 3)), "not a .pth file|posix.system|refused"


def _nested(data):
    blob = written.Pickled().raw(b"B", struct.pack("<I", len(data)), data).bytes[2:]
    return b"\x80\x03ctorch.storage\n_load_from_bytes\n" + blob + b"\x85R."


@pytest.mark.parametrize("k", range(14))
def test_nothing_in_a_pickle_is_run(k, tmp_path, capsys):
    canary = tmp_path / "canary"
    name, data, message = list(attacks(canary))[k]
    with pytest.raises(ValueError, match=message):
        pkl.modules(data)
    (tmp_path / "bad.pkl").write_bytes(data)
    assert jaxgan(["import-weights", str(tmp_path / "bad.pkl"), "--out", str(tmp_path / "run")]) == 2, name
    words = capsys.readouterr().err.strip()
    assert len(words.splitlines()) == 1, words
    assert not canary.exists()
    assert not (tmp_path / "run").exists()


def test_a_pickle_that_would_run_is_a_real_one(tmp_path):
    pickle.loads(pickle.dumps({"G": Attack(tmp_path / "canary")}, 3))
    assert (tmp_path / "canary").exists()


def bomb(depth=40):
    """Networks within networks, each twice: a small file that unfolds to 2^depth parts."""
    data = written.Pickled().raw(b"}").value("leaf").value(written.network("Linear")).raw(b"q\x00s")
    for k in range(depth):
        data.value("G").raw(b"ctorch.nn.modules.container\nSequential\n)\x81}(")
        data.value("_parameters").value({}).value("_buffers").value({}).value("_modules").raw(b"}(")
        data.value("a").raw(b"h", bytes([k])).value("b").raw(b"h", bytes([k]), b"uub", b"q", bytes([k + 1]), b"s")
    return data.raw(b".").bytes


def lie():
    """A file of 700 bytes that announces a storage, and a tensor, of 4 GiB."""
    data = written.Pickled().raw(b"}").value("G").raw(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n")
    data.raw(b"}(").value("class_name").value("Generator").value("state").raw(b"}(").value("_modules").value({})
    data.value("_parameters").value({}).value("_buffers").raw(b"}").value("w")
    data.raw(b"ctorch._utils\n_rebuild_tensor_v2\n(")
    blob = written.storage(np.zeros(1, np.float32), size=2**30)
    data.called("torch.storage", "_load_from_bytes", lambda: data.raw(b"B", struct.pack("<I", len(blob)), blob))
    return data.value(0).value((2**30,)).value((1,)).raw(b"\x89ccollections\nOrderedDict\n)RtRsuu\x85Rs.").bytes


def test_files_that_are_torn_or_lie_are_refused(tmp_path):
    whole = written.snapshot(*written.stylegan2())
    assert set(pkl.modules(whole)) == {"G", "D", "G_ema"}
    for cut in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match=r"torn|not a readable|exhausted|expected|not enough|no newline"):
            pkl.modules(whole[:cut])
    with pytest.raises(ValueError, match=r"expected 4294967295 bytes"):
        pkl.modules(b"\x80\x03B" + struct.pack("<I", 2**32 - 1) + b"abc.")
    with pytest.raises(ValueError, match="the tensors claim 4294967296 bytes"):
        pkl.modules(lie())
    with pytest.raises(ValueError, match="refused: more than 20000 parts"):
        pkl.modules(bomb())
    with pytest.raises(ValueError, match="no network"):
        pkl.modules(pickle.dumps({"G": 1, "D": [2]}, 3))


def odd(change):
    generator, discriminator = written.stylegan2()
    change(*generator)
    return written.snapshot(generator, discriminator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b, k: k.update({"synthesis.input": "SynthesisInput"}), "alias-free generator"),
        (lambda a, b, k: b.update({"synthesis.b4.conv1.activation": "relu"}), "leaky ReLUs"),
        (lambda a, b, k: b.update({"mapping.fc0.bias_gain": 0.5}), "learns at 0.01"),
        (lambda a, b, k: b.update({"synthesis.b4.architecture": "new"}), "is 'new'; have skip"),
        (lambda a, b, k: a.update({"synthesis.b8.resample_filter": np.ones((2, 2), np.float32)}), "another filter"),
        (lambda a, b, k: a.update({"synthesis.b8.conv1.extra": np.ones(3, np.float32)}), "conv1.extra"),
        (lambda a, b, k: a.pop("synthesis.b8.conv1.bias"), "conv1.bias"),
        (lambda a, b, k: a.update({"synthesis.b8.torgb.weight": np.ones((3, 5, 1, 1), np.float32)}), "has shape"),
    ],
)
def test_networks_of_another_form_are_refused_by_name(change, message, tmp_path):
    (tmp_path / "net.pkl").write_bytes(odd(change))
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "net.pkl")


def test_a_folder_is_never_half_written(imported, capsys):
    assert jaxgan(["import-weights", str(imported.parent / "net.pkl"), "--out", str(imported)]) == 2
    assert "exists; name a new folder" in capsys.readouterr().err
    assert sorted(path.name for path in imported.parent.iterdir()) == ["net.pkl", "run"]
    assert jaxgan(["evaluate", str(imported)]) == 2
    assert "no held-out data" in capsys.readouterr().err
