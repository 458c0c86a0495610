"""Networks of several domains that share layers: a generator's first, where meaning is made, a discriminator's last.

Samples and logits are dicts by domain, so that domains may have other shapes:
`CoupledGenerator({"a": head, "b": head}, trunk)(z)` is {"a": x_a, "b": x_b}, and
`CoupledDiscriminator({"a": first, "b": first}, rest)(x)` {"a": logits [B], "b": logits [B]}. Without the shared part
they are networks of their own side by side.

References:
  Liu, Tuzel. Coupled Generative Adversarial Networks. NeurIPS 2016, section 3 and figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
from jax import Array

from jaxgan.networks.layers import call


class CoupledGenerator(nn.Module):
    """z [B, Z] -> samples by domain, heads[name](trunk(z)): one latent for all of them."""

    heads: Mapping[str, nn.Module]  # by domain: h -> samples [B, ...]
    trunk: nn.Module | None = None  # z -> h, what the heads go on with; None: h is z, and nothing is shared

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> dict[str, Array]:
        """Generates one sample of every domain per latent."""
        h = z if self.trunk is None else call(self.trunk, z, train=train)
        return {name: call(head, h, train=train) for name, head in self.heads.items()}


class CoupledDiscriminator(nn.Module):
    """x by domain -> logits by domain, rest(first[name](x[name])): no domain is compared with another.

    A shared batch normalisation normalises each domain by itself, and its running averages are of all; a shared
    spectral normalisation goes one iteration further for each domain.
    """

    first: Mapping[str, nn.Module]  # by domain: x [B, ...] -> features h, or logits where nothing is shared
    rest: nn.Module | None = None  # h -> logits [B, ...]; None: nothing is shared

    @nn.compact
    def __call__(self, x: Mapping[str, Array], train: bool = True) -> dict[str, Array]:
        """Scores the examples of every domain, before any sigmoid."""
        if sorted(x) != sorted(self.first):
            raise ValueError(f"this discriminator has first layers for {sorted(self.first)}; got x for {sorted(x)}")
        features = {name: call(first, x[name], train=train) for name, first in self.first.items()}
        return (
            features if self.rest is None else {name: call(self.rest, h, train=train) for name, h in features.items()}
        )
