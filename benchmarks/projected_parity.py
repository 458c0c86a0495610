"""Projected GAN's frozen features, mixing and heads beside the authors' code and timm's backbone, weights shared.

Command: python benchmarks/projected_parity.py --peers-python PATH --source FOLDER [--images 2]
PATH is the Python of an environment with torch and timm; FOLDER a clone of the
repository autonomousvision/projected-gan. The backbone has its ImageNet weights on both sides; mixing and heads have
the authors' random ones, singular vectors of the heads' kernels by decomposition, batch statistics as in evaluation.
Prints for every map of the backbone, every mixed map and the logits the largest difference relative to the largest
value. Rounding alone is 1e-5 to 3e-5 in the backbone, which is 50 layers deep; what follows gets the authors' maps, so
that each part is compared by itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 224


def peer(folder: Path, source: Path, weights: Path) -> None:
    """Runs in the other environment: reads images.npy and the weights, writes peer.npz."""
    sys.path.insert(0, str(source))
    import timm
    import torch
    from pg_modules import projector
    from pg_modules.discriminator import MultiScaleD

    create = timm.create_model
    state = torch.load(weights, map_location="cpu", weights_only=True)
    torch.manual_seed(0)

    def backbone(name: str, pretrained: bool) -> Any:
        """Gives timm's network the package's weights, in order: both list the same layers in the same order."""
        network = create(name, pretrained=False)
        ours = network.state_dict()
        theirs = [value for key, value in state.items() if not key.endswith("num_batches_tracked")]
        names = [key for key in ours if not key.endswith("num_batches_tracked")]
        network.load_state_dict(dict(zip(names, theirs, strict=True)), strict=False)
        if not hasattr(network, "act1"):
            network.act1 = torch.nn.Identity()  # later versions of timm have it inside bn1
        return network.eval()

    projector.timm.create_model = backbone
    features = projector.F_RandomProj(cout=64, expand=True, proj_type=2).eval()
    heads = MultiScaleD(features.CHANNELS, features.RESOLUTIONS, num_discs=4)
    for module in heads.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.normal_(1.0, 0.3)
            module.bias.data.normal_()
        if hasattr(module, "weight_orig"):
            kernel = module.weight_orig.detach().flatten(1)
            left, _, right = torch.linalg.svd(kernel, full_matrices=False)
            module.weight_u.copy_(left[:, 0])
            module.weight_v.copy_(right[0])
    heads.eval()
    x = torch.from_numpy(np.load(folder / "images.npy")).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        large = torch.nn.functional.interpolate(x, SIZE, mode="bilinear", align_corners=False)
        maps = [large]
        for k in range(4):
            maps.append(getattr(features.pretrained, f"layer{k}")(maps[-1]))
        mixed = features(large)
        logits = heads(mixed, None)
    out = {f"map {k}": value.permute(0, 2, 3, 1).numpy() for k, value in enumerate(maps)}
    out |= {f"mixed {k}": mixed[str(k)].permute(0, 2, 3, 1).numpy() for k in range(4)}
    out |= {f"scratch.{key}": value.numpy() for key, value in features.scratch.state_dict().items()}
    out |= {f"heads.{key}": value.numpy() for key, value in heads.state_dict().items()}
    np.savez(folder / "peer.npz", logits=logits.numpy(), **out)


def mixing(theirs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns our parameters of the mixing."""
    layers = {f"channels_{k}": f"scratch.layer{k}_ccm" for k in range(4)}
    layers |= {f"scales_{k}": f"scratch.layer{k}_csm.out_conv" for k in range(4)}
    return {
        ours: {"kernel": theirs[f"{name}.weight"].transpose(2, 3, 1, 0), "bias": theirs[f"{name}.bias"]}
        for ours, name in layers.items()
    }


def heads(theirs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns our variables of the heads."""
    params: dict[str, Any] = {}
    spectral: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    numbers = iter(range(100))
    norms = iter(range(100))
    for scale, count in enumerate((4, 3, 2, 1)):
        for layer in range(count + 1):
            last = layer == count
            name = f"scale_{scale}_logits" if last else f"scale_{scale}_{layer}"
            start = f"heads.mini_discs.{scale}.main.{layer}" + ("" if last else ".main.0")
            params[name] = {"kernel": theirs[f"{start}.weight_orig"].transpose(2, 3, 1, 0)}
            vector = theirs[f"{start}.weight_u"].reshape(1, 1, 1, -1)
            spectral[f"SpectralNorm_{next(numbers)}"] = {f"{name}/kernel/u": vector}
            if last:
                continue
            params[name]["bias"] = theirs[f"{start}.bias"]
            norm, own = f"heads.mini_discs.{scale}.main.{layer}.main.1", f"BatchNorm_{next(norms)}"
            params[own] = {"scale": theirs[f"{norm}.weight"], "bias": theirs[f"{norm}.bias"]}
            statistics[own] = {"mean": theirs[f"{norm}.running_mean"], "var": theirs[f"{norm}.running_var"]}
    return {"params": params, "spectral": spectral, "batch_stats": statistics}


def main() -> None:
    """Prints the differences."""
    import jax
    import jax.numpy as jnp

    from jaxgan.metrics.extractors import efficientnet
    from jaxgan.networks import efficientnet_lite, projected

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True, help="Python with torch and timm")
    parser.add_argument("--source", type=Path, required=True, help="clone of autonomousvision/projected-gan")
    parser.add_argument("--images", type=int, default=2, help="images of 64x64 pixels")
    arguments = parser.parse_args()
    x = np.random.default_rng(0).uniform(-1, 1, (arguments.images, 64, 64, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "images.npy", x)
        words = [
            arguments.peers_python,
            __file__,
            "--peer",
            str(folder),
            str(arguments.source),
            str(efficientnet.weight_file()),
        ]
        subprocess.run(words, check=True)
        with np.load(folder / "peer.npz") as file:
            theirs = dict(file)
    large = jax.image.resize(jnp.asarray(x), theirs["map 0"].shape, "linear", antialias=False)
    _line("resized images", large, theirs["map 0"])
    backbone = jax.jit(efficientnet_lite.EfficientNetLite0().apply)(efficientnet.variables(), theirs["map 0"])
    for k, ours in enumerate(backbone["maps"]):
        _line(f"backbone, map {k}", ours, theirs[f"map {k + 1}"])
    maps = [theirs[f"map {k + 1}"] for k in range(4)]
    mixed = jax.jit(projected.Mixing().apply)({"params": mixing(theirs)}, maps)
    for k, ours in enumerate(mixed):
        _line(f"mixed, map {k}", ours, theirs[f"mixed {k}"])
    given = [theirs[f"mixed {k}"] for k in range(4)]
    with jax.default_matmul_precision("highest"):
        logits = projected.Discriminator().apply(heads(theirs), given, train=False)
    _line("logits of the heads", logits, theirs["logits"])


def _line(name: str, ours: Any, theirs: np.ndarray) -> None:
    print(f"{name:20} {np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max():.1e}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*map(Path, sys.argv[2:5]))
    else:
        main()
