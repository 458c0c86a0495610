"""Files of networks, written by hand as the authors' programs pickle them; no PyTorch, and no class of theirs."""

import io
import pickle
import struct

import numpy as np

from jaxgan.metrics.extractors import pth


class Pickled:
    """Writes the instructions of a pickle one after the other."""

    def __init__(self):
        self.bytes = b"\x80\x03"

    def raw(self, *parts):
        self.bytes += b"".join(parts)
        return self

    def called(self, module, name, write):
        """Calls a function of one argument, which `write` writes."""
        self.raw(f"c{module}\n{name}\n".encode())
        write()
        return self.raw(b"\x85R")

    def value(self, value):
        """Writes None, numbers, texts, lists, tuples of numbers, dictionaries, arrays and networks (`network`)."""
        if value is None or isinstance(value, bool):
            return self.raw({None: b"N", True: b"\x88", False: b"\x89"}[value])
        if isinstance(value, int):
            return self.raw(b"J", struct.pack("<i", value))
        if isinstance(value, float):
            return self.raw(b"G", struct.pack(">d", value))
        if isinstance(value, str):
            return self.raw(b"X", struct.pack("<I", len(value.encode())), value.encode())
        if isinstance(value, Network):
            meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": value[0]}
            self.raw(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n")
            return self.value(meta | {"state": value[1]}).raw(b"\x85R")
        if isinstance(value, np.ndarray):
            return self.array(value)
        self.raw({dict: b"}", list: b"]", tuple: b""}[type(value)], b"(")
        for item in value.items() if isinstance(value, dict) else value:
            for each in item if isinstance(value, dict) else (item,):
                self.value(each)
        return self.raw({dict: b"u", list: b"e", tuple: b"t"}[type(value)])

    def array(self, array):
        blob = storage(array)
        self.raw(b"ctorch._utils\n_rebuild_tensor_v2\n(")
        self.called("torch.storage", "_load_from_bytes", lambda: self.raw(b"B", struct.pack("<I", len(blob)), blob))
        self.value(0).value(array.shape)
        self.value(tuple(int(step) // array.itemsize for step in np.empty(array.shape, array.dtype).strides))
        return self.raw(b"\x89ccollections\nOrderedDict\n)RtR")


class Network(tuple):
    """(name of its class, state)."""


def network(kind, arrays=(), attributes=(), **parts):
    """A network as PyTorch keeps it: buffers, modules, attributes."""
    state = {"training": False, "_parameters": {}, "_buffers": dict(arrays), "_modules": parts, **dict(attributes)}
    return Network((kind, state))


def storage(array, size=None):
    """One storage as `torch.save` wrote it before version 1.6."""
    flat, count = np.ascontiguousarray(array, "<f4").tobytes(), array.size if size is None else size
    head = [pth.MAGIC, pth.LEGACY_VERSION, {"protocol_version": 1001, "little_endian": True}]
    parts = [pickle.dumps(part, 2) for part in head]
    reference = Pickled().raw(b"(").value("storage").raw(b"ctorch\nFloatStorage\n").value("7").value("cpu").value(count)
    parts += [reference.raw(b"tQ.").bytes, pickle.dumps(["7"], 2), struct.pack("<q", count) + flat]
    return b"".join(parts)


def pickled(value):
    return Pickled().value(value).raw(b".").bytes


def tree(arrays, attributes, kinds):
    """Builds a network from dotted names."""
    names = sorted(kinds, key=lambda name: -name.count(".") - bool(name))
    made = {}
    for name in names:
        start = f"{name}." if name else ""
        parts = {
            child.removeprefix(start): made[child]
            for child in made
            if child.startswith(start) and "." not in child.removeprefix(start) and child != name
        }
        own = [
            {key.removeprefix(start): v for key, v in entries.items() if key.rpartition(".")[0] == name}
            for entries in (arrays, attributes)
        ]
        made[name] = network(kinds[name], *own, **parts)
    return made[""]


def stylegan2(size=8, width=4, latent=3, classes=0):
    """A generator and a discriminator of StyleGAN2 as dotted arrays, attributes and classes."""
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.standard_normal(shape).astype(np.float32)

    g, d = {}, {}
    ga, da = {"mapping.w_avg_beta": 0.995}, {}
    gk = {"": "Generator", "mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}
    dk = {"": "Discriminator"}
    fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64

    def dense(arrays, attributes, kinds, name, inputs, outputs, rate=1.0):
        arrays |= {f"{name}.weight": draw(outputs, inputs), f"{name}.bias": draw(outputs)}
        attributes |= {f"{name}.bias_gain": rate, f"{name}.activation": "lrelu"}
        kinds[name] = "FullyConnectedLayer"

    def conv(name, inputs, side, bias=True):
        d[f"{name}.weight"] = draw(width, inputs, side, side)
        d.update({f"{name}.bias": draw(width)} if bias else {})
        d[f"{name}.resample_filter"] = fir
        da.update({f"{name}.conv_clamp": None, f"{name}.activation": "lrelu"})
        dk[name] = "Conv2dLayer"

    embed = width if classes else 0
    for k, inputs in enumerate((latent + embed, width)):
        dense(g, ga, gk, f"mapping.fc{k}", inputs, width, 0.01)
    if classes:
        dense(g, ga, gk, "mapping.embed", classes, width)
    g["mapping.w_avg"] = draw(width)
    for side in (4, 8)[: 1 + (size > 4)]:
        block = f"synthesis.b{side}"
        gk[block], ga[f"{block}.architecture"] = "SynthesisBlock", "skip"
        g |= {f"{block}.const": draw(width, 4, 4)} if side == 4 else {}
        g[f"{block}.resample_filter"] = fir
        for name in ("conv1",) if side == 4 else ("conv0", "conv1"):
            layer = f"{block}.{name}"
            gk[layer], ga[f"{layer}.conv_clamp"] = "SynthesisLayer", None
            g |= {f"{layer}.weight": draw(width, width, 3, 3), f"{layer}.bias": draw(width)}
            g |= {f"{layer}.noise_const": draw(side, side), f"{layer}.noise_strength": draw()}
            dense(g, ga, gk, f"{layer}.affine", width, width)
        gk[f"{block}.torgb"] = "ToRGBLayer"
        g |= {f"{block}.torgb.weight": draw(3, width, 1, 1), f"{block}.torgb.bias": draw(3)}
        dense(g, ga, gk, f"{block}.torgb.affine", width, width)
    dk |= {"b8": "DiscriminatorBlock", "b4": "DiscriminatorEpilogue", "b4.mbstd": "MinibatchStdLayer"}
    da |= {"b4.architecture": "resnet", "b4.mbstd.group_size": 2, "b4.mbstd.num_channels": 1}
    conv("b8.fromrgb", 3, 1)
    conv("b8.conv0", width, 3)
    conv("b8.conv1", width, 3)
    conv("b8.skip", width, 1, bias=False)
    conv("b4.conv", width + 1, 3)
    dense(d, da, dk, "b4.fc", 16 * width, width)
    dense(d, da, dk, "b4.out", width, width if classes else 1)
    if classes:
        dk["mapping"] = "MappingNetwork"
        dense(d, da, dk, "mapping.embed", classes, width)
        dense(d, da, dk, "mapping.fc0", width, width, 0.01)
    return (g, ga, gk), (d, da, dk)


def snapshot(generator, discriminator):
    """A .pkl of StyleGAN2-ADA."""
    networks = {"G": tree(*generator), "D": tree(*discriminator), "G_ema": tree(*generator), "augment_pipe": None}
    return pickled(networks | {"training_set_kwargs": {"path": "pictures"}, "cur_nimg": 5})


def sngan(width=16, latent=6, size=32, labels=False):
    """State dicts of mimicry's SNGAN at 32 pixels."""
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.standard_normal(shape).astype(np.float32)

    g = {"l1.weight": draw(16 * width, latent), "l1.bias": draw(16 * width)}
    d = {}

    def norm(name):
        g.update({f"{name}.weight": draw(width), f"{name}.bias": draw(width), f"{name}.running_mean": draw(width)})
        g.update({f"{name}.running_var": draw(width) ** 2, f"{name}.num_batches_tracked": np.array(3)})

    def spectral(name, *shape):
        weight, u = draw(*shape), draw(shape[0])
        matrix = weight.reshape(len(weight), -1)
        v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
        u = matrix @ v / np.linalg.norm(matrix @ v)
        d.update({f"{name}.weight_orig": weight, f"{name}.bias": draw(shape[0])})
        d.update({f"{name}.weight_u": u, f"{name}.weight_v": v})

    for k in (2, 3, 4):
        for name, side in (("c1", 3), ("c2", 3), ("c_sc", 1)):
            g |= {f"block{k}.{name}.weight": draw(width, width, side, side), f"block{k}.{name}.bias": draw(width)}
        norm(f"block{k}.b1"), norm(f"block{k}.b2")
    norm("b5")
    g |= {"c5.weight": draw(3, width, 3, 3), "c5.bias": draw(3)}
    for k in (1, 2, 3, 4):
        spectral(f"block{k}.c1", width, 3 if k == 1 else width, 3, 3)
        spectral(f"block{k}.c2", width, width, 3, 3)
        if k < 3:
            spectral(f"block{k}.c_sc", width, 3 if k == 1 else width, 1, 1)
    spectral("l5", 1, width)
    return g, d


def saved(arrays):
    """An .npz, which `weights.read` reads as it reads a .pth."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
