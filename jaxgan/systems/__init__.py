"""Systems: one function for each named GAN, from networks' names and a few pure functions to its players."""

from jaxgan.systems.adagan import adagan_weights
from jaxgan.systems.captions import gan_cls_int, gawwn
from jaxgan.systems.classes import acgan, contragan, reacgan
from jaxgan.systems.few_labels import semi_supervised
from jaxgan.systems.gan import gan, latent_optimization
from jaxgan.systems.information import infogan
from jaxgan.systems.mixtures import MixtureWeights, mixture, several_discriminators
from jaxgan.systems.progressive import fade_real, fading, grown
from jaxgan.systems.pyramids import lapgan
from jaxgan.systems.stacked import stackgan
from jaxgan.systems.stylegan import stylegan2
from jaxgan.systems.terms import regularized, zcr
from jaxgan.systems.unet import unet_gan

__all__ = [
    "MixtureWeights",
    "acgan",
    "adagan_weights",
    "contragan",
    "fade_real",
    "fading",
    "gan",
    "gan_cls_int",
    "gawwn",
    "grown",
    "infogan",
    "lapgan",
    "latent_optimization",
    "mixture",
    "reacgan",
    "regularized",
    "semi_supervised",
    "several_discriminators",
    "stackgan",
    "stylegan2",
    "unet_gan",
    "zcr",
]
