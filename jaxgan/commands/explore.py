"""Opens a page in the browser to play with a run's generator, or with that of an export.

Command: jaxgan explore RUN [--flag value ...]
"""

from __future__ import annotations

import dataclasses
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxgan.explore import HOST, explore, quick_start


@dataclasses.dataclass(frozen=True)
class Explore:
    """Which generator, and where the page is served."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run (runs/EXPERIMENT/ID), or of an export
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint of a run
    host: str = HOST  # address to listen on; 0.0.0.0 lets everyone who reaches this machine use the page
    port: int | None = None  # likewise; the first free one from 7860 on if not given
    open: bool = False  # open the page in this machine's browser
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


def main(words: Sequence[str]) -> int:
    """Serves the page until it is interrupted; returns the exit code."""
    with quick_start():
        from jaxgan.runs.flags import parse, reported  # JAX and more

    def work() -> int:
        flags = parse(Explore, words, "jaxgan explore", __doc__)
        address = explore(flags.run, step=flags.step, file=flags.module, host=flags.host, port=flags.port)
        print(f"{flags.run} is at {address} until Ctrl-C", flush=True)
        if flags.open:
            webbrowser.open(address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")
        return 0

    return reported(work)
