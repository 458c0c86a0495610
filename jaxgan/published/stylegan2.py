"""StyleGAN2 of NVlabs/stylegan2-ada-pytorch, and of NVlabs/stylegan3 (its --cfg=stylegan2).

Pictures are those of the authors' networks in float32 (`force_fp32=True`), with the constant noise of the file. In a
convolution that doubles its map the authors' kernels are turned, and ours are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxgan.published.parts import Network, Take, checked, conv, dense, doubling, taking
from jaxgan.published.pkl import Module

ARCHITECTURES = {"skip": "skip", "resnet": "residual", "orig": "plain"}
LEFT = ("resample_filter",)  # arrays that are no parameters


def generator(file: Module) -> tuple[Network, int]:
    """Reads a generator.

    Args:
      file: what the .pkl says of it.
    Returns:
      The network, and the width of its latents.
    Raises:
      ValueError: it is alias-free (StyleGAN3-T, -R), or has something that ours has not, by name.
    """
    if "synthesis.input" in file.kinds:
        raise ValueError(
            "this is an alias-free generator (StyleGAN3-T or -R), which this library has not; of its repository "
            "the networks of --cfg=stylegan2 are read"
        )
    levels = [side for side in (4 << k for k in range(12)) if f"synthesis.b{side}" in file.kinds]
    if not levels or "mapping" not in file.kinds:
        raise ValueError("this is no generator of StyleGAN2: it has no mapping and no synthesis of 4 x 4 pixels on")
    a, arrays = file.attributes, file.arrays
    _check(file)
    take, none_left = taking(arrays)
    noise = "synthesis.b4.conv1.noise_const" in arrays
    architecture = _choice(a, "synthesis.b4.architecture")
    hidden = [len(arrays[f"mapping.fc{k}.weight"]) for k in range(_layers(file, "mapping"))]
    embed = arrays.get("mapping.embed.weight")
    latent = arrays["mapping.fc0.weight"].shape[1] - (0 if embed is None else len(embed))
    out = {f"params/map/{name}": value for name, value in _mapping(take, len(hidden), embed is not None).items()}
    out["params/draw/constant"] = take("synthesis.b4.const").transpose(1, 2, 0)[None]
    number = 0
    for side in levels:
        for name in ("conv0", "conv1") if side > 4 else ("conv1",):
            start, ours = f"synthesis.b{side}.{name}", f"draw/StyledConv_{number}"
            out |= _modulated(take, start, f"params/{ours}", turned=name == "conv0")
            if noise:
                out[f"params/{ours}/Noise_0/strength"] = take(f"{start}.noise_strength")
                out[f"noise/{ours}/Noise_0/map"] = take(f"{start}.noise_const")[None, :, :, None]
            number += 1
        if side > 4 and architecture == "residual":
            out[f"params/draw/EqualizedConv_{levels.index(side) - 1}/kernel"] = conv(
                take(f"synthesis.b{side}.skip.weight")
            )
    drawing = levels if architecture == "skip" else levels[-1:]
    for number, side in enumerate(drawing):
        out |= _modulated(take, f"synthesis.b{side}.torgb", f"params/draw/ToImage_{number}")
    out["average/w"] = take("mapping.w_avg") if "mapping.w_avg" in arrays else np.zeros(hidden[-1], np.float32)
    out["path/mean"] = np.zeros((), np.float32)
    none_left(LEFT)
    settings: dict[str, Any] = {
        "channels": len(arrays[f"synthesis.b{levels[-1]}.torgb.bias"]),
        "size": levels[-1],
        **doubling([len(arrays[f"synthesis.b{side}.conv1.bias"]) for side in levels], "the generator"),
        "hidden": hidden,
        "classes": 0 if embed is None else embed.shape[1],
        "architecture": architecture,
        "noise": noise,
        "decay": a.get("mapping.w_avg_beta") or 0.995,
        "conv_clamp": a.get("synthesis.b4.conv1.conv_clamp"),
    }
    return checked("stylegan2", "Generator", Network(settings, out), (latent,), labels=settings["classes"]), latent


def discriminator(file: Module) -> Network:
    """Reads a discriminator; those of StyleGAN3-T and -R are of this form too.

    Args:
      file: what the .pkl says of it.
    Returns:
      The network.
    Raises:
      ValueError: it has something that ours has not, by name.
    """
    a, arrays = file.attributes, file.arrays
    levels = [side for side in (4 << k for k in range(12)) if f"b{side}" in file.kinds]
    if len(levels) < 2 or levels[0] != 4:
        raise ValueError("this is no discriminator of StyleGAN2 for 8 x 8 pixels or more")
    _check(file)
    take, none_left = taking(arrays)
    architecture = _choice(a, "b4.architecture")
    clamp = a.get(f"b{levels[-1]}.conv0.conv_clamp")
    if architecture == "skip" and clamp is not None:
        raise ValueError(
            "a discriminator with skips whose activations are clamped clamps all of them here, and not there"
        )
    out: dict[str, np.ndarray] = {}
    names = []
    for side in levels[:0:-1]:
        names += [f"b{side}.fromrgb"] if side == levels[-1] or architecture == "skip" else []
        names += [f"b{side}.conv0", f"b{side}.conv1"] + ([f"b{side}.skip"] if architecture == "residual" else [])
    names += ["b4.fromrgb"] if architecture == "skip" else []
    for number, name in enumerate(names):
        out[f"params/EqualizedConv_{number}/kernel"] = conv(take(f"{name}.weight"))
        if not name.endswith("skip"):
            out[f"params/EqualizedConv_{number}/bias"] = take(f"{name}.bias")
    width = len(arrays["b4.conv.bias"])
    out["params/last_conv/kernel"], out["params/last_conv/bias"] = conv(take("b4.conv.weight")), take("b4.conv.bias")
    kernel = take("b4.fc.weight").reshape(-1, width, 4, 4).transpose(2, 3, 1, 0)
    out["params/last_dense/kernel"], out["params/last_dense/bias"] = kernel.reshape(16 * width, -1), take("b4.fc.bias")
    out["params/logits/kernel"], out["params/logits/bias"] = dense(take("b4.out.weight")), take("b4.out.bias")
    layers = _layers(file, "mapping") if "mapping" in file.kinds else 0
    classes = arrays["mapping.embed.weight"].shape[1] if layers else 0
    if layers:
        out |= {f"params/labels/{name}": value for name, value in _mapping(take, layers, True).items()}
    none_left(LEFT)
    widths = [width, *(arrays[f"b{side}.conv0.weight"].shape[1] for side in levels[1:])]
    settings: dict[str, Any] = {
        "size": levels[-1],
        **doubling(widths, "the discriminator"),
        "classes": classes,
        "architecture": architecture,
        "group": _group(file),
        "mapping_layers": layers or 8,
        "group_channels": a.get("b4.mbstd.num_channels") or 1,
        "conv_clamp": clamp,
    }
    channels = arrays[f"b{levels[-1]}.fromrgb.weight"].shape[1]
    shape = (levels[-1], levels[-1], channels)
    return checked("stylegan2", "Discriminator", Network(settings, out), shape, labels=classes)


def _mapping(take: Take, layers: int, labels: bool) -> dict[str, np.ndarray]:
    out = {}
    theirs = {f"EqualizedDense_{k}": f"mapping.fc{k}" for k in range(layers)} | (
        {"labels": "mapping.embed"} if labels else {}
    )
    for ours, name in theirs.items():
        out[f"{ours}/kernel"], out[f"{ours}/bias"] = dense(take(f"{name}.weight")), take(f"{name}.bias")
    return out


def _modulated(take: Take, start: str, ours: str, turned: bool = False) -> dict[str, np.ndarray]:
    kernel = conv(take(f"{start}.weight"))
    return {
        f"{ours}/ModulatedConv_0/kernel": kernel[::-1, ::-1] if turned else kernel,
        f"{ours}/ModulatedConv_0/style/kernel": dense(take(f"{start}.affine.weight")),
        f"{ours}/ModulatedConv_0/style/bias": take(f"{start}.affine.bias"),
        f"{ours}/bias": take(f"{start}.bias"),
    }


def _layers(file: Module, start: str) -> int:
    return sum(f"{start}.fc{k}" in file.kinds for k in range(64))


def _group(file: Module) -> int:
    if "b4.mbstd" not in file.kinds:
        return 0
    group = file.attributes.get("b4.mbstd.group_size")
    if not isinstance(group, int) or group < 1:
        raise ValueError("mbstd_group_size=None, groups of the whole batch, is not offered")
    return group


def _choice(attributes: dict[str, Any], name: str) -> str:
    if attributes.get(name) not in ARCHITECTURES:
        raise ValueError(f"{name} is {attributes.get(name)!r}; have {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[attributes[name]]


def _check(file: Module) -> None:
    """Refuses what the authors' code can be told and ours cannot: it would make other pictures."""
    wanted = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    for name, array in file.arrays.items():
        if name.endswith("resample_filter") and (array.shape != (4, 4) or not np.allclose(array, wanted)):
            raise ValueError(f"{name} is another filter than [1, 3, 3, 1], which is the one here")
    rates = {value for name, value in file.attributes.items() if ".fc" in f".{name}" and name.endswith("bias_gain")}
    for name, value in file.attributes.items():
        if name.endswith("activation") and value not in ("lrelu", "linear"):
            raise ValueError(f"{name} is {value!r}; layers here have leaky ReLUs (lrelu)")
        if name.startswith("mapping.fc") and name.endswith("bias_gain") and not np.isclose(value, 0.01):
            raise ValueError(f"{name} is {value}: a mapping here learns at 0.01 (lr_multiplier)")
    if not rates:
        raise ValueError("the layers do not say at which rate they learn (bias_gain)")
    clamps = {v for name, v in file.attributes.items() if name.endswith("conv_clamp") and ".skip." not in f".{name}"}
    if len(clamps - {None}) > 1:
        raise ValueError(f"layers are clamped at {sorted(clamps - {None})}; here at one value")
