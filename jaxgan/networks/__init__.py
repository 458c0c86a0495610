"""Networks: one file for each family, all of them Linen modules called `net(inputs, *conditions, train=...)`.

`layers` is what they are made of, `inputs` what they refuse, and `conditioning` how any of them takes a condition;
`pretrained` gives a network its parameters.
"""

from jaxgan.networks import (
    biggan,
    conditioning,
    context,
    coupled,
    dcgan,
    encoders,
    heads,
    joint,
    laplacian,
    layers,
    mlp,
    patch,
    places,
    progressive,
    r3gan,
    refiner,
    remedies,
    residual,
    resnet,
    stylegan2,
    superres,
    texture,
    translators,
    unet,
    virtual,
)
from jaxgan.networks.pretrained import Pretrained, pretrained

__all__ = [
    "Pretrained",
    "biggan",
    "conditioning",
    "context",
    "coupled",
    "dcgan",
    "encoders",
    "heads",
    "joint",
    "laplacian",
    "layers",
    "mlp",
    "patch",
    "places",
    "pretrained",
    "progressive",
    "r3gan",
    "refiner",
    "remedies",
    "residual",
    "resnet",
    "stylegan2",
    "superres",
    "texture",
    "translators",
    "unet",
    "virtual",
]
