"""How good are the samples? Pure functions on features, on the host in float64.

frechet           Fréchet distance of two Gaussians, and of two sets of features (FID, on Inception features)
precision_recall  share of samples that look real, share of real data that is generated
modes             modes covered, for mixtures whose modes are known
classifier        the judge of the digits: a small CNN that the project trains itself; features and class probabilities
check             what all of them check first
"""

from jaxgan.metrics.classifier import (
    Classifier,
    accuracy,
    features,
    label_histogram,
    load_classifier,
    probabilities,
    save_classifier,
    train_classifier,
)
from jaxgan.metrics.frechet import fid, frechet_distance
from jaxgan.metrics.modes import ModeCoverage, mode_coverage
from jaxgan.metrics.precision_recall import PrecisionRecall, precision_recall

__all__ = [
    "Classifier",
    "ModeCoverage",
    "PrecisionRecall",
    "accuracy",
    "features",
    "fid",
    "frechet_distance",
    "label_histogram",
    "load_classifier",
    "mode_coverage",
    "precision_recall",
    "probabilities",
    "save_classifier",
    "train_classifier",
]
