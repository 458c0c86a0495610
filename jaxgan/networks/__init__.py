"""Networks: one file for each family, all of them Linen modules called `net(inputs, *conditions, train=...)`."""

from jaxgan.networks import (
    biggan,
    dcgan,
    heads,
    laplacian,
    layers,
    mlp,
    patch,
    places,
    progressive,
    r3gan,
    remedies,
    residual,
    resnet,
    stylegan2,
    unet,
    virtual,
)

__all__ = [
    "biggan",
    "dcgan",
    "heads",
    "laplacian",
    "layers",
    "mlp",
    "patch",
    "places",
    "progressive",
    "r3gan",
    "remedies",
    "residual",
    "resnet",
    "stylegan2",
    "unet",
    "virtual",
]
