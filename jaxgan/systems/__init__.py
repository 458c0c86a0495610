"""Systems: one function for each named GAN, from networks' names and a few pure functions to its players."""

from jaxgan.systems.gan import gan, latent_optimization

__all__ = ["gan", "latent_optimization"]
