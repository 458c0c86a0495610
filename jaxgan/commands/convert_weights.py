"""Makes a plain file of weights that PyTorch saved; nothing in it is run.

Command: jaxgan convert-weights SOURCE TARGET
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxgan.metrics.extractors import convert
from jaxgan.runs.flags import parse, reported


@dataclasses.dataclass(frozen=True)
class ConvertWeights:
    """From where to where."""

    source: Annotated[Path, tyro.conf.Positional]  # .pth, .safetensors or .npz
    target: Annotated[Path, tyro.conf.Positional]  # .safetensors or .npz


def main(words: Sequence[str]) -> int:
    """Converts a weight file, and prints what it holds; returns the exit code."""

    def work() -> int:
        flags = parse(ConvertWeights, words, "jaxgan convert-weights", __doc__)
        print(convert(flags.source, flags.target).message)
        return 0

    return reported(work)
