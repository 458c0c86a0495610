"""InceptionV3 in its FID variant: the network of TensorFlow's inception-2015-12-05 graph, as ported to PyTorch.

It differs from the InceptionV3 of model zoos: average pools do not count the padding, the last block pools by maximum,
there are 1008 classes and no auxiliary head. Only this network with its own weights gives an FID.

Taps, by name:
  64, 192, 768      means over space after the first and second max pool and before Mixed_7a
  2048              the pooled features that FID and KID are defined on
  logits_unbiased   logits without their bias, which the Inception score is computed from; logits: with it
  mixed_6           [B, 2023]: seven channels of Mixed_6d's first branch with their positions, 17x17x7, for spatial FID

References:
  Szegedy et al. Rethinking the Inception Architecture for Computer Vision. CVPR 2016.
  Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. NeurIPS 2017.
  Nash et al. Generating Images with Sparse Representations. ICML 2021 (spatial FID).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from jaxgan.types import PyTree

SIZE = 299  # pixels, height and width that the network sees
CLASSES = 1008
EPSILON = 1e-3  # of the batch normalisation that `parameters` folds away
TAPS = {"64": 64, "192": 192, "768": 768, "2048": 2048, "logits_unbiased": 1008, "logits": 1008, "mixed_6": 2023}

Layer = tuple[str, int, tuple[int, int]]  # name, channels, kernel


class Convolution(nn.Module):
    """Convolution with its batch normalisation folded in, then ReLU."""

    features: int
    size: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, h, w, features] of x [B, H, W, C]; full float32 products on every device."""
        highest = jax.lax.Precision.HIGHEST
        return nn.relu(nn.Conv(self.features, self.size, self.stride, self.padding, precision=highest, name="conv")(x))


class Block(nn.Module):
    """Parallel branches of stride one, each a chain of convolutions, and one of a pool and a convolution; joined."""

    chains: tuple[tuple[Layer, ...], ...]  # in the order of their channels; the last layer may be a fork
    pooled: int  # channels of the pool's branch
    maximum: bool = False  # the pool: by maximum, or by the mean without the padding

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, H, W, sum of the branches' channels] of x [B, H, W, C]."""
        branches = [self._chain(x, chain) for chain in self.chains]
        pool = functools.partial(nn.max_pool if self.maximum else _mean_pool, window_shape=(3, 3), padding="SAME")
        branches.append(Convolution(self.pooled, (1, 1), name="branch_pool")(pool(x, strides=(1, 1))))
        return jnp.concatenate(branches, axis=-1)

    def _chain(self, x: Array, chain: Sequence[Layer]) -> Array:
        stem = [layer for layer in chain if layer[0][-1] not in "ab"]
        for name, features, size in stem:
            x = Convolution(features, size, name=name)(x)
        fork = [Convolution(n, size, name=name)(x) for name, n, size in chain[len(stem) :]]
        return jnp.concatenate(fork, axis=-1) if fork else x


class Reduction(nn.Module):
    """Parallel branches whose last layer has stride two and no padding, and a max pool; joined. Halves H and W."""

    chains: tuple[tuple[Layer, ...], ...]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, (H - 1) / 2, (W - 1) / 2, sum of the branches' channels] of x [B, H, W, C]."""
        branches = []
        for chain in self.chains:
            y = x
            for name, features, size in chain[:-1]:
                y = Convolution(features, size, name=name)(y)
            name, features, size = chain[-1]
            branches.append(Convolution(features, size, 2, "VALID", name=name)(y))
        return jnp.concatenate([*branches, nn.max_pool(x, (3, 3), (2, 2))], axis=-1)


def _mean_pool(x: Array, window_shape: tuple[int, int], strides: tuple[int, int], padding: str) -> Array:
    return nn.avg_pool(x, window_shape, strides, padding, count_include_pad=False)


