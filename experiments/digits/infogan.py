"""Classes of digits without labels: InfoGAN's code of ten values must be readable from the sample.

A DCGAN generator of noise, one categorical code of ten values and two continuous ones; the discriminator has a second
head that reads them (Chen et al. 2016). Judged by the information about the categorical code (nats, at most log 10 =
2.303) and by how well its values are the classes: a held-out classifier reads samples of every value, each value is
matched to one class so that most agree (Hungarian algorithm), and the share that agrees is the accuracy.

Command: python -m experiments digits_infogan
Takes: five to eight minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optax
from scipy.optimize import linear_sum_assignment

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import heads
from jaxgan.runs.experiment import Experiment, Judge, Judgement, draw_images, labels
from jaxgan.systems.infogan import infogan

VALUES = 10  # of the categorical code


@dataclass(frozen=True)
class Config:
    """InfoGAN on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 4000  # train steps
    batch_size: int = 64  # real images a step
    size: int = 32  # side of the images: 28, 32 or 64
    latent: int = 62  # width of the noise
    continuous: int = 2  # number of continuous codes
    weight: float = 1.0  # of the information about the categorical code
    continuous_weight: float = 1.0  # of that about the continuous ones
    fixed_std: bool = True  # read continuous codes with a standard deviation of 1, as the authors' code does
    generator_features: int = 32  # channels of the generator's widest map; doubled at every halving of its side
    discriminator_features: int = 32  # channels of the discriminator's first map; doubled at every halving
    discriminator_rate: float = 2e-4  # Adam's
    generator_rate: float = 1e-3  # Adam's
    b1: float = 0.5  # Adam's momentum
    gamma: float = 0.0  # weight of R1; 0: none, as in the paper
    ema: float = 0.999  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 2, "discriminator_features": 2, "judge_steps": 4}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """Real digits; their labels sort a picture, and the game reads none."""
    return jg.data.digits("train", size=config.size)


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.digits("test", size=config.size)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN's generator against a convolutional body that also reads codes; samples come ten values to a picture."""
    networks = {
        "generator": jg.networks.dcgan.Generator(shape[-1], config.size, config.generator_features),
        "discriminator": heads.Headed(
            heads.Convolutional(config.discriminator_features, 2 if config.size == 28 else 3),
            {
                "logits": heads.Logit(),
                "codes": heads.Codes((VALUES,), config.continuous, fixed_std=config.fixed_std),
            },
        ),
    }
    noise = jg.priors.normal(config.latent)
    system = infogan(
        loss=jg.losses.non_saturating,
        noise=noise,
        categorical=(VALUES,),
        continuous=config.continuous,
        weight=config.weight,
        continuous_weight=config.continuous_weight,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
        optimizer={
            "discriminator": optax.adam(config.discriminator_rate, b1=config.b1),
            "generator": optax.adam(config.generator_rate, b1=config.b1),
        },
    )
    game = jg.game(networks, system, ema={"generator": config.ema})
    return Experiment(game, jg.priors.codes(noise, (VALUES,), config.continuous), VALUES, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Quality as for `digits`, and how well the code's values are classes."""
    base = digits_judge(config.size, config.judge_steps, folder)
    classifier = metrics.load_classifier(folder / "judge.npz")

    def measure(samples: Any) -> Judgement:
        asked = labels(VALUES, len(samples))
        read = np.argmax(metrics.probabilities(classifier, samples), axis=1)
        judgement = base.judge(samples)
        information = mutual_information(asked, read)
        figures = {"accuracy": matched_accuracy(asked, read), "information": information}
        return judgement._replace(figures=judgement.figures | figures)

    protocol = (
        f"{base.protocol}. accuracy: samples of every value of the code, read by that classifier, one class to a value "
        "by the best matching; information: between value and class read, in nats, at most log 10 = 2.303"
    )
    return Judge(measure, base.samples, base.best, protocol)


def matched_accuracy(codes: Any, classes: Any) -> float:
    """Share of examples whose class is the one that their code is matched to; the matching that makes it largest."""
    table = np.zeros((VALUES, VALUES))
    np.add.at(table, (np.asarray(codes), np.asarray(classes)), 1)
    return float(table[linear_sum_assignment(-table)].sum() / table.sum())


def mutual_information(codes: Any, classes: Any) -> float:
    """Mutual information of the pairs' empirical distribution, in nats."""
    table = np.zeros((VALUES, VALUES))
    np.add.at(table, (np.asarray(codes), np.asarray(classes)), 1)
    p = table / table.sum()
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    positive = p > 0
    return float(np.sum(p[positive] * np.log(p[positive] / independent[positive])))
