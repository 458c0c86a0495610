"""What `jaxgan import-weights` makes of files that the authors' code saved, beside what that code makes of them.

Command: python benchmarks/import_parity.py --peers-python PATH --source NAME=FOLDER ...
PATH is the Python of an environment with torch; FOLDER a clone of a repository, NAME one of stylegan2-ada (of
NVlabs/stylegan2-ada-pytorch), stylegan3 (NVlabs/stylegan3), r3gan (brownvc/R3GAN), biggan (ajbrock/BigGAN-PyTorch),
sngan (kwotsin/mimicry). Weights are random, and so are noise strengths, biases, averages and running statistics;
spectral norms have iterated a few times, and have not converged. Prints the largest difference of images (noise
constant, float32) and of logits, relative to the largest value. Exits with 1 where one is above 1e-4.
"""

from __future__ import annotations

import argparse
import functools
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

N, LIMIT = 4, 1e-4
STYLEGAN2: dict[str, dict[str, Any]] = {  # by name: side, channels, classes, architectures of G and D, clamp
    "skip-resnet": {"size": 32, "channels": 3, "classes": 0, "g": "skip", "d": "resnet", "clamp": 256},
    "labels": {"size": 16, "channels": 1, "classes": 5, "g": "skip", "d": "orig", "clamp": 0.7},
    "resnet-skip": {"size": 16, "channels": 3, "classes": 3, "g": "resnet", "d": "skip", "clamp": None},
    "orig": {"size": 8, "channels": 4, "classes": 0, "g": "orig", "d": "resnet", "clamp": None},
}


def peer(family: str, source: Path, folder: Path) -> None:
    """Runs in the other environment: saves networks as the authors do, and what they make, as NAME.npz beside them."""
    sys.path.insert(0, str(source))
    import torch

    torch.manual_seed(0)
    {"stylegan2-ada": _stylegan2, "stylegan3": _stylegan2, "r3gan": _r3gan, "biggan": _biggan, "sngan": _sngan}[family](
        family, folder
    )


def _perturb(network: Any) -> None:
    """Gives values to what begins at zero or one."""
    import torch

    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if not tensor.is_floating_point() or any(word in name for word in ("filter", "Kernel", "counter")):
            continue
        with torch.no_grad():
            last = name.rsplit(".", 1)[-1]
            if last in ("running_var", "stored_var"):
                tensor.uniform_(0.5, 2.0)
            elif last in ("running_mean", "stored_mean", "bias", "Bias", "w_avg"):
                tensor.add_(0.2 * torch.randn_like(tensor))
            elif last in ("noise_strength", "gamma"):
                tensor.fill_(0.3)
            elif float(tensor.abs().max()) == 0:
                tensor.normal_(0.0, 0.1)


def _keep(folder: Path, name: str, z: Any, y: Any, images: Any, x: Any, logits: Any) -> None:
    arrays = {"z": z, "images": images.permute(0, 2, 3, 1), "x": x.permute(0, 2, 3, 1), "logits": logits.reshape(-1)}
    arrays |= {} if y is None else {"y": y}
    np.savez(folder / f"{name}.npz", **{key: value.detach().numpy() for key, value in arrays.items()})


