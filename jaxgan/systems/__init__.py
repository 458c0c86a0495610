"""Systems: one function for each named GAN, from networks' names and a few pure functions to its players."""

from jaxgan.systems.adagan import adagan_weights
from jaxgan.systems.gan import gan, latent_optimization
from jaxgan.systems.mixtures import MixtureWeights, mixture, several_discriminators

__all__ = ["MixtureWeights", "adagan_weights", "gan", "latent_optimization", "mixture", "several_discriminators"]
