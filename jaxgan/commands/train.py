"""Trains a GAN of your own pictures by a recipe, into runs/train/ID.

Command: jaxgan train DATA [--recipe NAME] [--flag value ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxgan.commands.run import join
from jaxgan.parallel import end_together
from jaxgan.recipes import training
from jaxgan.runs import imported
from jaxgan.runs.flags import parse_two, reported
from jaxgan.runs.folder import find_folder, read_config
from jaxgan.runs.settings import BRIEF, Running, compiled_quickly
from jaxgan.runs.start import run_plan


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""

    def work() -> int:
        config, running = parse_two(
            training.Config, Running, words, "jaxgan train", training.__doc__, smoke=(training.SMOKE, BRIEF)
        )
        join(running)
        with end_together(), compiled_quickly(running.smoke):
            return train(config, running)

    return reported(work)


def train(config: training.Config, running: Running) -> int:
    """Chooses what is open, says what it is and why, and runs it.

    Args:
      config: by the flags.
      running: where and how.
    Returns:
      The exit code: 0 when done, 130 or 143 when a signal stopped the run after saving.
    Raises:
      ValueError: bad settings or data.
    """
    config, whole = training.sized(training.scaled(training.inherited(config, *_begun(running))))
    pictures = training.parted(config, whole)[0]
    chosen = training.resolved(config, pictures)
    print("\n".join(training.described(chosen, pictures)), flush=True)
    return run_plan(*training.plan(chosen, pictures), running)


def _begun(running: Running) -> tuple[dict[str, Any], bool]:
    """Returns the config of the run that this one goes on with or begins with, if any; and whether it is the former."""
    if running.resume:
        return read_config(find_folder(running.out, training.NAME, running.id))["config"], True
    if running.start_from is None:
        return {}, False
    page = read_config(running.start_from)
    if page["module"] == imported.ORIGIN:
        labels = f" and labels of {page['classes']} classes" if page["classes"] else ""
        print(f"{running.start_from}: {page['config']['family']}, for pictures{labels}", flush=True)
        return training.imported_choice(page), False
    return page["config"] if page["module"] == training.__name__ else {}, False