ONE, THREE, FIVE, WIDE, TALL = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def _a(pooled: int, name: str) -> Block:
    """35x35."""
    double = (("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, THREE))
    five = (("branch5x5_1", 48, ONE), ("branch5x5_2", 64, FIVE))
    return Block(((("branch1x1", 64, ONE),), five, double), pooled, name=name)


def _c(n: int, name: str) -> Block:
    """17x17."""
    seven = (("branch7x7_1", n, ONE), ("branch7x7_2", n, WIDE), ("branch7x7_3", 192, TALL))
    sizes = (ONE, TALL, WIDE, TALL, WIDE)
    double = tuple((f"branch7x7dbl_{i}", 192 if i == 5 else n, size) for i, size in enumerate(sizes, 1))
    return Block(((("branch1x1", 192, ONE),), seven, double), 192, name=name)


def _e(maximum: bool, name: str) -> Block:
    """8x8."""
    fork = (("a", 384, (1, 3)), ("b", 384, (3, 1)))
    three = (("branch3x3_1", 384, ONE), *((f"branch3x3_2{side}", n, size) for side, n, size in fork))
    stem = (("branch3x3dbl_1", 448, ONE), ("branch3x3dbl_2", 384, THREE))
    double = (*stem, *((f"branch3x3dbl_3{side}", n, size) for side, n, size in fork))
    return Block(((("branch1x1", 320, ONE),), three, double), 192, maximum, name=name)


DOWN_6 = (
    (("branch3x3", 384, THREE),),
    (("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, THREE)),
)
DOWN_7 = (
    (("branch3x3_1", 192, ONE), ("branch3x3_2", 320, THREE)),
    (
        ("branch7x7x3_1", 192, ONE),
        ("branch7x7x3_2", 192, WIDE),
        ("branch7x7x3_3", 192, TALL),
        ("branch7x7x3_4", 192, THREE),
    ),
)


class InceptionV3(nn.Module):
    """The FID variant; its parameters carry the names of the PyTorch port."""

    @nn.compact
    def __call__(self, x: Array) -> dict[str, Array]:
        """Returns all taps; under jit, those not used are not computed.

        Args:
          x: [B, 299, 299, 3], pixels as (value - 128) / 128.
        Returns:
          Names of TAPS to [B, F] float32.
        """
        taps = {}
        x = Convolution(32, THREE, 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = Convolution(32, THREE, 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = nn.max_pool(Convolution(64, THREE, name="Conv2d_2b_3x3")(x), THREE, (2, 2))
        taps["64"] = x.mean((1, 2))
        x = Convolution(80, ONE, name="Conv2d_3b_1x1")(x)
        x = nn.max_pool(Convolution(192, THREE, 1, "VALID", name="Conv2d_4a_3x3")(x), THREE, (2, 2))
        taps["192"] = x.mean((1, 2))
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = _a(pooled, name)(x)
        x = Reduction(DOWN_6, name="Mixed_6a")(x)
        for name, n in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            x = _c(n, name)(x)
            if name == "Mixed_6d":  # mixed_6 of the TensorFlow graph, which counts the blocks from zero
                taps["mixed_6"] = x[..., :7].reshape(len(x), -1)
        taps["768"] = x.mean((1, 2))
        x = Reduction(DOWN_7, name="Mixed_7a")(x)
        x = _e(False, "Mixed_7b")(x)
        x = _e(True, "Mixed_7c")(x)
        x = taps["2048"] = x.mean((1, 2))
        head = nn.Dense(CLASSES, use_bias=False, precision=jax.lax.Precision.HIGHEST, name="fc")
        taps["logits_unbiased"] = head(x)
        bias = self.param("fc_bias", nn.initializers.zeros, (CLASSES,), jnp.float32)
        taps["logits"] = taps["logits_unbiased"] + bias[None]
        return taps


def torch_shapes() -> dict[str, tuple[int, ...]]:
    """Returns what a state dict of the PyTorch port must hold: names to shapes."""
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), np.float32)
    ours = traverse_util.flatten_dict(jax.eval_shape(InceptionV3().init, jax.random.key(0), image)["params"], sep=".")
    shapes: dict[str, tuple[int, ...]] = {"fc.weight": (CLASSES, 2048), "fc.bias": (CLASSES,)}
    for name, leaf in ours.items():
        if name.endswith(".conv.kernel"):
            height, width, before, after = leaf.shape
            layer = name.removesuffix(".conv.kernel")
            shapes[f"{layer}.conv.weight"] = (after, before, height, width)
            shapes |= {f"{layer}.bn.{part}": (after,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def parameters(arrays: Mapping[str, np.ndarray]) -> PyTree:
    """Turns a state dict of pytorch-fid or torch-fidelity into the parameters of `InceptionV3`.

    Each batch normalisation is folded into its convolution, in float64.

    Args:
      arrays: by the names of `torch_shapes`; counters ("num_batches_tracked") are ignored.
    Returns:
      {"params": ...}, float32.
    Raises:
      ValueError: arrays are missing, unknown, or of another shape: then it is another network (a model zoo's
        InceptionV3 has 1000 classes and an auxiliary head).
    """
    shapes = torch_shapes()
    given = {name: array.shape for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    if given != shapes:
        wrong = sorted(name for name in shapes.keys() | given.keys() if shapes.get(name) != given.get(name))
        raise ValueError(
            f"not the weights of the FID variant of InceptionV3: {len(wrong)} arrays are missing, unknown or of "
            f"another shape, such as {wrong[:3]}"
        )
    params = {"fc.kernel": arrays["fc.weight"].T, "fc_bias": arrays["fc.bias"]}
    for name in shapes:
        if name.endswith(".conv.weight"):
            layer = name.removesuffix(".conv.weight")
            kernel, bias = fold(arrays, name, f"{layer}.bn", EPSILON)
            params |= {f"{layer}.conv.kernel": kernel, f"{layer}.conv.bias": bias}
    leaves = {name: np.ascontiguousarray(array, np.float32) for name, array in params.items()}
    return {"params": traverse_util.unflatten_dict(leaves, sep=".")}


def fold(arrays: Mapping[str, np.ndarray], weight: str, norm: str, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Folds a batch normalisation in inference form into the convolution before it, in float64.

    Args:
      arrays: a PyTorch state dict.
      weight: name of the convolution's weight, [out, in, h, w].
      norm: name of the batch normalisation, which has weight, bias, running_mean and running_var, [out] each.
      epsilon: added to the variance.
    Returns:
      (kernel [h, w, in, out], bias [out]), float64.
    """
    gain, bias, mean, variance = (
        np.asarray(arrays[f"{norm}.{part}"], np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + epsilon)
    return np.asarray(arrays[weight], np.float64).transpose(2, 3, 1, 0) * scale, bias - mean * scale