def _stylegan2(family: str, folder: Path) -> None:
    import dnnlib
    import torch

    if family == "stylegan3":
        from training import networks_stylegan2 as networks
    else:
        from training import networks
    for name, form in STYLEGAN2.items():
        size, classes, base = form["size"], form["classes"], 16 * form["size"]
        synthesis = {"channel_base": base, "channel_max": 32, "architecture": form["g"], "conv_clamp": form["clamp"]}
        synthesis |= {"num_fp16_res": 4 if form["clamp"] else 0}
        common = {"c_dim": classes, "img_resolution": size, "img_channels": form["channels"]}
        mapping = dnnlib.EasyDict(num_layers=2 if classes else 8)
        given = synthesis if family == "stylegan3" else {"synthesis_kwargs": dnnlib.EasyDict(synthesis)}
        wide = {"channel_base": base, "channel_max": 32, "num_fp16_res": synthesis["num_fp16_res"]}
        make = lambda given=given, mapping=mapping, common=common: networks.Generator(  # noqa: E731
            z_dim=12, w_dim=16, mapping_kwargs=mapping, **common, **given
        )
        epilogue = dnnlib.EasyDict(mbstd_group_size=2, mbstd_num_channels=2 if classes else 1)
        judge = networks.Discriminator(
            architecture=form["d"], conv_clamp=form["clamp"], epilogue_kwargs=epilogue, **common, **wide
        )
        pair = {"G": make(), "D": judge, "G_ema": make()}
        for network in pair.values():
            _perturb(network)
            network.eval().requires_grad_(False)
        z, c = torch.randn(N, 12), torch.eye(classes)[torch.arange(N) % classes] if classes else torch.zeros(N, 0)
        images = pair["G_ema"](z, c, noise_mode="const", force_fp32=True)
        x = torch.randn(N, form["channels"], size, size).clamp(-1, 1)
        with open(folder / f"{name}.pkl", "wb") as file:
            pickle.dump({**pair, "training_set_kwargs": dnnlib.EasyDict(path="pictures"), "augment_pipe": None}, file)
        y = torch.arange(N) % classes if classes else None
        _keep(folder, name, z, y, images, x, pair["D"](x, c, force_fp32=True))


def _r3gan(family: str, folder: Path) -> None:
    import torch
    from training import networks

    for classes in (0, 3):
        widths, groups = [32, 32, 16], [4, 4, 2]
        common = {"ExpansionFactor": 2, "BlocksPerStage": [2, 2, 2], "FP16Stages": [], "c_dim": classes}
        common["img_resolution"] = 16
        g = {"ConditionEmbeddingDimension": 12} if classes else {}
        d = {"ConditionEmbeddingDimension": 32} if classes else {}
        pair = {
            name: networks.Generator(NoiseDimension=12, WidthPerStage=widths, CardinalityPerStage=groups, **common, **g)
            for name in ("G", "G_ema")
        }
        pair["D"] = networks.Discriminator(WidthPerStage=widths[::-1], CardinalityPerStage=groups[::-1], **common, **d)
        for network in pair.values():
            _perturb(network)
            network.eval().requires_grad_(False)
        z, c = torch.randn(N, 12), torch.eye(classes)[torch.arange(N) % classes] if classes else None
        x = torch.randn(N, 3, 16, 16).clamp(-1, 1)
        optimizer = torch.optim.Adam(pair["D"].parameters()).state_dict()
        with open(folder / f"classes{classes}.pkl", "wb") as file:
            pickle.dump({**pair, "training_set_kwargs": {}, "cur_nimg": 5, "D_opt_state": optimizer}, file)
        y = torch.arange(N) % classes if classes else None
        _keep(folder, f"classes{classes}", z, y, pair["G_ema"](z, c), x, pair["D"](x, c))


def _biggan(family: str, folder: Path) -> None:
    import BigGAN
    import torch

    for size, attention, norms in ((32, 16, {}), (64, 32, {"mybn": True}), (128, 64, {})):
        common = {"resolution": size, "n_classes": 5, "SN_eps": 1e-6}
        g = {"G_ch": 8, "G_attn": str(attention), "dim_z": 40, "shared_dim": 11, "G_shared": True, "hier": True}
        make = lambda g=g, common=common, norms=norms: BigGAN.Generator(**g, **common, **norms)  # noqa: E731
        pair = {"G": make(), "G_ema": make()}
        pair["D"] = BigGAN.Discriminator(D_ch=8, D_attn=str(attention) if size > 32 else "0", **common)
        z, y = torch.randn(N, pair["G"].dim_z), torch.arange(N) % 5
        x = torch.randn(N, 3, size, size).clamp(-1, 1)
        for name, network in pair.items():
            with torch.no_grad():  # one iteration of the spectral norms
                network(x, y) if name == "D" else network(z, network.shared(y))
            _perturb(network)
            network.eval()
            torch.save(network.state_dict(), folder / f"{size}.{name}.pth")
        _keep(folder, str(size), z, y, pair["G_ema"](z, pair["G_ema"].shared(y)), x, pair["D"](x, y))


