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
  tables             margins, pairs and correlations of columns; what is learned from rows
  text               sequences: validity, n-grams, likelihoods, quality against diversity
  translation        outputs of a translator beside the truth: PSNR, sharpness, the law of patches
  sound              pitch, harmonics against noise, bands of energy
  vibration          impulses: kurtosis, and how often they come
  solids             volumes of voxels: connected, of the right sizes, not copied
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
from jaxgan.metrics.solids import Connected, connected, nearest_solid, occupied, volume_distance
from jaxgan.metrics.sound import Pitch, band_energies, cents_off, histogram_distance, pitch, spectrogram
from jaxgan.metrics.standing import standing_statistics
from jaxgan.metrics.tables import (
    correlation_error,
    held_out_score,
    marginal_variations,
    pair_variations,
)
from jaxgan.metrics.text import NGrams, Point, Validity, fit_ngrams, ngram_divergence, quality_at, validity
from jaxgan.metrics.train_test import GanTrainTest, gan_train_test
from jaxgan.metrics.translation import gradient_energy_ratio, patch_distance, psnr
from jaxgan.metrics.two_sample import (
    NeighbourAccuracy,
    TwoSample,
    classifier_two_sample_test,
    nearest_neighbour_accuracy,
)
from jaxgan.metrics.variation import variation
from jaxgan.metrics.vibration import envelope_peak, envelope_spectrum, kurtosis

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
    "Connected",
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
    "NGrams",
    "NeighbourAccuracy",
    "Neighbours",
    "PathLength",
    "Pitch",
    "Point",
    "PrecisionRecall",
    "Protocol",
    "Range",
    "SlicedWasserstein",
    "TwoSample",
    "Validity",
    "accuracy",
    "add",
    "authenticity",
    "band_energies",
    "birthday",
    "bootstrap",
    "cents_off",
    "class_fid",
    "classifier_two_sample_test",
    "closest_pairs",
    "collision_rate",
    "compare",
    "connected",
    "copies",
    "correlation_error",
    "covariance",
    "density_coverage",
    "described",
    "diversity",
    "envelope_peak",
    "envelope_spectrum",
    "extractors",
    "features",
    "fid",
    "fid_infinity",
    "fid_of_moments",
    "fit_bins",
    "fit_ngrams",
    "frechet_distance",
    "gan_train_test",
    "gilbo",
    "gradient_energy_ratio",
    "held_out_score",
    "histogram_distance",
    "inception_score",
    "kid",
    "kid_blocks",
    "kid_subsets",
    "kurtosis",
    "label_coverage",
    "label_histogram",
    "laplacian_swd",
    "load_classifier",
    "marginal_variations",
    "merge",
    "mode_coverage",
    "moments_of",
    "ms_ssim",
    "ndb",
    "nearest_neighbour_accuracy",
    "nearest_solid",
    "nearest_training",
    "neighbour_rows",
    "ngram_divergence",
    "no_moments",
    "normalized_return",
    "occupancy",
    "occupied",
    "pair_variations",
    "patch_distance",
    "path_length",
    "perceptual_distance",
    "pitch",
    "prd",
    "prd_of_histograms",
    "precision_recall",
    "probabilities",
    "psnr",
    "quality_at",
    "rank",
    "returns",
    "save_classifier",
    "sliced_wasserstein",
    "spatial_fid",
    "spectrogram",
    "ssim",
    "stacked_labels",
    "standing_statistics",
    "support_estimate",
    "train_classifier",
    "validity",
    "variation",
    "volume_distance",
]
