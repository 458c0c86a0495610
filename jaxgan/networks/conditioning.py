"""What a condition becomes before a network sees it.

Networks of this library that have `classes` take labels y [B] int32, or vectors y [B, classes] float32: attributes,
continuous codes, captions, boxes. Of several things at once `Joined` makes one vector; `Concatenated` tells a network
that has no `classes`. A network of one's own may take any pytree y.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import as_vectors, call
from jaxgan.types import PyTree, by_path

Classes = int | Mapping[str, int]  # of labels: of a lone array y, or by entry of a pytree ("digit", "hair/colour")


def joined(y: PyTree, classes: Classes = 0) -> Array:
    """One vector of each example's condition: labels one hot, other arrays flattened, side by side by their names.

    Args:
      y: labels [B] integer and arrays [B, ...] floating, one or any pytree of them.
      classes: number of values of each of the labels.
    Returns:
      [B, K] float32.
    Raises:
      ValueError: the number of some labels' values is not given, or an array is a scalar.
    """
    parts = []
    for entry, leaf in by_path(y).items():
        values = classes.get(entry, 0) if isinstance(classes, Mapping) else classes
        labels = jnp.issubdtype(leaf.dtype, jnp.integer)
        if not leaf.ndim or (labels and (leaf.ndim != 1 or not values)):
            raise ValueError(
                f"a condition is of labels [B] with a number of classes and arrays [B, ...] float32; y[{entry!r}] has "
                f"shape {leaf.shape}, dtype {leaf.dtype} and classes={values}"
            )
        parts.append(as_vectors(leaf, values) if labels else leaf.reshape(leaf.shape[0], -1).astype(jnp.float32))
    return jnp.concatenate(parts, axis=-1)


class Joined(nn.Module):
    """A conditional network of several conditions at once: y, any pytree of labels and arrays, as one vector.

    `Joined(dcgan.Generator(classes=14), {"digit": 10})` takes y = {"box": [B, 4] float32, "digit": [B] int32}; 14 are
    the entries of both, labels one hot. How the vector enters is the network's: by projection, by conditional batch
    normalisation, beside the latent.
    """

    network: nn.Module  # (x, y [B, K]) -> outputs, with `classes` = K
    classes: Classes = 0  # number of values of each of the labels in y

    @nn.compact
    def __call__(self, x: Array, y: PyTree, train: bool = True) -> Any:
        """Calls the network with the joined condition."""
        return call(self.network, x, joined(y, self.classes), train=train)


class Concatenated(nn.Module):
    """A network of one input, with y beside it: entries appended to vectors, constant planes or images to images.

    With it every network is conditional: `Concatenated(resnet.Discriminator(), 10)`,
    `Concatenated(mlp.Generator(), {"digit": 10})`; of an image y with the sides of x the channels come beside those of
    x: `Concatenated(patch.Discriminator())` judges x as an answer to y.

    References:
      Mirza, Osindero. Conditional Generative Adversarial Nets. 2014, section 3.2.
      Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, eq. 1.
    """

    network: nn.Module  # [B, ..., C] -> outputs
    classes: Classes = 0  # number of values of each of the labels in y

    @nn.compact
    def __call__(self, x: Array, y: PyTree, train: bool = True) -> Any:
        """Calls the network with x [B, ..., C] and the condition's K entries, or channels, as [B, ..., C + K]."""
        if x.ndim > 2 and getattr(y, "shape", ())[:-1] == x.shape[:-1]:
            beside = y.astype(x.dtype)
        else:
            condition = joined(y, self.classes)
            condition = condition.reshape(condition.shape[0], *(1,) * (x.ndim - 2), condition.shape[1])
            beside = jnp.broadcast_to(condition, (*x.shape[:-1], condition.shape[-1])).astype(x.dtype)
        return call(self.network, jnp.concatenate([x, beside], axis=-1), train=train)


class ConditioningAugmentation(nn.Module):
    """A caption y [B, T] and normal noise [B, C] -> (c [B, C], divergence [B]): c ~ N(mu(y), sigma(y)^2).

    mu and log sigma are one dense layer of y, and c = mu + sigma noise. The divergence, in nats, is
    KL(N(mu, sigma^2) || N(0, I)), summed over the C entries; a generator returns it beside its images, and adds that of
    its loss (`systems.stackgan`). The noise comes from outside, so that it is an example's own.

    References:
      Zhang et al. StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks.
      ICCV 2017, section "Conditioning Augmentation".
    """

    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, y: Array, noise: Array) -> tuple[Array, Array]:
        """Draws a condition for every caption."""
        if y.ndim != 2 or noise.ndim != 2 or y.shape[0] != noise.shape[0]:
            raise ValueError(
                f"ConditioningAugmentation takes captions [B, T] and noise [B, C]; got {y.shape} and {noise.shape}"
            )
        statistics = nn.Dense(2 * noise.shape[1], dtype=self.dtype)(y).astype(jnp.float32)
        mean, log_std = jnp.split(statistics, 2, axis=1)
        divergence = jnp.square(mean) + jnp.exp(2 * log_std) - 1 - 2 * log_std
        return mean + jnp.exp(log_std) * noise, 0.5 * jnp.sum(divergence, axis=1)
