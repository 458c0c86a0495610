"""What can be done with a trained generator and its discriminator, without training either.

All of them take plain functions: `generate` z -> x, and `log_ratio` x -> log p_data(x) / p_G(x), which a discriminator
trained by a logistic loss estimates by its logits; `trained` makes such functions of a game's networks.

views        a trained network as a pure function; logits calibrated on held-out data
rejection    discriminator rejection sampling
metropolis   the Metropolis-Hastings GAN
langevin     discriminator-driven Langevin sampling of latents
directions   SeFa: what a generator's first layer listens to most
projection   the latent that makes a given image
styles       images whose layers follow two latents
"""

from jaxgan.samplers.directions import Directions, semantic_directions
from jaxgan.samplers.langevin import Walk, langevin
from jaxgan.samplers.metropolis import Chains, metropolis_hastings
from jaxgan.samplers.projection import Projection, project, squared_error
from jaxgan.samplers.rejection import Accepted, acceptance, rejection
from jaxgan.samplers.styles import cross_styles
from jaxgan.samplers.views import Calibration, calibrate, trained

__all__ = [
    "Accepted",
    "Calibration",
    "Chains",
    "Directions",
    "Projection",
    "Walk",
    "acceptance",
    "calibrate",
    "cross_styles",
    "langevin",
    "metropolis_hastings",
    "project",
    "rejection",
    "semantic_directions",
    "squared_error",
    "trained",
]
