"""EfficientNet-Lite0: an image classifier that is cheap enough to look through in every step of a game.

Its ImageNet weights ship in an optional package, which `metrics.extractors.efficientnet.variables` reads.

References:
  Tan, Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

# channels, kernel, stride of the first, how often; all but the first expand their channels by six
STAGES = ((16, 3, 1, 1), (24, 3, 2, 2), (40, 5, 2, 2), (80, 3, 2, 3), (112, 5, 1, 3), (192, 5, 2, 4), (320, 3, 1, 1))
MAPS = (1, 2, 4, 6)  # the last stages before the four maps of features: 24, 40, 112 and 320 channels


class Depthwise(nn.Module):
    """A convolution of each channel by itself, as a sum over the kernel's places; TensorFlow's SAME padding.

    On a CPU it takes a fifth to a seventh of the time of the compiler's own grouped convolution, and of its gradients.
    """

    size: int  # of the kernel's sides
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, ceil(H / stride), ceil(W / stride), C] of x [B, H, W, C]."""
        channels = x.shape[-1]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (self.size, self.size, 1, channels), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (channels,), jnp.float32)
        sides = [-(-side // self.stride) for side in x.shape[1:3]]
        spans = [(side - 1) * self.stride + 1 for side in sides]
        more = [max(span - 1 + self.size - side, 0) for span, side in zip(spans, x.shape[1:3], strict=True)]
        x = jnp.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in more), (0, 0)))
        total = jnp.broadcast_to(bias, (x.shape[0], *sides, channels))
        for row in range(self.size):
            for column in range(self.size):
                moved = x[:, row : row + spans[0] : self.stride, column : column + spans[1] : self.stride]
                total = total + moved * kernel[row, column][None, None]
        return total


class Convolution(nn.Module):
    """Convolution with its batch normalisation folded in; TensorFlow's SAME padding."""

    features: int
    size: int = 1
    stride: int = 1
    groups: int = 1  # 1, or as many as there are channels

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns [B, ceil(H / stride), ceil(W / stride), features] of x [B, H, W, C]."""
        if self.groups > 1:
            return Depthwise(self.size, self.stride, name="conv")(x)
        sides = (self.size, self.size)
        return nn.Conv(self.features, sides, self.stride, precision=jax.lax.Precision.HIGHEST, name="conv")(x)


class EfficientNetLite0(nn.Module):
    """The Lite0 variant: inverted residuals with ReLU6, no squeeze-and-excitation."""

    @nn.compact
    def __call__(self, x: Array) -> dict[str, Any]:
        """Returns what is read of images.

        Args:
          x: [B, H, W, 3], pixels as (value - 127) / 128; trained at 224 x 224.
        Returns:
          "features" [B, 1280], means over space; "logits" [B, 1000] of the ImageNet-1k classes in their usual order;
          "maps", four maps of features [B, H / 4, W / 4, 24], [B, H / 8, ..., 40], [B, H / 16, ..., 112] and
          [B, H / 32, ..., 320], of sides rounded up.
        """
        x = nn.relu6(Convolution(32, 3, 2, name="_conv_stem")(x))
        number, maps = 0, []
        for stage, (channels, size, first_stride, repeats) in enumerate(STAGES):
            for repeat in range(repeats):
                before, stride = x, first_stride if repeat == 0 else 1
                block = f"_blocks_{number}"
                if number:
                    x = nn.relu6(Convolution(6 * x.shape[-1], name=f"{block}_expand_conv")(x))
                depthwise = Convolution(x.shape[-1], size, stride, x.shape[-1], name=f"{block}_depthwise_conv")
                x = Convolution(channels, name=f"{block}_project_conv")(nn.relu6(depthwise(x)))
                x = x + before if repeat else x
                number += 1
            maps += [x] if stage in MAPS else []
        features = nn.relu6(Convolution(1280, name="_conv_head")(x)).mean((1, 2))
        logits = nn.Dense(1000, precision=jax.lax.Precision.HIGHEST, name="fc")(features)
        return {"features": features, "logits": logits, "maps": maps}
