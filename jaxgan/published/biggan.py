"""BigGAN of ajbrock/BigGAN-PyTorch: state dicts of its G (or G_ema) and D. Not BigGAN-deep.

A state dict has no settings but its shapes: the epsilon of batch normalisation is taken for 1e-5, as in the authors'
scripts. Statistics that were accumulated ("standing statistics") are means, as the authors use them.
"""

from __future__ import annotations

import math

import numpy as np

from jaxgan.networks.biggan import _DISCRIMINATOR, _GENERATOR
from jaxgan.published.parts import Arrays, Network, Take, checked, conv, dense, taking, to_map
from jaxgan.published.spectral import iterated

LEFT = (".sv0", ".accumulation_counter", "num_batches_tracked")


def generator(arrays: Arrays) -> tuple[Network, int]:
    """Reads a generator.

    Args:
      arrays: of its state dict.
    Returns:
      The network, and the width of its latents.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    if "blocks.0.0.conv4.weight" in arrays:
        raise ValueError("this is BigGAN-deep, which is not read; BigGAN is")
    if "shared.weight" not in arrays:
        raise ValueError("this generator has no shared embedding of classes (--G_shared), which it has here")
    if "linear.u0" not in arrays:
        raise ValueError("this generator is not normalised spectrally (--G_param SN), which it is here")
    take, none_left = taking(arrays)
    stages = sum(f"blocks.{k}.0.conv1.weight" in arrays for k in range(16))
    classes, embedding = arrays["shared.weight"].shape
    chunk, widest = arrays["linear.weight"].shape[1], arrays["blocks.0.0.conv1.weight"].shape[1]
    coded = arrays["blocks.0.0.bn1.gain.weight"].shape[1]
    if coded != embedding + chunk:
        raise ValueError(
            f"blocks are told {coded} numbers, where the class's {embedding} and a chunk's {chunk} are (--hier)"
        )
    side = math.isqrt(len(arrays["linear.weight"]) // widest)
    out = {"params/shared/embedding": take("shared.weight")}
    kernel = dense(to_map(take("linear.weight"), side, side))
    out |= _normalised("SpectralNorm_0", "Dense_0", kernel, to_map(take("linear.u0").reshape(-1, 1), side, side))
    out["params/Dense_0/bias"] = to_map(take("linear.bias")[:, None], side, side)[:, 0]
    attention = 0
    for k in range(stages):
        start, ours = f"blocks.{k}.0", f"UpBlock_{k}/"
        layers = [
            f"{start}.{name}" for name in ("bn1.gain", "bn1.bias", "conv1", "bn2.gain", "bn2.bias", "conv2", "conv_sc")
        ]
        for number, (layer, name) in enumerate(zip(layers, _UP, strict=True)):
            out |= _layer(take, layer, f"{ours}SpectralNorm_{number}", f"{ours}{name}", bias=name.startswith("Conv"))
        for norm in (1, 2):
            out |= _statistics(take, arrays, f"{start}.bn{norm}", f"{ours}BatchNorm_{norm - 1}")
        if f"blocks.{k}.1.theta.weight" in arrays:
            attention = _once(attention, side << (k + 1))
            out |= _attention(take, f"blocks.{k}.1")
    out |= _statistics(take, arrays, "output_layer.0", "BatchNorm_0")
    out |= {
        "params/BatchNorm_0/scale": take("output_layer.0.gain"),
        "params/BatchNorm_0/bias": take("output_layer.0.bias"),
    }
    out |= _layer(take, "output_layer.2", "SpectralNorm_1", "Conv_0", bias=True)
    none_left(LEFT)
    settings = {
        "channels": len(out["params/Conv_0/bias"]),
        "size": side << stages,
        "features": _features(_GENERATOR[min(stages, max(_GENERATOR))], [widest]),
        "attention": attention,
        "classes": classes,
        "embedding": embedding,
    }
    latent = chunk * (stages + 1)
    return checked("biggan", "Generator", Network(settings, out), (latent,), labels=classes), latent


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
    if "input_conv.weight" in arrays:
        raise ValueError("this is BigGAN-deep, which is not read; BigGAN is")
    take, none_left = taking(arrays)
    blocks = sum(f"blocks.{k}.0.conv1.weight" in arrays for k in range(16))
    halved = 2 if size <= 32 else blocks - 1
    attention, out = 0, dict[str, np.ndarray]()
    for k in range(blocks):
        ours = f"DownBlock_{k - 1}/" if k else "FirstBlock_0/"
        names = ["conv1", "conv2"] + (["conv_sc"] if f"blocks.{k}.0.conv_sc.weight" in arrays else [])
        for number, name in enumerate(names):
            out |= _layer(
                take, f"blocks.{k}.0.{name}", f"{ours}SpectralNorm_{number}", f"{ours}Conv_{number}", bias=True
            )
        if f"blocks.{k}.1.theta.weight" in arrays:
            attention = _once(attention, size >> min(k + 1, halved))
            out |= _attention(take, f"blocks.{k}.1")
    out |= _layer(take, "linear", "SpectralNorm_0", "logits", bias=True)
    table = take("embed.weight")  # the authors' vector is of the classes, ours of the features: v = W^T u
    v = table.T @ take("embed.u0").reshape(-1)
    out["params/projection/embedding"] = table
    out["spectral/SpectralNorm_1/projection/embedding/u"] = (v / max(np.linalg.norm(v), 1e-12))[None]
    none_left(LEFT)
    first = arrays["blocks.0.0.conv2.weight"].shape[0]
    settings = {
        "size": size,
        "features": _features(_DISCRIMINATOR[size.bit_length() - 3], [first]),
        "attention": attention,
        "classes": len(table),
    }
    channels = arrays["blocks.0.0.conv1.weight"].shape[1]
    return checked("biggan", "Discriminator", Network(settings, out), (size, size, channels), labels=len(table))


_UP = ("Dense_0", "Dense_1", "Conv_0", "Dense_2", "Dense_3", "Conv_1", "Conv_2")  # in the order of their calls


def _layer(take: Take, theirs: str, norm: str, ours: str, *, bias: bool) -> dict[str, np.ndarray]:
    weight = take(f"{theirs}.weight")
    kernel = conv(weight) if weight.ndim == 4 else dense(weight)
    out = _normalised(norm, ours, kernel, take(f"{theirs}.u0"))
    return out | ({f"params/{ours}/bias": take(f"{theirs}.bias")} if bias else {})


def _normalised(norm: str, ours: str, kernel: np.ndarray, u: np.ndarray) -> dict[str, np.ndarray]:
    turned = iterated(kernel.reshape(-1, kernel.shape[-1]), u.reshape(-1))
    shape = (*(1,) * (kernel.ndim - 1), -1)
    return {
        f"params/{ours}/kernel": kernel,
        f"spectral/{norm}/{ours.rsplit('/', 1)[-1]}/kernel/u": turned.reshape(shape),
    }


def _attention(take: Take, start: str) -> dict[str, np.ndarray]:
    out = {"params/SelfAttention_0/gamma": take(f"{start}.gamma")}
    for number, (theirs, ours) in enumerate({"theta": "query", "phi": "key", "g": "value", "o": "output"}.items()):
        norm = f"SelfAttention_0/SpectralNorm_{number}"
        out |= _layer(take, f"{start}.{theirs}", norm, f"SelfAttention_0/{ours}", bias=False)
    return out


def _once(before: int, height: int) -> int:
    if before:
        raise ValueError("the network attends to itself at two places; here at one")
    return height


def _statistics(take: Take, arrays: Arrays, start: str, ours: str) -> dict[str, np.ndarray]:
    """Reads running statistics, under any of the names that the authors' normalisations have for them."""
    if f"{start}.bn.running_mean" in arrays:
        raise ValueError(
            "this generator is normalised across replicas (--cross_replica): by running statistics the authors' "
            "code adds the scales of classes, and does not multiply by them as it did in training"
        )
    for inner in ("", "bn."):  # of the plain normalisation, and of the authors' own (--mybn)
        if f"{start}.{inner}stored_mean" in arrays:
            count = float(np.sum(arrays.get(f"{start}.bn.accumulation_counter", 0.0))) or 1.0
            mean, variance = (take(f"{start}.{inner}stored_{name}") / count for name in ("mean", "var"))
            return {f"batch_stats/{ours}/mean": mean, f"batch_stats/{ours}/var": variance}
    raise ValueError(f"{start} has no statistics of batches (norm_style is not bn), which it has here")


def _features(multiples: tuple[int, ...], widths: list[int]) -> int:
    if widths[0] % multiples[0]:
        raise ValueError(
            f"the first map has {widths[0]} features, no multiple of {multiples[0]} as BigGAN's at this size"
        )
    return widths[0] // multiples[0]
