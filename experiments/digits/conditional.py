"""The same game on the same digits, asked for a class: G(z, y) against D(x, y).

Labels choose the scale and offset of the generator's batch normalisation (Dumoulin et al. 2017) and enter the
discriminator by projection (Miyato, Koyama 2018). Judged as `digits`, and by how often the classifier reads the label
that was asked for.

Command: python -m experiments digits_conditional
Takes: two to four minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from pathlib import Path

import jaxgan as jg
from experiments.digits.dcgan import MAY_DIFFER, SMOKE, Config, build
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.runs.experiment import Judge

__all__ = ["MAY_DIFFER", "SMOKE", "Config", "build", "held_out", "judge", "source"]


def source(config: Config) -> Source:
    """Real digits with their labels."""
    return jg.data.digits("train", size=config.size)


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.digits("test", size=config.size)


def judge(config: Config, folder: Path) -> Judge:
    """As for `digits`, with the agreement between asked and read labels."""
    return digits_judge(config.size, config.judge_steps, folder, conditional=True)
