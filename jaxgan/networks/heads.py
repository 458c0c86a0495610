"""Discriminators that say more than real or fake: a body, and named heads on its features.

`Headed(body, {"logits": Logit(), "classes": Classes(10)})` is called like any discriminator, D(x) or D(x, y), and
returns {"features": ..., "logits": ..., "classes": ...}; systems ask for what they need by these names.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers import Embedding, SpectralNorm, StridedConv, call, global_draw
from jaxgan.networks.mlp import project

Outputs = Mapping[str, Any]  # by head; "features" [B, F] are the body's


class Contrast(NamedTuple):
    """What contrastive class losses compare: directions of examples and of their classes."""

    embedding: Array  # [B, E] float32, of unit length
    proxy: Array  # [B, E] float32, of unit length: the class's, for each example's label


class CodePosterior(NamedTuple):
    """Q(c | x) of InfoGAN: what a sample tells of the code that made it."""

    categorical: tuple[Array, ...]  # logits [B, K] of each categorical code
    mean: Array  # [B, C] float32, of the continuous codes
    log_std: Array  # [B, C] float32


class Headed(nn.Module):
    """x [B, ...] (and labels y) -> {"features": [B, F], and one output a head}; heads that take y receive it."""

    body: nn.Module  # x -> features [B, ...]
    heads: Mapping[str, nn.Module]  # by name; each features [B, F] (and y) -> its output

    @property
    def classes(self) -> int:
        """Labels that a head embeds; 0: none."""
        return max((getattr(head, "classes", 0) for head in self.heads.values() if _takes_labels(head)), default=0)

    @nn.compact
    def __call__(self, x: Array, y: Any = None, train: bool = True) -> dict[str, Any]:
        """Applies the body once and every head to its features."""
        if "features" in self.heads:
            raise ValueError("a head is named 'features', which the body's output is called; give it another name")
        h = call(self.body, x, train=train)
        h = h.reshape(h.shape[0], -1)
        outputs: dict[str, Any] = {"features": h.astype(jnp.float32)}
        for name, head in self.heads.items():
            if _takes_labels(head) and y is None:
                raise ValueError(f"head {name!r} needs labels; call the network with y [B] (batch['y'])")
            outputs[name] = head(h, y) if _takes_labels(head) else head(h)
        return outputs


class FullyConnected(nn.Module):
    """x [B, ...] -> features [B, hidden[-1]]; Gaussian noise on every layer's input while training, if asked for."""

    hidden: Sequence[int] = (128, 128)
    noise: float = 0.0  # standard deviation at the hidden layers
    input_noise: float = 0.0  # standard deviation at the input
    layer_norm: bool = False  # before every activation; it does not mix examples
    activation: Callable[[Array], Array] = lambda x: nn.leaky_relu(x, 0.2)
    axis_name: str | None = None  # the mapped axis that the batch is split over
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Maps every example to its features."""
        h = x.reshape(x.shape[0], -1)
        for layer, width in enumerate(self.hidden):
            scale = self.noise if layer else self.input_noise
            if train and scale:
                axis_name = None if self.is_initializing() else self.axis_name
                draw = functools.partial(jax.random.normal, self.make_rng("global"), dtype=jnp.float32)
                h = h + scale * global_draw(draw, h.shape, axis_name)
            h = nn.Dense(width, dtype=self.dtype)(h)
            h = self.activation(nn.LayerNorm(dtype=self.dtype)(h) if self.layer_norm else h)
        return h


class Convolutional(nn.Module):
    """Images [B, H, W, C] -> features [B, H / 2^stages, W / 2^stages, widest]: DCGAN's strided convolutions, any side.

    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
      Networks. ICLR 2016, section 3.
    """

    features: int = 32  # of the first map; doubled at every halving of the side
    stages: int = 3  # halvings
    normalization: Literal["spectral", "none"] = "none"
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Halves the side `stages` times."""
        step = 2**self.stages
        check_strides(f"Convolutional(stages={self.stages})", x, step, least=step)
        for stage in range(self.stages):
            conv = StridedConv(self.features * 2**stage, dtype=self.dtype)
            x = SpectralNorm(conv)(x, train) if self.normalization == "spectral" else conv(x)
            x = nn.leaky_relu(x, 0.2)
        return x


class Logit(nn.Module):
    """Features [B, F] -> logits [B], real or fake."""

    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """Scores every example."""
        return project(h, None, 0, self.dtype)


class Projection(nn.Module):
    """Features [B, F] and labels or vectors y -> logits [B], real or fake given the condition."""

    classes: int  # number of labels, or entries of a vector y
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, h: Array, y: Array) -> Array:
        """Scores every example with its condition."""
        return project(h, y, self.classes, self.dtype)


class Classes(nn.Module):
    """Features [B, F] -> class logits [B, classes]: the auxiliary or the semi-supervised classifier."""

    classes: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """Scores every class of every example."""
        return nn.Dense(self.classes, dtype=self.dtype)(h).astype(jnp.float32)


class Contrastive(nn.Module):
    """Features [B, F] and labels y [B] -> `Contrast`: directions of the examples and of their classes.

    References:
      Kang, Park. ContraGAN: Contrastive Learning for Conditional Image Generation. NeurIPS 2020, section 3.
    """

    classes: int
    width: int = 128  # E
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, h: Array, y: Array) -> Contrast:
        """Projects both onto the unit sphere."""
        own = nn.Dense(self.width, dtype=self.dtype)(h)
        proxy = Embedding(self.classes, self.width, name="proxies")(y)
        return Contrast(_unit(own), _unit(proxy))


class Codes(nn.Module):
    """Features [B, F] -> `CodePosterior` by one hidden layer: InfoGAN's Q on the discriminator's features.

    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, section 6 and appendix C.
    """

    categorical: Sequence[int] = (10,)  # number of values of each categorical code
    continuous: int = 0  # number of continuous codes
    hidden: int = 128
    fixed_std: bool = False  # of the continuous codes: 1, as in the authors' code, which bounds what they can gain
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, h: Array) -> CodePosterior:
        """Reads every code."""
        h = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype)(h), 0.1)
        logits = tuple(nn.Dense(k, dtype=self.dtype)(h).astype(jnp.float32) for k in self.categorical)
        mean = nn.Dense(self.continuous, dtype=self.dtype)(h) if self.continuous else h[:, :0]
        learned = self.continuous and not self.fixed_std
        width = nn.Dense(self.continuous, dtype=self.dtype)(h) if learned else jnp.zeros_like(mean)
        return CodePosterior(logits, mean.astype(jnp.float32), width.astype(jnp.float32))


def _unit(x: Array) -> Array:
    """Normalises vectors [..., D]; one of norm 0, which has no direction, stays, and its gradient is not divided."""
    x = x.astype(jnp.float32)
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.where(squares > 1e-12, squares + 1e-12, 1.0))


def _takes_labels(head: nn.Module) -> bool:
    return "y" in inspect.signature(type(head).__call__).parameters
