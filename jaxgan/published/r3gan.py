"""R3GAN of brownvc/R3GAN: its snapshots (.pkl). Pictures are those of the authors' networks in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxgan.published.parts import Network, Take, checked, conv, dense, taking
from jaxgan.published.pkl import Module

LEFT = ("Resampler.Kernel",)


def generator(file: Module) -> tuple[Network, int]:
    """Reads a generator.

    Args:
      file: what the .pkl says of it.
    Returns:
      The network, and the width of its latents.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    arrays = file.arrays
    take, none_left = taking(arrays)
    stages = _stages(file)
    blocks = _blocks(file, stages, first=1)
    widths = [arrays[f"Model.MainLayers.{k}.Layers.1.LinearLayer1.Layer.weight"].shape[1] for k in range(stages)]
    basis = take("Model.MainLayers.0.Layers.0.Basis")
    out = {
        "params/basis": basis.transpose(1, 2, 0)[None],
        "params/latent/kernel": dense(take("Model.MainLayers.0.Layers.0.LinearLayer.weight")),
    }
    narrowing = 0
    for stage in range(stages):
        name = f"Model.MainLayers.{stage}.Layers.0.LinearLayer.Layer.weight"
        if stage and name in arrays:
            out[f"params/Conv_{narrowing}/kernel"] = conv(take(name))
            narrowing += 1
        for block in range(blocks):
            out |= _block(
                take, f"Model.MainLayers.{stage}.Layers.{block + 1}", f"params/Block_{stage * blocks + block}"
            )
    out["params/image/kernel"] = conv(take("Model.AggregationLayer.Layer.weight"))
    classes, latent = 0, arrays["Model.MainLayers.0.Layers.0.LinearLayer.weight"].shape[1]
    if "Model.EmbeddingLayer.weight" in arrays:
        out["params/labels/embedding"] = dense(take("Model.EmbeddingLayer.weight"))
        classes, embedding = out["params/labels/embedding"].shape
        latent -= embedding
        if latent != embedding:
            raise ValueError(f"labels are embedded in {embedding} numbers beside latents of {latent}; here in as many")
    none_left(LEFT)
    settings = {
        "channels": len(arrays["Model.AggregationLayer.Layer.weight"]),
        **_settings(file, basis.shape[1], stages, blocks, widths, first=1),
        "classes": classes,
    }
    return checked("r3gan", "Generator", Network(settings, out), (latent,), labels=classes), latent


def discriminator(file: Module) -> Network:
    """Reads a discriminator.

    Args:
      file: what the .pkl says of it.
    Returns:
      The network.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    arrays = file.arrays
    take, none_left = taking(arrays)
    stages = _stages(file)
    blocks = _blocks(file, stages, first=0)
    widths = [arrays[f"Model.MainLayers.{k}.Layers.0.LinearLayer1.Layer.weight"].shape[1] for k in range(stages)][::-1]
    out = {"params/image/kernel": conv(take("Model.ExtractionLayer.Layer.weight"))}
    narrowing = 0
    for stage in range(stages):
        for block in range(blocks):
            out |= _block(take, f"Model.MainLayers.{stage}.Layers.{block}", f"params/Block_{stage * blocks + block}")
        name = f"Model.MainLayers.{stage}.Layers.{blocks}.LinearLayer.Layer.weight"
        if name in arrays:
            out[f"params/Conv_{narrowing}/kernel"] = conv(take(name))
            narrowing += 1
    last = f"Model.MainLayers.{stages - 1}.Layers.{blocks}"
    out["params/basis"] = take(f"{last}.Basis.weight")[:, 0].transpose(1, 2, 0)
    out["params/logits/kernel"] = dense(take(f"{last}.LinearLayer.weight"))
    classes = 0
    if "Model.EmbeddingLayer.weight" in arrays:
        out["params/labels/embedding"] = dense(take("Model.EmbeddingLayer.weight"))
        classes = len(out["params/labels/embedding"])
    none_left(LEFT)
    settings = {**_settings(file, len(out["params/basis"]), stages, blocks, widths, first=0), "classes": classes}
    channels = arrays["Model.ExtractionLayer.Layer.weight"].shape[1]
    shape = (settings["size"], settings["size"], channels)
    return checked("r3gan", "Discriminator", Network(settings, out), shape, labels=classes)


def _stages(file: Module) -> int:
    stages = sum(f"Model.MainLayers.{k}" in file.kinds for k in range(64))
    if not stages:
        raise ValueError("this is no network of R3GAN: it has no MainLayers")
    for name, array in file.arrays.items():
        wanted = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
        if name.endswith("Kernel") and (array.shape != (4, 4) or not np.allclose(array, wanted)):
            raise ValueError(f"{name} is another filter than [1, 2, 1] after doubling, which is the one here")
    return stages


def _blocks(file: Module, stages: int, first: int) -> int:
    """Returns the residual blocks of each stage."""
    counts = {
        sum(f"Model.MainLayers.{k}.Layers.{layer + first}.LinearLayer1" in file.kinds for layer in range(256))
        for k in range(stages)
    }
    if len(counts) != 1 or not min(counts):
        raise ValueError(f"stages have {sorted(counts)} residual blocks; here all have as many")
    return counts.pop()


def _block(take: Take, theirs: str, ours: str) -> dict[str, np.ndarray]:
    return {
        **{f"{ours}/Conv_{k}/kernel": conv(take(f"{theirs}.LinearLayer{k + 1}.Layer.weight")) for k in range(3)},
        f"{ours}/first_bias": take(f"{theirs}.NonLinearity1.Bias"),
        f"{ours}/second_bias": take(f"{theirs}.NonLinearity2.Bias"),
    }


def _settings(file: Module, side: int, stages: int, blocks: int, widths: list[int], first: int) -> dict[str, Any]:
    expanded = [
        file.arrays[f"Model.MainLayers.{k}.Layers.{first}.LinearLayer2.Layer.weight"].shape for k in range(stages)
    ]
    inputs = [
        file.arrays[f"Model.MainLayers.{k}.Layers.{first}.LinearLayer1.Layer.weight"].shape[1] for k in range(stages)
    ]
    return {
        "size": side << (stages - 1),
        "features": widths,
        "blocks": blocks,
        "expansion": expanded[0][0] // inputs[0],
        "group": max(shape[1] for shape in expanded),
    }