def _sngan(family: str, folder: Path) -> None:
    import importlib
    import types

    import torch

    for name in ("torch_mimicry", "torch_mimicry.nets"):  # without what their own __init__ brings: boards, TensorFlow
        package = types.ModuleType(name)
        package.__path__ = [str(Path(sys.path[0], *name.split(".")))]
        sys.modules[name] = package
    for size in (32, 48, 64, 128):
        module = importlib.import_module(f"torch_mimicry.nets.sngan.sngan_{size}")
        g = getattr(module, f"SNGANGenerator{size}")(nz=12, ngf=64)
        d = getattr(module, f"SNGANDiscriminator{size}")(ndf=64)
        z, x = torch.randn(N, 12), torch.randn(N, 3, size, size).clamp(-1, 1)
        with torch.no_grad():
            d(x)
        for name, network in {"G": g, "D": d}.items():
            _perturb(network)
            network.eval()
            network.save_checkpoint(str(folder), 10, name=f"{size}.{name}.pth")
        _keep(folder, str(size), z, None, g(z), x, d(x))


def compare(family: str, folder: Path) -> bool:
    """Prints the differences of every file that was saved; True where all are small."""
    import jax

    import jaxgan as jg
    from jaxgan.published import read
    from jaxgan.runs import imported, loading

    good = True
    for arrays in sorted(folder.glob("*.npz")):
        with np.load(arrays) as file:
            theirs = dict(file)
        name = arrays.stem
        if (folder / f"{name}.pkl").is_file():
            made = read(folder / f"{name}.pkl")
        else:
            average = folder / f"{name}.G_ema.pth"
            beside = {"average": average if average.is_file() else None, "discriminator": folder / f"{name}.D.pth"}
            made = read(folder / f"{name}.G.pth", **beside)
        run = imported.write(made, folder / f"run-{name}", "import_parity")
        y = {"y": theirs["y"].astype(np.int32)} if "y" in theirs else {}
        images = jg.load(run)(z=theirs["z"], **y)
        trained = loading.load(run)
        judge = trained.experiment.game.networks["discriminator"]
        variables = {"params": trained.state.params["discriminator"], **trained.state.model_state["discriminator"]}
        off = {} if made.family in ("stylegan2", "r3gan") else {"train": False}
        logits = jax.jit(functools.partial(judge.apply, **off))(variables, theirs["x"], *y.values())
        gaps = [
            float(np.abs(np.asarray(ours) - wanted).max() / np.abs(wanted).max())
            for ours, wanted in ((images, theirs["images"]), (logits, theirs["logits"]))
        ]
        good &= max(gaps) <= LIMIT
        shape = "x".join(map(str, theirs["images"].shape[1:]))
        print(f"{family:14} {name:12} {shape:12} images {gaps[0]:.1e}   logits {gaps[1]:.1e}", flush=True)
    return good


def main() -> int:
    """Prints a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers-python", type=Path)
    parser.add_argument("--source", nargs="+", default=[], help="NAME=FOLDER")
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.peer:
        family, source, folder = flags.peer
        peer(family, Path(source), Path(folder))
        return 0
    good = True
    for each in flags.source:
        family, source = each.split("=", 1)
        with tempfile.TemporaryDirectory() as folder:
            program = [str(flags.peers_python), __file__, "--peer", family, str(Path(source).resolve()), folder]
            subprocess.run(program, check=True, cwd=folder)
            good &= compare(family, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
