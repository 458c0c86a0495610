"""Systems: one function for each named GAN, from networks' names and a few pure functions to its players."""

from jaxgan.systems.adagan import adagan_weights
from jaxgan.systems.adversarial_autoencoder import adversarial_autoencoder, semi_supervised_autoencoder
from jaxgan.systems.adversarial_distillation import adversarial_distillation
from jaxgan.systems.adversary import Adversarial, Adversary, Verdict, adversary, between, player_loss
from jaxgan.systems.avb import avb
from jaxgan.systems.bigan import bigan
from jaxgan.systems.captions import gan_cls_int, gawwn
from jaxgan.systems.class_conditional import acgan, contragan, reacgan
from jaxgan.systems.codec import DAC_WEIGHTS, ENCODEC_WEIGHTS, bits_per_second, codec
from jaxgan.systems.cogan import cogan
from jaxgan.systems.context_encoder import context_encoder
from jaxgan.systems.ctgan import ctgan
from jaxgan.systems.cycles import cyclegan, discogan
from jaxgan.systems.denoising_diffusion import DenoisingChain, denoising_chain, denoising_diffusion
from jaxgan.systems.density_ratio import density_ratio, mutual_information
from jaxgan.systems.diffusion import diffusion
from jaxgan.systems.distillation import distribution_matching, score_identity
from jaxgan.systems.domain_adversarial import domain_adversarial, domain_weight
from jaxgan.systems.gail import gail
from jaxgan.systems.gan import gan, latent_optimization
from jaxgan.systems.gumbel import gumbel
from jaxgan.systems.infogan import infogan
from jaxgan.systems.inversion import inversion
from jaxgan.systems.lapgan import lapgan
from jaxgan.systems.markovian import markovian
from jaxgan.systems.maskgan import maskgan
from jaxgan.systems.mixtures import MixtureWeights, mixture, several_discriminators
from jaxgan.systems.motion_prior import motion_prior
from jaxgan.systems.next_frame import next_frame
from jaxgan.systems.parts import drawn, encodes, generates, players, samples
from jaxgan.systems.pix2pix import pix2pix
from jaxgan.systems.progressive import fade_real, fading, grown
from jaxgan.systems.semi_supervised import semi_supervised
from jaxgan.systems.seqgan import seqgan
from jaxgan.systems.simgan import simgan
from jaxgan.systems.srgan import srgan
from jaxgan.systems.stackgan import stackgan
from jaxgan.systems.structure_style import structure_style
from jaxgan.systems.stylegan2 import stylegan2
from jaxgan.systems.terms import on_features, regularized, with_term, zcr
from jaxgan.systems.tokenizer import read_tokens, tokenizer
from jaxgan.systems.tokens import maximum_likelihood
from jaxgan.systems.turing_learning import turing_learning
from jaxgan.systems.unet_gan import unet_gan
from jaxgan.systems.vaegan import margins, vaegan
from jaxgan.systems.vocoder import HIFI_WEIGHTS, vocoder
from jaxgan.systems.voxel import accurate, voxel
from jaxgan.systems.wavegan import wavegan

__all__ = [
    "DAC_WEIGHTS",
    "ENCODEC_WEIGHTS",
    "HIFI_WEIGHTS",
    "Adversarial",
    "Adversary",
    "DenoisingChain",
    "MixtureWeights",
    "Verdict",
    "accurate",
    "acgan",
    "adagan_weights",
    "adversarial_autoencoder",
    "adversarial_distillation",
    "adversary",
    "avb",
    "between",
    "bigan",
    "bits_per_second",
    "codec",
    "cogan",
    "context_encoder",
    "contragan",
    "ctgan",
    "cyclegan",
    "denoising_chain",
    "denoising_diffusion",
    "density_ratio",
    "diffusion",
    "discogan",
    "distribution_matching",
    "domain_adversarial",
    "domain_weight",
    "drawn",
    "encodes",
    "fade_real",
    "fading",
    "gail",
    "gan",
    "gan_cls_int",
    "gawwn",
    "generates",
    "grown",
    "gumbel",
    "infogan",
    "inversion",
    "lapgan",
    "latent_optimization",
    "margins",
    "markovian",
    "maskgan",
    "maximum_likelihood",
    "mixture",
    "motion_prior",
    "mutual_information",
    "next_frame",
    "on_features",
    "pix2pix",
    "player_loss",
    "players",
    "reacgan",
    "read_tokens",
    "regularized",
    "samples",
    "score_identity",
    "semi_supervised",
    "semi_supervised_autoencoder",
    "seqgan",
    "several_discriminators",
    "simgan",
    "srgan",
    "stackgan",
    "structure_style",
    "stylegan2",
    "tokenizer",
    "turing_learning",
    "unet_gan",
    "vaegan",
    "vocoder",
    "voxel",
    "wavegan",
    "with_term",
    "zcr",
]
