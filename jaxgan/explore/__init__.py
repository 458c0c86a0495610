"""A page in the browser to play with a trained generator: seeds, classes, truncation, planes, styles, directions.

    jaxgan explore runs/digits/RUN
    jg.explore("runs/digits/RUN")  # in a notebook: shows itself there

wishes    what can be asked, and a request
latents   ways through a space of latents
views     a run or an export as functions of a request
real      training pictures nearest to samples
files     pictures and latents as files
markup    the page's own HTML
page      Gradio's controls
server    what is answered, and to whom
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

HOST = "127.0.0.1"


def explore(
    folder: str | Path,
    *,
    step: int | Literal["latest", "best"] = "latest",
    file: str | Path | None = None,
    host: str = HOST,
    port: int | None = None,
) -> str:
    """Serves a page to play with a trained generator; in a notebook, shows it there.

    It is served as long as this process lives, to this machine alone unless `host` says otherwise.

    Args:
      folder: of a run, or of an export.
      step: of a run: which checkpoint.
      file: of a run: the experiment, where a file of the user's made it.
      host: address to listen on; "0.0.0.0": everyone who reaches this machine can use the page.
      port: likewise; the first free one from 7860 on if None.
    Returns:
      The page's address.
    Raises:
      ValueError: the folder is neither run nor export, its generator draws no pictures or is asked with what no page
        can give, or the port is taken.
      ImportError: Gradio is not there.
    """
    with quick_start():
        beside = threading.Thread(target=_import_gradio, daemon=True)  # beside JAX and the checkpoint
        beside.start()
        try:
            from jaxgan.explore.views import open_view

            view, run = open_view(Path(folder), step, None if file is None else Path(file))
        finally:  # nothing is imported any longer when an error is told
            beside.join()
        try:
            import gradio as gr  # noqa: F401
        except ModuleNotFoundError as error:
            raise ImportError("the page is made with Gradio: pip install 'jaxgan[explore]'") from error
        from jaxgan.explore.page import build, look
        from jaxgan.explore.server import serve

        inline = "ipykernel" in sys.modules
        return serve(build(view, run), host=host, port=port, inline=inline, look=look())


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Makes the many small objects of a start without looking among them for garbage: a sixth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _import_gradio() -> None:
    """Imports Gradio: without its telemetry, and without the stub files that it writes beside its code.

    To write them takes more than half of its import, at every start. Where a class has no file, it writes none.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    file_of = inspect.getfile

    def no_stubs(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no stub file is written of this class")
        return file_of(thing)

    inspect.getfile = no_stubs  # type: ignore[assignment]
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError:
        return
    finally:
        inspect.getfile = file_of
