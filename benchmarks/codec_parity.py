"""Judges of sounds, residual quantiser, balancer and mel distance beside public PyTorch code, by shared random weights.

Command: python benchmarks/codec_parity.py --peers-python PATH --encodec FOLDER [--dac FOLDER] [--hifigan FOLDER]
PATH is the Python of an environment with torch, torchaudio and einops (JAX is not needed there); the folders are clones
of the authors' repositories facebookresearch/encodec, descriptinc/descript-audio-codec and jik876/hifi-gan. DAC's
spectra are by `torch.stft` with the padding that its authors' package describes, since that package is not needed for
anything else; log mels are torchaudio's. Prints for each thing the largest difference relative to the largest number:
outputs, features, gradients. Wanted: 1e-5.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np

LENGTH, BATCH = 2311, 2  # one more than 2 * 3 * 5 * 7 * 11 samples, so that all periods are padded, in DAC too
PERIODS, WINDOWS = (2, 3, 5, 7, 11), (512, 256, 128)
WEIGHTS = {"a": 1.0, "b": 4.0, "c": 0.5}


def peer(folder: Path, sources: dict[str, Path]) -> None:
    """Runs in the other environment; writes inputs, weights and results to peer.npz."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    out: dict[str, np.ndarray] = {"version": np.array(torch.__version__)}
    for source in sources.values():
        sys.path.insert(0, str(source))
    x = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (BATCH, 1, LENGTH)).astype(np.float32))
    out["x"] = x.numpy()
    if "encodec" in sources:
        judged(
            out,
            "encodec",
            importlib.import_module("encodec.msstftd").MultiScaleSTFTDiscriminator(
                4, n_ffts=list(WINDOWS), hop_lengths=[w // 4 for w in WINDOWS], win_lengths=list(WINDOWS)
            ),
            x,
        )
        quantized(out, importlib.import_module("encodec.quantization.core_vq"))
        balance(out, importlib.import_module("encodec.balancer").Balancer)
    if "hifigan" in sources:
        models = importlib.import_module("models")
        judged(out, "hifigan", one_side(models.MultiPeriodDiscriminator()), x)
        shape: Any = types.SimpleNamespace(
            resblock_kernel_sizes=[3, 7, 11],
            resblock_dilation_sizes=[[1, 3, 5]] * 3,
            upsample_rates=[4, 2],
            resblock="1",
            upsample_initial_channel=16,
            upsample_kernel_sizes=[8, 4],
        )
        generator, mel = models.Generator(shape), torch.randn(BATCH, 80, 12)
        with torch.no_grad():
            out |= {"generator mel": mel.numpy(), "generator y": generator(mel).numpy()}
        put_weights(out, "generator", generator)
    if "dac" in sources:
        sys.modules["audiotools"] = stand_in()
        for name in [name for name in sys.modules if name.split(".")[0] == "dac"]:
            del sys.modules[name]
        package = types.ModuleType("dac")
        package.__path__ = [str(sources["dac"] / "dac")]
        sys.modules["dac"] = package
        model = types.ModuleType("dac.model")
        model.__path__ = [str(sources["dac"] / "dac" / "model")]
        sys.modules["dac.model"] = model
        module = importlib.import_module("dac.model.discriminator")
        judged(out, "dac", module.Discriminator(periods=list(PERIODS), fft_sizes=list(WINDOWS)), x)
    mels(out, x)
    np.savez(folder / "peer.npz", **out)


def one_side(network: Any) -> Any:
    """Returns x -> lists of logits and features of one side, of a network that takes both sides."""
    network.once = lambda x: (lambda r: (r[0], [f[:-1] for f in r[2]]))(network(x, x))
    return network


def stand_in() -> Any:
    """Returns a package with what DAC's judges need of their authors' one."""
    import torch

    package: Any = types.ModuleType("audiotools")

    class Signal:
        def __init__(self, audio: Any, rate: int, stft_params: Any = None) -> None:
            self.audio, self.params = audio, stft_params

        def stft(self) -> Any:
            window, hop = self.params["window_length"], self.params["hop_length"]
            pad = (window - hop) // 2
            right = -self.audio.shape[-1] % hop
            y = torch.nn.functional.pad(self.audio, (pad, pad + right), "reflect")
            return torch.stft(
                y[:, 0], window, hop, window=torch.hann_window(window), center=False, return_complex=True
            )[:, None]

    package.AudioSignal = Signal
    package.STFTParams = dict
    package.ml = types.SimpleNamespace(BaseModel=torch.nn.Module)
    return package


def put_weights(out: dict[str, np.ndarray], name: str, network: Any) -> None:
    """Writes the weights of all convolutions in order, after a pass that has normalised them."""
    import torch

    convs = [
        m for m in network.modules() if isinstance(m, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.ConvTranspose1d)
    ]
    for k, conv in enumerate(convs):
        out[f"{name} weight {k}"] = conv.weight.detach().numpy().copy()
        out[f"{name} bias {k}"] = conv.bias.detach().numpy().copy()
    out[f"{name} count"] = np.array(len(convs))


def judged(out: dict[str, np.ndarray], name: str, network: Any, x: Any) -> None:
    """Writes logits, features and the gradient at x of the sum of the logits' sines."""
    x = x.clone().requires_grad_()
    if name == "dac":
        results = network(x)
        logits, features = [r[-1] for r in results], [r[:-1] for r in results]
    else:
        logits, features = getattr(network, "once", network)(x)
    sum(each.sin().sum() for each in logits).backward()
    put_weights(out, name, network)
    for k, each in enumerate(logits):
        out[f"{name} logits {k}"] = each.detach().reshape(BATCH, -1).numpy()
        for j, feature in enumerate(features[k]):
            out[f"{name} features {k} {j}"] = np.moveaxis(feature.detach().numpy(), 1, -1)
    out[f"{name} gradient"] = x.grad.numpy()


def quantized(out: dict[str, np.ndarray], module: Any) -> None:
    """Writes a pass of four books that trains, their codes before and after it, and the commitment's gradient."""
    import torch

    books = module.ResidualVectorQuantization(
        num_quantizers=4, dim=6, codebook_size=16, kmeans_init=False, threshold_ema_dead_code=0
    )
    z = torch.randn(3, 6, 40, requires_grad=True)
    for k, layer in enumerate(books.layers):
        book = layer._codebook
        book.embed.copy_(torch.randn_like(book.embed) / (k + 1))
        book.cluster_size.copy_(torch.rand_like(book.cluster_size) * 5 + 3)
        book.embed_avg.copy_(book.embed * book.cluster_size[:, None])
        before = {"codes": book.embed, "counts": book.cluster_size, "sums": book.embed_avg}
        out |= {f"book {k} {n}": v.numpy().copy() for n, v in before.items()}
    books.train()
    codes, tokens, losses = books(z)
    losses.mean().backward()
    gradient = z.grad.transpose(1, 2).numpy()
    out |= {"rvq z": z.detach().transpose(1, 2).numpy(), "rvq codes": codes.detach().transpose(1, 2).numpy()}
    out |= {"rvq tokens": np.moveaxis(tokens.numpy(), 0, -1), "rvq loss": losses.mean().detach().numpy()}
    out["rvq gradient"] = gradient
    out |= {f"book {k} after": layer._codebook.embed.numpy().copy() for k, layer in enumerate(books.layers)}


def balance(out: dict[str, np.ndarray], balancer: Any) -> None:
    """Writes three turns of the balancer: the output, and the gradient that it makes there."""
    import torch

    each = balancer(WEIGHTS, ema_decay=0.9)
    for turn in range(3):
        y = torch.randn(4, 7, requires_grad=True)
        losses = {"a": y.abs().mean(), "b": 100 * y.sin().mean(), "c": (y**3).mean()}
        each.backward(losses, y)
        out |= {f"balancer y {turn}": y.detach().numpy(), f"balancer gradient {turn}": y.grad.numpy()}


def mels(out: dict[str, np.ndarray], x: Any) -> None:
    """Writes the distance of log mels of two sounds, by torchaudio's spectra."""
    import torch
    import torchaudio

    y, total = 0.5 * x + 0.1 * x.flip(-1), torch.zeros(())
    for window, bands in zip(WINDOWS, (40, 20, 10), strict=True):
        mel = torchaudio.transforms.MelSpectrogram(
            16_000, window, window, window // 4, n_mels=bands, power=1.0, norm="slaney", mel_scale="slaney"
        )
        one, other = (mel(each).clamp(1e-5).log10() for each in (x, y))
        total = total + (one - other).abs().mean()
    out |= {"mel y": y.numpy(), "mel distance": total.numpy()}


def main() -> None:
    """Prints what differs by how much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--encodec", type=Path)
    parser.add_argument("--dac", type=Path)
    parser.add_argument("--hifigan", type=Path)
    arguments = parser.parse_args()
    sources = {name: getattr(arguments, name) for name in ("encodec", "dac", "hifigan") if getattr(arguments, name)}
    with tempfile.TemporaryDirectory() as name:
        words = [f"{key}={path.resolve()}" for key, path in sources.items()]
        subprocess.run([arguments.peers_python, __file__, "--peer", name, *words], check=True)
        with np.load(Path(name) / "peer.npz") as file:
            theirs = dict(file)
    compare(theirs, sources)


def compare(theirs: dict[str, np.ndarray], sources: dict[str, Path]) -> None:
    """Computes the same here, and prints the differences."""
    import jax
    import jax.numpy as jnp

    import jaxgan as jg
    from jaxgan.networks import codecs, listeners

    print(f"JAX {jax.__version__}, torch {theirs['version']}; largest difference / largest number")
    x = jnp.moveaxis(jnp.asarray(theirs["x"]), 1, -1)
    periods, spectra = listeners.MultiPeriodDiscriminator, listeners.MultiResolutionDiscriminator
    dac = listeners.Listeners((periods(PERIODS), spectra(WINDOWS)), levelled=True)
    networks: dict[str, Any] = {
        "encodec": spectra(WINDOWS, 4, (), (1, 2, 4), slope=0.2, padded=False, normalized=True),
        "hifigan": periods(PERIODS),
        "dac": dac,
    }
    for name in sources:
        network = networks[name]
        params = ordered(network, name, theirs, x)
        heard = jax.jit(network.apply)({"params": params}, x)
        pairs = [(h.logits, theirs[f"{name} logits {k}"]) for k, h in enumerate(heard)]
        features = [
            (f, theirs[f"{name} features {k} {j}"]) for k, h in enumerate(heard) for j, f in enumerate(h.features)
        ]

        def total(x: Any, network: Any = network, params: Any = params) -> Any:
            return jnp.sum(jnp.stack([jnp.sum(jnp.sin(h.logits)) for h in network.apply({"params": params}, x)]))

        slope = jnp.moveaxis(jax.jit(jax.grad(total))(x), -1, 1)
        say(f"{name}: judges' logits", pairs)
        say(f"{name}: judges' features", features)
        say(f"{name}: gradient at the sound", [(slope, theirs[f"{name} gradient"])])
    if "hifigan" in sources:
        generator = codecs.HiFiGenerator(1, 16, (4, 2))
        mel = jnp.moveaxis(jnp.asarray(theirs["generator mel"]), 1, -1)
        made = jax.jit(generator.apply)({"params": ordered(generator, "generator", theirs, mel)}, mel)
        say("hifigan: generator", [(jnp.moveaxis(made, -1, 1), theirs["generator y"])])
    if "encodec" in sources:
        compare_quantizers(theirs)
        network, state = jg.losses.Balancer(norm=4.0, decay=0.9), None
        pairs = []
        for turn in range(3):
            y = jnp.asarray(theirs[f"balancer y {turn}"])
            losses = {
                "a": lambda y: jnp.abs(y).mean(),
                "b": lambda y: 100 * jnp.sin(y).mean(),
                "c": lambda y: (y**3).mean(),
            }
            gradients = {name: jax.grad(loss)(y) for name, loss in losses.items()}
            state = network.init(jax.random.key(0), gradients, WEIGHTS) if state is None else state
            (made, _), state = network.apply(state, gradients, WEIGHTS, mutable=["balancer"])
            pairs.append((made, theirs[f"balancer gradient {turn}"]))
        say("encodec: balancer, three turns", pairs)
    y = jnp.moveaxis(jnp.asarray(theirs["mel y"]), 1, -1)
    say("mel distance", [(jg.losses.mel_distance(x, y, 16_000, WINDOWS, (40, 20, 10)), theirs["mel distance"])])


def compare_quantizers(theirs: dict[str, np.ndarray]) -> None:
    """Prints differences of the residual quantiser, and what the commitment's gradient is on either side."""
    import jax
    import jax.numpy as jnp

    from jaxgan.networks.quantizers import EMAVQ
    from jaxgan.networks.residual_codes import ResidualQuantizer

    network, z = ResidualQuantizer(EMAVQ(16, revive=0.0), 4), jnp.asarray(theirs["rvq z"])
    kept = {f"books_{k}": {n: theirs[f"book {k} {n}"] for n in ("codes", "counts", "sums")} for k in range(4)}
    books = {"codebook": jax.tree.map(jnp.asarray, kept)}
    coded, after = network.apply(books, z, mutable=["codebook"], rngs={"global": jax.random.key(0)})
    print(f"encodec: residual quantiser, tokens that differ: {int(np.sum(coded.tokens != theirs['rvq tokens']))}")
    say("encodec: residual quantiser, codes", [(coded.codes, theirs["rvq codes"])])
    say("encodec: residual quantiser, loss", [(coded.loss, theirs["rvq loss"])])
    moved = [(after["codebook"][f"books_{k}"]["codes"], theirs[f"book {k} after"]) for k in range(4)]
    say("encodec: residual quantiser, books after the turn", moved)
    slope = jax.grad(lambda z: network.apply(books, z, train=False).loss)(z)
    first = jax.grad(
        lambda z: (
            ResidualQuantizer(EMAVQ(16), 1)
            .apply({"codebook": {"books_0": books["codebook"]["books_0"]}}, z, train=False)
            .loss
        )
    )(z)
    say("encodec: commitment's gradient, that of the first book alone", [(first / 4, theirs["rvq gradient"])])
    sizes = [float(np.linalg.norm(g)) for g in (theirs["rvq gradient"], slope)]
    print(f"  norm of the commitment's gradient: theirs {sizes[0]:.4f}, of all four books here {sizes[1]:.4f}")


def ordered(network: Any, name: str, theirs: dict[str, np.ndarray], x: Any) -> dict[str, Any]:
    """Gives the network's convolutions the weights of theirs, in the order in which both are made."""
    import jax
    import jax.numpy as jnp

    variables = jax.eval_shape(network.init, jax.random.key(0), x)["params"]  # nothing but shapes and order
    layers = paths_in_order(network, x, variables)
    if len(layers) != int(theirs[f"{name} count"]):
        sys.exit(f"{name}: {int(theirs[f'{name} count'])} convolutions there, {len(layers)} here")
    params: dict[str, Any] = {}
    for k, path in enumerate(order(name, layers)):
        weight, bias = jnp.asarray(theirs[f"{name} weight {k}"]), jnp.asarray(theirs[f"{name} bias {k}"])
        ours = variables
        for part in path:
            ours = ours[part]
        if ours["kernel"].ndim == 3:  # transposed: theirs is [I, O, k], ours [k, O, I], turned
            kernel = weight.transpose(2, 1, 0)
        elif weight.ndim == 3:
            kernel = weight.transpose(2, 1, 0)[:, None]
        else:
            kernel = weight.transpose(2, 3, 1, 0)
        if kernel.shape != ours["kernel"].shape:
            sys.exit(f"{name}: {'/'.join(path)} has {ours['kernel'].shape}, theirs is {kernel.shape}")
        place = params
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = {"kernel": kernel, "bias": bias}
    return params


def paths_in_order(network: Any, x: Any, variables: Any) -> list[tuple[str, ...]]:
    """Returns the paths of layers in the order of their calls."""
    import flax.linen as nn
    import jax

    noted: list[tuple[str, ...]] = []

    def note(call: Any, given: Any, settings: Any, context: Any) -> Any:
        if context.method_name == "__call__" and "kernel" in context.module.variables.get("params", {}):
            noted.append(context.module.path)
        return call(*given, **settings)

    with nn.intercept_methods(note):
        jax.eval_shape(lambda variables, x: network.apply({"params": variables}, x), variables, x)
    return noted


def order(name: str, layers: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Returns the layers in the order in which PyTorch lists theirs, which is not always that of the calls."""
    if name != "generator":
        return layers
    ups = [path for path in layers if path[-1].startswith("SignalConvTranspose")]
    rest = [path for path in layers if path not in ups]
    blocks, grouped = rest[1:-1], []
    for start in range(0, len(blocks), 6):  # all dilated ones of a block, then the plain ones
        block = blocks[start : start + 6]
        grouped += block[::2] + block[1::2]
    return [rest[0], *ups, *grouped, rest[-1]]


def say(what: str, pairs: list[tuple[Any, Any]]) -> None:
    """Prints the largest relative difference of pairs."""
    worst = max(float(np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-12)) for a, b in pairs)
    print(f"{worst:10.1e}  {what}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(Path(sys.argv[2]), {key: Path(path) for key, path in (word.split("=", 1) for word in sys.argv[3:])})
    else:
        main()
