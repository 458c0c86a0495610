"""InceptionV3's features beside torch-fidelity's, under the same random weights, on images of several sizes.

Command: python benchmarks/inception_parity.py --peers-python PATH [--images 4] [--weights FILE]
PATH is the Python of an environment with torch and torch-fidelity (JAX is not needed there). Prints for every size and
tap the largest difference relative to the largest feature, then the images per second of both on this machine. With
--weights, the published file takes the place of the random weights.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ((28, 28), (32, 32), (64, 64), (96, 128), (299, 299), (512, 384))
TAPS = ("64", "192", "768", "2048", "logits_unbiased", "logits")
ROUNDS = 3  # of the timing; the best counts


def random_weight(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """He-scaled kernels and batch normalisation that is nowhere the identity."""
    noise = rng.standard_normal(shape)
    if name.endswith("running_var"):
        noise = 0.5 + noise**2 / 2
    elif name.endswith("weight") and len(shape) > 1:
        noise *= np.sqrt(2.0 / np.prod(shape[1:]))
    else:
        noise = name.endswith("weight") + 0.2 * noise
    return noise.astype(np.float32)


def timed(call: Any) -> tuple[float, Any]:
    """Returns the least seconds of several calls after the first, and the result."""
    result = call()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - began)
    return min(seconds), result


def peer(folder: Path) -> None:
    """Runs in the other environment: reads images.npz and weights.npz, writes peer.npz."""
    import torch

    # the package itself would import torchvision, for its other networks
    package = types.ModuleType("torch_fidelity")
    spec = importlib.util.find_spec("torch_fidelity")
    if spec is None:
        sys.exit("torch-fidelity is not installed there")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["torch_fidelity"] = package
    module: Any = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    with np.load(folder / "weights.npz") as file:
        state = {name: torch.from_numpy(file[name]) for name in file}
    torch.save(state, folder / "weights.pth")
    load = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda self, given: load(self, given, strict=False)  # no counters of batches
    net = module.FeatureExtractorInceptionV3("peer", list(TAPS), str(folder / "weights.pth"))
    out = {}
    with np.load(folder / "images.npz") as file, torch.no_grad():
        for name in file:
            x = torch.from_numpy(file[name]).permute(0, 3, 1, 2).contiguous()
            seconds, taps = timed(lambda x=x: net(x))
            out |= {f"{name} {tap}": value.numpy() for tap, value in zip(TAPS, taps, strict=True)}
            out[f"{name} seconds"] = np.array(seconds)
    np.savez(folder / "peer.npz", **out, version=np.array(torch.__version__))


def main() -> None:
    """Prints the table."""
    import jax

    from jaxgan.metrics.extractors import inception_v3, tf1_bilinear, weights

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True, help="Python with torch and torch-fidelity")
    parser.add_argument("--images", type=int, default=4, help="images of each size")
    parser.add_argument("--weights", type=Path, help="the published weight file; without it, random weights")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    state = {name: random_weight(rng, name, shape) for name, shape in inception_v3.torch_shapes().items()}
    if arguments.weights:
        state = {name: weights.read(arguments.weights).arrays[name] for name in state}
    images = {f"{h}x{w}": rng.integers(0, 256, (arguments.images, h, w, 3)).astype(np.uint8) for h, w in SIZES}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "weights.npz", **state)
        np.savez(folder / "images.npz", **images)
        subprocess.run([arguments.peers_python, __file__, "--peer", str(folder)], check=True)
        with np.load(folder / "peer.npz") as file:
            theirs = dict(file)

    def features(parameters: Any, pixels: Any) -> Any:
        x = (tf1_bilinear(pixels, (inception_v3.SIZE, inception_v3.SIZE)) - 128.0) / 128.0
        return inception_v3.InceptionV3().apply(parameters, x)

    parameters, call = jax.device_put(inception_v3.parameters(state)), jax.jit(features)
    kind = arguments.weights or "random"
    print(f"weights: {kind}; JAX {jax.__version__}, torch {theirs['version']}; largest difference / largest feature")
    print(f"{'images':>9} " + " ".join(f"{tap:>16}" for tap in TAPS) + "   images/s: ours  torch-fidelity")
    for name, pixels in images.items():
        seconds, taps = timed(lambda x=pixels: jax.block_until_ready(call(parameters, x)))  # type: ignore[misc]
        errors = [np.abs(taps[tap] - (t := theirs[f"{name} {tap}"])).max() / np.abs(t).max() for tap in TAPS]
        ours, other = arguments.images / seconds, arguments.images / float(theirs[f"{name} seconds"])
        print(f"{name:>9} " + " ".join(f"{error:16.1e}" for error in errors) + f"   {ours:14.1f}  {other:14.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(Path(sys.argv[2]))
    else:
        main()
