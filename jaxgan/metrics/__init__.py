"""How good are the samples? Pure functions of features, images or generators, and what they are computed on.

On features [N, F] of real data and of samples, on the host in float64 unless an accelerator is there:
  frechet            Fréchet distance (FID, on Inception features), streamed, extrapolated, by class, spatial
  moments            streamed means and covariances, which merge exactly
  kernel             KID, with its standard error
  precision_recall   share of samples that look real, share of real data that is generated
  density_coverage   the same by counts, robust against outliers
  prd                precision and recall as a curve over distributions
  two_sample         is a classifier able to tell them apart?
  ndb                bins in which samples are too many or too few
  birthday           how soon samples repeat: the size of the support
  memorization       nearest training examples, copies, authenticity
On class probabilities, images, generators:
  inception_score    sharp and varied predictions
  sliced             sliced Wasserstein distance, also on Laplacian pyramids of images
  ms_ssim            structural similarity; diversity
  perceptual         distance of feature maps; path_length: of neighbouring latents
  gilbo              information between latent and image, in nats
  train_test         classifiers trained on samples, tested on data, and the reverse
  modes              modes covered, where they are known
  translation        outputs of a translator beside the truth: PSNR, sharpness, the law of patches
  control            returns in a task, normalised by an expert's; occupancies of tables
  variation          do samples vary at all? what a constant image cannot pass
How it is reported:
  protocol           a figure and all that it depends on; other protocols are not compared
  bootstrap          an interval beside any figure
  standing           batch statistics of a generator, estimated anew
  classifier         the judge of the digits: a small CNN that the project trains itself
  extractors         Inception, EfficientNet-Lite0, any function: images to features
  neighbours         exact neighbour searches in blocks, which several metrics share
"""

from jaxgan.metrics import extractors
from jaxgan.metrics.birthday import (
    Birthday,
    ClosestPairs,
    birthday,
    closest_pairs,
    collision_rate,
    support_estimate,
)
from jaxgan.metrics.bootstrap import SHARE, Interval, Range, bootstrap
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
from jaxgan.metrics.control import normalized_return, occupancy, returns
from jaxgan.metrics.density_coverage import DensityCoverage, density_coverage
from jaxgan.metrics.frechet import (
    ClassFID,
    FIDInfinity,
    class_fid,
    fid,
    fid_infinity,
    fid_of_moments,
    frechet_distance,
    spatial_fid,
)
from jaxgan.metrics.gilbo import EncoderTraining, Gilbo, gilbo
from jaxgan.metrics.inception_score import InceptionScore, inception_score
from jaxgan.metrics.kernel import KID, kid, kid_blocks, kid_subsets
from jaxgan.metrics.memorization import (
    Copies,
    Neighbours,
    authenticity,
    copies,
    nearest_training,
    neighbour_rows,
)
from jaxgan.metrics.modes import LabelCoverage, ModeCoverage, label_coverage, mode_coverage, stacked_labels
from jaxgan.metrics.moments import Moments, add, covariance, merge, moments_of, no_moments
from jaxgan.metrics.ms_ssim import Diversity, diversity, ms_ssim, ssim
from jaxgan.metrics.ndb import NDB, Bins, fit_bins, ndb
from jaxgan.metrics.path_length import LatentPath, PathLength, path_length
from jaxgan.metrics.perceptual import perceptual_distance
from jaxgan.metrics.prd import PRD, prd, prd_of_histograms
from jaxgan.metrics.precision_recall import PrecisionRecall, precision_recall
from jaxgan.metrics.protocol import Difference, Figure, Protocol, compare, described, rank
from jaxgan.metrics.sliced import LaplacianSWD, SlicedWasserstein, laplacian_swd, sliced_wasserstein
from jaxgan.metrics.standing import standing_statistics
from jaxgan.metrics.train_test import GanTrainTest, gan_train_test
from jaxgan.metrics.translation import gradient_energy_ratio, patch_distance, psnr
from jaxgan.metrics.two_sample import (
    NeighbourAccuracy,
    TwoSample,
    classifier_two_sample_test,
    nearest_neighbour_accuracy,
)
from jaxgan.metrics.variation import variation

__all__ = [
    "KID",
    "NDB",
    "PRD",
    "SHARE",
    "Bins",
    "Birthday",
    "ClassFID",
    "Classifier",
    "ClosestPairs",
    "Copies",
    "DensityCoverage",
    "Difference",
    "Diversity",
    "EncoderTraining",
    "FIDInfinity",
    "Figure",
    "GanTrainTest",
    "Gilbo",
    "InceptionScore",
    "Interval",
    "LabelCoverage",
    "LaplacianSWD",
    "LatentPath",
    "ModeCoverage",
    "Moments",
    "NeighbourAccuracy",
    "Neighbours",
    "PathLength",
    "PrecisionRecall",
    "Protocol",
    "Range",
    "SlicedWasserstein",
    "TwoSample",
    "accuracy",
    "add",
    "authenticity",
    "birthday",
    "bootstrap",
    "class_fid",
    "classifier_two_sample_test",
    "closest_pairs",
    "collision_rate",
    "compare",
    "copies",
    "covariance",
    "density_coverage",
    "described",
    "diversity",
    "extractors",
    "features",
    "fid",
    "fid_infinity",
    "fid_of_moments",
    "fit_bins",
    "frechet_distance",
    "gan_train_test",
    "gilbo",
    "gradient_energy_ratio",
    "inception_score",
    "kid",
    "kid_blocks",
    "kid_subsets",
    "label_coverage",
    "label_histogram",
    "laplacian_swd",
    "load_classifier",
    "merge",
    "mode_coverage",
    "moments_of",
    "ms_ssim",
    "ndb",
    "nearest_neighbour_accuracy",
    "nearest_training",
    "neighbour_rows",
    "no_moments",
    "normalized_return",
    "occupancy",
    "patch_distance",
    "path_length",
    "perceptual_distance",
    "prd",
    "prd_of_histograms",
    "precision_recall",
    "probabilities",
    "psnr",
    "rank",
    "returns",
    "save_classifier",
    "sliced_wasserstein",
    "spatial_fid",
    "ssim",
    "stacked_labels",
    "standing_statistics",
    "support_estimate",
    "train_classifier",
    "variation",
]
