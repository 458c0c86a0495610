"""Layers that GANs need and Flax lacks, or has in a form that is slow here; images are [B, H, W, C].

convolutions   plain, strided and transposed, with fast derivatives of every order
volumes        convolutions of voxels, halving and doubling
resampling     upfirdn: filters that enlarge and reduce; channels laid out as pixels
resampled      convolutions with such a filter before or after
signals        convolutions of signals [B, L, C]; phase shuffle
blocked        convolutions with strides and dilations of either axis
spectra        short-time Fourier transform, mel spectrogram
embedding      labels, or vectors that condition, as features
equalized      layers with equalised learning rates; pixel and adaptive instance normalisation
modulated      convolutions whose weights a style scales; noise
normalization  spectral normalisation of weights, batch normalisation, plain and conditional
attention      self-attention with a gate that starts closed
pyramid        Laplacian pyramids
batch          minibatch standard deviation; dropout by global draws
calling        networks that call networks
"""

from jaxgan.networks.layers.attention import SelfAttention
from jaxgan.networks.layers.batch import Dropout, global_draw, minibatch_stddev
from jaxgan.networks.layers.blocked import BlockedConv, blocked_conv
from jaxgan.networks.layers.calling import call
from jaxgan.networks.layers.convolutions import (
    ConvTranspose,
    StridedConv,
    conv,
    conv_kernel_gradient,
    conv_transpose,
    kernel_gradient,
    same,
    strided_conv,
)
from jaxgan.networks.layers.embedding import Embedding, as_vectors, inner
from jaxgan.networks.layers.equalized import (
    EqualizedConv,
    EqualizedDense,
    adaptive_instance_norm,
    pixel_norm,
    scaled_leaky_relu,
)
from jaxgan.networks.layers.modulated import ModulatedConv, Noise, modulated_conv
from jaxgan.networks.layers.normalization import BatchNorm, ConditionalBatchNorm, SpectralNorm, spectral_norms
from jaxgan.networks.layers.pyramid import laplacian_pyramid, reconstruct
from jaxgan.networks.layers.resampled import Conv, resampled_conv
from jaxgan.networks.layers.resampling import downsample, fir, pixel_shuffle, pixel_unshuffle, upfirdn, upsample
from jaxgan.networks.layers.signals import (
    SignalConv,
    SignalConvTranspose,
    conv_transpose_1d,
    phase_shuffle,
    strided_conv_1d,
)
from jaxgan.networks.layers.spectra import hann, mel_filters, mel_levels, mel_spectrogram, stft
from jaxgan.networks.layers.volumes import DoublingConv, HalvingConv

__all__ = [
    "BatchNorm",
    "BlockedConv",
    "ConditionalBatchNorm",
    "Conv",
    "ConvTranspose",
    "DoublingConv",
    "Dropout",
    "Embedding",
    "EqualizedConv",
    "EqualizedDense",
    "HalvingConv",
    "ModulatedConv",
    "Noise",
    "SelfAttention",
    "SignalConv",
    "SignalConvTranspose",
    "SpectralNorm",
    "StridedConv",
    "adaptive_instance_norm",
    "as_vectors",
    "blocked_conv",
    "call",
    "conv",
    "conv_kernel_gradient",
    "conv_transpose",
    "conv_transpose_1d",
    "downsample",
    "fir",
    "global_draw",
    "hann",
    "inner",
    "kernel_gradient",
    "laplacian_pyramid",
    "mel_filters",
    "mel_levels",
    "mel_spectrogram",
    "minibatch_stddev",
    "modulated_conv",
    "phase_shuffle",
    "pixel_norm",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reconstruct",
    "resampled_conv",
    "same",
    "scaled_leaky_relu",
    "spectral_norms",
    "stft",
    "strided_conv",
    "strided_conv_1d",
    "upfirdn",
    "upsample",
]
