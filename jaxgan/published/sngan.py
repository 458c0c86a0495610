"""SNGAN of kwotsin/mimicry: checkpoints of its generators and discriminators, without labels.

Its upsampling is bilinear, and the ReLU of its discriminator's blocks works in place, so that their shortcuts see what
it leaves: settings of ours.
"""

from __future__ import annotations

import math

import numpy as np

from jaxgan.published.parts import Arrays, Network, Take, checked, conv, dense, taking, to_map
from jaxgan.published.spectral import iterated, paired

LEFT = ("num_batches_tracked", "sn_sigma")


def generator(arrays: Arrays) -> tuple[Network, int]:
    """Reads a generator.

    Args:
      arrays: of its state dict.
    Returns:
      The network, and the width of its latents.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    take, none_left = taking(arrays)
    stages = sum(f"block{k}.c1.weight" in arrays for k in range(2, 18))
    if f"c{stages + 2}.weight" not in arrays:
        raise ValueError("this is no generator of SNGAN: its last layer is not where mimicry has it")
    if "block2.b1.embed.weight" in arrays:
        raise ValueError("this generator takes labels; of mimicry's, SNGAN without labels is read")
    widths = [arrays["block2.c1.weight"].shape[1], *(len(arrays[f"block{k + 2}.c2.bias"]) for k in range(stages))]
    side = math.isqrt(len(arrays["l1.weight"]) // widths[0])
    latent = arrays["l1.weight"].shape[1]
    out = {
        "params/Dense_0/kernel": dense(to_map(take("l1.weight"), side, side)),
        "params/Dense_0/bias": to_map(take("l1.bias")[:, None], side, side)[:, 0],
    }
    for k in range(stages):
        start, ours = f"block{k + 2}", f"UpBlock_{k}"
        for number, name in enumerate(("c1", "c2", "c_sc")):
            out[f"params/{ours}/Conv_{number}/kernel"] = conv(take(f"{start}.{name}.weight"))
            out[f"params/{ours}/Conv_{number}/bias"] = take(f"{start}.{name}.bias")
        for norm in (1, 2):
            out |= _norm(take, f"{start}.b{norm}", f"{ours}/BatchNorm_{norm - 1}")
    out |= _norm(take, f"b{stages + 2}", "BatchNorm_0")
    out["params/Conv_0/kernel"] = conv(take(f"c{stages + 2}.weight"))
    out["params/Conv_0/bias"] = take(f"c{stages + 2}.bias")
    none_left(LEFT)
    settings = {
        "channels": len(out["params/Conv_0/bias"]),
        "size": side << stages,
        "features": widths,
        "upsampling": "bilinear",
    }
    return checked("sngan", "Generator", Network(settings, out), (latent,)), latent


def discriminator(arrays: Arrays, size: int) -> Network:
    """Reads a discriminator.

    Args:
      arrays: of its state dict.
      size: side of the images, which a state dict does not say.
    Returns:
      The network.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    take, none_left = taking(arrays)
    spectral = next((ending for ending in ("weight_orig", "sn_u") if f"block1.c1.{ending}" in arrays), None)
    if spectral is None:
        raise ValueError("this is no discriminator of SNGAN: its first layer is not normalised spectrally")
    blocks = sum(f"block{k}.c1.bias" in arrays for k in range(1, 17))
    halved = sum(
        k == 1 or f"block{k}.c_sc.bias" in arrays for k in range(1, blocks + 1)
    )  # a block that keeps features and size has no shortcut
    out = dict[str, np.ndarray]()
    for k in range(1, blocks + 1):
        ours = f"DownBlock_{k - 2}" if k > 1 else "FirstBlock_0"
        names = ["c1", "c2"] + (["c_sc"] if f"block{k}.c_sc.bias" in arrays else [])
        for number, name in enumerate(names):
            out |= _layer(take, spectral, f"block{k}.{name}", f"{ours}/", f"SpectralNorm_{number}", f"Conv_{number}")
    last = next(name for name in (f"l{k}" for k in range(64)) if f"{name}.bias" in arrays)
    out |= _layer(take, spectral, last, "", "SpectralNorm_0", "logits")
    none_left(LEFT)
    widths = [
        len(out[f"params/{f'DownBlock_{k - 2}' if k > 1 else 'FirstBlock_0'}/Conv_1/bias"])
        for k in range(1, blocks + 1)
    ]
    if size == 48:  # its last block widens and keeps the size
        halved = blocks - 1
    settings = {"size": size, "features": widths, "halved": halved, "rectified": True}
    channels = out["params/FirstBlock_0/Conv_0/kernel"].shape[2]
    return checked("sngan", "Discriminator", Network(settings, out), (size, size, channels))


def _layer(take: Take, spectral: str, theirs: str, inside: str, norm: str, name: str) -> dict[str, np.ndarray]:
    weight = take(f"{theirs}.weight_orig" if spectral == "weight_orig" else f"{theirs}.weight")
    kernel = conv(weight) if weight.ndim == 4 else dense(weight)
    matrix = kernel.reshape(-1, kernel.shape[-1])
    if spectral == "weight_orig":
        v = take(f"{theirs}.weight_v")
        if weight.ndim == 4:  # of the authors' order of inputs: [I, h, w]
            v = v.reshape(weight.shape[1:]).transpose(1, 2, 0).reshape(-1)
        u = paired(matrix, take(f"{theirs}.weight_u"), v)
    else:
        u = iterated(matrix, take(f"{theirs}.sn_u").reshape(-1))
    shape = (*(1,) * (kernel.ndim - 1), -1)
    return {
        f"params/{inside}{name}/kernel": kernel,
        f"params/{inside}{name}/bias": take(f"{theirs}.bias"),
        f"spectral/{inside}{norm}/{name}/kernel/u": u.reshape(shape),
    }


def _norm(take: Take, theirs: str, ours: str) -> dict[str, np.ndarray]:
    return {
        f"params/{ours}/scale": take(f"{theirs}.weight"),
        f"params/{ours}/bias": take(f"{theirs}.bias"),
        f"batch_stats/{ours}/mean": take(f"{theirs}.running_mean"),
        f"batch_stats/{ours}/var": take(f"{theirs}.running_var"),
    }
