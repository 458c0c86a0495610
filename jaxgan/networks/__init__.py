"""Networks: one file for each family, all of them Linen modules called `net(inputs, *conditions, train=...)`.

`layers` is what they are made of, `inputs` what they refuse, and `conditioning` how any of them is told anything.
"""

from jaxgan.networks import (
    biggan,
    conditioning,
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
    "conditioning",
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
