"""Layers that GANs need and Flax lacks, or has in a form that is slow here; images are [B, H, W, C].

convolutions   strided and transposed, with fast derivatives of every order
normalization  spectral normalisation of weights, conditional batch normalisation
batch          minibatch standard deviation; dropout by global draws
calling        networks that call networks
"""

from jaxgan.networks.layers.batch import Dropout, global_draw, minibatch_stddev
from jaxgan.networks.layers.calling import Initializer, call
from jaxgan.networks.layers.convolutions import (
    ConvTranspose,
    StridedConv,
    conv_transpose,
    kernel_gradient,
    strided_conv,
)
from jaxgan.networks.layers.normalization import ConditionalBatchNorm, SpectralNorm

__all__ = [
    "ConditionalBatchNorm",
    "ConvTranspose",
    "Dropout",
    "Initializer",
    "SpectralNorm",
    "StridedConv",
    "call",
    "conv_transpose",
    "global_draw",
    "kernel_gradient",
    "minibatch_stddev",
    "strided_conv",
]
