"""Penalties on the critic: functions (critic, real, fake, turn) -> scalar that are added to a discriminator's loss.

The critic is a pure view x [B, ...] -> logits, already conditioned on labels (`jaxgan.frozen` makes one). Any weight is
a number, or an `optax` schedule of the turn's step.

gradients   gradient_penalty, zero_centred, dragan, r1, r2, jensen_shannon: of the critic's slope
outputs     drift, consistency, balanced_consistency, approximate_r1, approximate_r2: of what it says
weights     total, every; packed (of packs); after_augmentation (where it is taken); `weight_at` for terms that players
            weigh by themselves

Such terms, which know nothing of a critic, are plain functions; what one remembers is its argument and its result:

outputs     latent_consistency, latent_diversity (zCR)
lecam       lecam, lecam_update, LeCamState; LeCam, the network that keeps it all in the train state
generators  path_length, path_lengths, mode_seeking
parameters  orthogonal, orthogonal_off_diagonal, spectral
"""

from jaxgan.penalties.generators import mode_seeking, path_length, path_lengths
from jaxgan.penalties.gradients import dragan, gradient_penalty, jensen_shannon, r1, r2, zero_centred
from jaxgan.penalties.lecam import LeCam, LeCamState, lecam, lecam_update
from jaxgan.penalties.outputs import (
    approximate_r1,
    approximate_r2,
    balanced_consistency,
    consistency,
    drift,
    latent_consistency,
    latent_diversity,
)
from jaxgan.penalties.parameters import orthogonal, orthogonal_off_diagonal, spectral
from jaxgan.penalties.weights import AfterAugmentation, after_augmentation, every, packed, total, weight_at

__all__ = [
    "AfterAugmentation",
    "LeCam",
    "LeCamState",
    "after_augmentation",
    "approximate_r1",
    "approximate_r2",
    "balanced_consistency",
    "consistency",
    "dragan",
    "drift",
    "every",
    "gradient_penalty",
    "jensen_shannon",
    "latent_consistency",
    "latent_diversity",
    "lecam",
    "lecam_update",
    "mode_seeking",
    "orthogonal",
    "orthogonal_off_diagonal",
    "packed",
    "path_length",
    "path_lengths",
    "r1",
    "r2",
    "spectral",
    "total",
    "weight_at",
    "zero_centred",
]
