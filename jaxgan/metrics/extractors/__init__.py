"""Feature networks: images to the vectors that Fréchet distances and their kin are computed on.

extractor     what a feature network is, and four of them
extract       the loop that applies one to any number of images, on all devices
inception_v3  InceptionV3 in its FID variant; the user brings the weights
efficientnet  EfficientNet-Lite0, whose ImageNet weights ship in an optional package
resize        the two resizers that published figures are made with
weights       weight files: .pth (nothing in it is run), .npz, .safetensors; hashes; conversion
pth           state dicts of a .pth, without PyTorch
pickles       the machine that says what is in a pickle, and runs nothing of it
"""

from jaxgan.metrics.extractors.extract import extract
from jaxgan.metrics.extractors.extractor import (
    Extractor,
    digits_classifier,
    efficientnet_lite0,
    function,
    inception,
)
from jaxgan.metrics.extractors.resize import pil_bicubic, tf1_bilinear
from jaxgan.metrics.extractors.weights import Conversion, Weights, convert

__all__ = [
    "Conversion",
    "Extractor",
    "Weights",
    "convert",
    "digits_classifier",
    "efficientnet_lite0",
    "extract",
    "function",
    "inception",
    "pil_bicubic",
    "tf1_bilinear",
]
