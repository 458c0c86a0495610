"""Objectives of the players: one `Loss` per paper, two equations each, and both players minimise.

Logits are the discriminator's outputs before any sigmoid, `[B]` or a map `[B, h, w]`; every value is a mean over all
of them, in float32 at least. A discriminator's loss is the mean over real plus the mean over fake samples, without a
factor 1/2 unless its paper has one. Logits of different shapes would broadcast to `[B, B]`, so they are refused. What
is not a pair of functions of logits is a plain function, and says what shapes it takes.

adversarial   minimax, non_saturating, least_squares, hinge, margin, wasserstein, softmax
relativistic  relativistic pairing and averages
divergences   the f-GAN family from one table; b-GAN's density ratios
energy        EBGAN with its pulling-away term; BEGAN with its balance (`Equilibrium` keeps it)
classes       auxiliary classifier, multi-class hinge, (K+1)-class semi-supervised
contrastive   conditional contrastive (2C) and data-to-data (D2D-CE) terms
features      feature matching; distances in the layers of a given network
adaptive      the weight of an adversarial term by gradients
features      feature matching, of statistics and layer by layer; distances in the layers of a given network
spectra       distances of sounds in mel spectrograms and short-time spectra
balancer      shares of the gradient for several losses of one output
directions    misalignment of normals
denoising     denoising score matching; distribution matching and score identity of two denoisers
information   InfoGAN's bound, for categorical and Gaussian codes
reconstruction mean absolute and squared errors, gradient difference, self-regularisation, negative log-likelihoods
text          policy gradients, likelihood of tokens
control       imitation rewards, advantages, densities of normal actions
smoothness    total variation
selection     top-k training
smoothing     wrappers of logistic losses: smoothed and flipped labels
pairs         what they share
"""

from jaxgan.losses.adaptive import adaptive_weight
from jaxgan.losses.adversarial import (
    hard_threshold,
    hinge,
    least_squares,
    least_squares_targets,
    margin,
    minimax,
    non_saturating,
    softmax,
    wasserstein,
)
from jaxgan.losses.balancer import Balancer, balanced
from jaxgan.losses.classes import auxiliary_classifier, multiclass_hinge, real_evidence, semi_supervised
from jaxgan.losses.contrastive import conditional_contrastive, data_to_data
from jaxgan.losses.control import (
    generalized_advantages,
    imitation_rewards,
    normal_entropy,
    normal_log_density,
    style_rewards,
)
from jaxgan.losses.denoising import denoising, distribution_matching, score_identity
from jaxgan.losses.directions import misalignment
from jaxgan.losses.divergences import density_ratio, f_divergence
from jaxgan.losses.energy import Equilibrium, balance, boundary_equilibrium, energy_based, pulling_away
from jaxgan.losses.features import content, feature_matching, layerwise_matching
from jaxgan.losses.information import categorical_information, gaussian_information
from jaxgan.losses.reconstruction import (
    absolute_error,
    bernoulli,
    gradient_difference,
    self_regularization,
    squared_error,
    unit_gaussian,
)
from jaxgan.losses.relativistic import (
    relativistic,
    relativistic_average,
    relativistic_average_hinge,
    relativistic_average_least_squares,
)
from jaxgan.losses.selection import top_k
from jaxgan.losses.smoothing import flipped, smoothed
from jaxgan.losses.smoothness import total_variation
from jaxgan.losses.spectra import mel_distance, spectral_distance
from jaxgan.losses.text import baseline_error, discounted_returns, policy_gradient, token_log_probabilities

__all__ = [
    "Balancer",
    "Equilibrium",
    "absolute_error",
    "adaptive_weight",
    "auxiliary_classifier",
    "balance",
    "balanced",
    "baseline_error",
    "bernoulli",
    "boundary_equilibrium",
    "categorical_information",
    "conditional_contrastive",
    "content",
    "data_to_data",
    "denoising",
    "density_ratio",
    "discounted_returns",
    "distribution_matching",
    "energy_based",
    "f_divergence",
    "feature_matching",
    "flipped",
    "gaussian_information",
    "generalized_advantages",
    "gradient_difference",
    "hard_threshold",
    "hinge",
    "imitation_rewards",
    "layerwise_matching",
    "least_squares",
    "least_squares_targets",
    "margin",
    "mel_distance",
    "minimax",
    "misalignment",
    "multiclass_hinge",
    "non_saturating",
    "normal_entropy",
    "normal_log_density",
    "policy_gradient",
    "pulling_away",
    "real_evidence",
    "relativistic",
    "relativistic_average",
    "relativistic_average_hinge",
    "relativistic_average_least_squares",
    "score_identity",
    "self_regularization",
    "semi_supervised",
    "smoothed",
    "softmax",
    "spectral_distance",
    "squared_error",
    "style_rewards",
    "token_log_probabilities",
    "top_k",
    "total_variation",
    "unit_gaussian",
    "wasserstein",
]
