"""Features of a layer or several: feature matching of statistics, and distances of pairs in a network that is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide
from jaxgan.losses.reconstruction import absolute_error, squared_error


def feature_matching(
    real_features: ArrayLike,
    fake_features: ArrayLike,
    *,
    covariances: bool = False,
    average: Callable[[Array], Array] = lambda mean: mean,
) -> Array:
    """Squared distance of mean features: ||E f(x) - E f(G(z))||^2, and of their covariances where asked for.

    The generator's loss; its discriminator keeps one of the pairs.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> real, fake = jnp.array([[0.0, 0.0], [2.0, 2.0]]), jnp.zeros((5, 2))
      >>> float(jg.losses.feature_matching(real, fake))  # of means (1, 1) and (0, 0)
      2.0

    Args:
      real_features: [B, ...], of any layer.
      fake_features: [B', ...] of the same layer; the batches may differ in size.
      covariances: adds ||Cov f(x) - Cov f(G(z))||_F^2, over features flattened to [B, F], with 1/B.
      average: makes a mean over a device's examples that over all of them: `Turn.average`, where a batch is split.
    Returns:
      [], summed over features.
    Raises:
      ValueError: the features of one example differ in shape.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.1.
      Mroueh, Sercu, Goel. McGan: Mean and Covariance Feature Matching GAN. ICML 2017 (covariances; by the nuclear
      norm, where this is Frobenius' squared).
    """
    real, fake = wide(real_features), wide(fake_features)
    if real.ndim < 2 or real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"feature_matching takes features [B, ...] of one layer; got {real.shape} and {fake.shape}")
    real, fake = real.reshape(real.shape[0], -1), fake.reshape(fake.shape[0], -1)
    means = [average(jnp.mean(x, axis=0)) for x in (real, fake)]
    distance = jnp.sum(jnp.square(means[0] - means[1]))
    if covariances:
        one, other = (average(_spread(x, mean)) for x, mean in zip((real, fake), means, strict=True))
        distance = distance + jnp.sum(jnp.square(one - other))
    return distance


def layerwise_matching(
    real_features: Any,
    fake_features: Any,
    *,
    relative: bool = False,
    average: Callable[[Array], Array] = lambda mean: mean,
) -> Array:
    """Distance of pairs in all layers of a discriminator: sum over layers of E |D_l(x) - D_l(G)|.

    Or, relative, the mean over layers of E |D_l(x) - D_l(G)| / E |D_l(x)|, which does not change where a layer's
    features are multiplied by a number, so that a discriminator cannot make it small by shrinking them.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> real, fake = [jnp.full((2, 3), 4.0), jnp.full((2, 5), 8.0)], [jnp.full((2, 3), 3.0), jnp.full((2, 5), 4.0)]
      >>> distance = lambda **how: round(float(jg.losses.layerwise_matching(real, fake, **how)), 3)
      >>> distance(), distance(relative=True)
      (5.0, 0.375)

    Args:
      real_features: [B, ...] by layer, in any pytree: of several discriminators all layers count.
      fake_features: the same of what is made.
      relative: as above.
      average: makes a mean over a device's examples that over all of them: `Turn.average`, where a batch is split.
    Returns:
      [].
    Raises:
      ValueError: there are no layers, or features of other shapes.
    References:
      Kong, Kim, Bae. HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis.
      NeurIPS 2020, eq. 6.
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, eq. 2 (relative).
    """
    real, fake = jax.tree.leaves(real_features), jax.tree.leaves(fake_features)
    if not real or [jnp.shape(f) for f in real] != [jnp.shape(f) for f in fake]:
        raise ValueError(f"layerwise_matching takes features of the same layers; got {len(real)} and {len(fake)}")
    apart = [absolute_error(one, other) for one, other in zip(real, fake, strict=True)]
    if not relative:
        return jnp.sum(jnp.stack(apart))
    sizes = [average(jnp.mean(jnp.abs(wide(f)))) for f in real]
    return jnp.mean(jnp.stack([one / (size + 1e-12) for one, size in zip(apart, sizes, strict=True)]))


Distance = Literal["squared", "absolute"]


def content(
    real_features: Any, fake_features: Any, weights: float | Mapping[str, float] = 1.0, distance: Distance = "squared"
) -> Array:
    """Distance of pairs in the layers of a network: sum over layers of weight * E |f(x) - f(G)|^p, p = 2 or 1.

    SRGAN has one layer and p = 2, Real-ESRGAN five and p = 1.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> one, other = {"early": jnp.zeros((2, 3)), "late": jnp.ones((2, 4))}, {"early": jnp.ones((2, 3))}
      >>> float(jg.losses.content(one, other | {"late": jnp.full((2, 4), 3.0)}, {"early": 1.0, "late": 0.25}))
      2.0

    Args:
      real_features: [B, ...], or such by layer.
      fake_features: the same of what is made.
      weights: of the one layer, or by layer; layers without a weight do not count.
      distance: "squared" or "absolute".
    Returns:
      [], means over examples and features, summed over layers.
    Raises:
      ValueError: an unknown distance, layers that are missing, or features of other shapes.
    References:
      Ledig et al. Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network. CVPR 2017,
      eq. 5.
    """
    if distance not in get_args(Distance):
        raise ValueError(f"distance={distance!r} is unknown; choose one of {get_args(Distance)}")
    named = weights if isinstance(weights, Mapping) else {"": weights}
    real, fake = (f if isinstance(weights, Mapping) else {"": f} for f in (real_features, fake_features))
    if not isinstance(real, Mapping) or set(named) - set(real) or isinstance(real.get(""), Mapping):
        have = sorted(real_features) if isinstance(real_features, Mapping) else "one array"
        raise ValueError(f"content weighs layers by name where features have names; got weights {weights} of {have}")
    total, error = jnp.zeros((), jnp.float32), squared_error if distance == "squared" else absolute_error
    for layer, weight in named.items():
        total = total + weight * error(real[layer], fake[layer])
    return total


def _spread(x: Array, mean: Array) -> Array:
    """Returns the mean of outer products around a mean, [F, F]."""
    centred = x - mean[None]
    return centred.T @ centred / x.shape[0]
