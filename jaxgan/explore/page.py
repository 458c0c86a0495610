"""The explorer's page: Gradio's controls over the functions of `views`.

Every call brings where all controls stand, and what a session keeps (pins, an uploaded picture) is its own: one browser
does not disturb another.
"""

from __future__ import annotations

import binascii
import functools
import threading
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgan.explore import markup
from jaxgan.explore.files import MAX_BYTES, latents_file, png, read_latents, read_picture
from jaxgan.explore.markup import Cell
from jaxgan.explore.real import held_out_pictures, nearest, training_pictures
from jaxgan.explore.views import View
from jaxgan.explore.wishes import NUMBERS, SEEDS, Controls, Wish, wish_of
from jaxgan.runs.loading import Trained
from jaxgan.sample import as_bytes

PINS = 24  # that a session keeps
LATENTS, PICTURES = "Drop a latent that was saved here, or choose one", "Drop a picture, or choose one"
CALL: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
# Clicks that add to what a session keeps come one by one, each to what the one before left.
KEEP: dict[str, Any] = {
    **CALL,
    "queue": True,
    "trigger_mode": "multiple",
    "concurrency_limit": 1,
    "concurrency_id": "keep",
}
LAST: dict[str, Any] = {**CALL, "trigger_mode": "always_last"}  # of many moves of a slider the last one counts

Pins = list[Cell]


def build(view: View, run: Trained | None) -> Any:
    """Builds the page of a view.

    Args:
      view: a generator.
      run: whose it is, for its data; None: an export.
    Returns:
      Gradio's Blocks.
    """
    import gradio as gr

    with gr.Blocks(analytics_enabled=False, title=f"{view.name} - jaxgan", fill_width=True) as page:
        height, width, channels = view.shape
        colours = {1: "grey", 3: "colour", 4: "colour and opacity"}[channels]
        gr.HTML(markup.head(view.name, f"{height} x {width} pixels, {colours}"))
        (_translator_page if view.controls.pictures else _generator_page)(gr, view, run)
    return page


def look() -> dict[str, Any]:
    """Returns theme and styles: the system's own fonts, light or dark as the browser asks."""
    import gradio as gr

    fonts, mono = ["ui-sans-serif", "system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    theme = gr.themes.Base(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=mono, radius_size="md"
    )
    return {"theme": theme, "css": markup.CSS}


def _generator_page(gr: Any, view: View, run: Trained | None) -> None:
    """A page of samples and dials."""
    first = _cells(view, wish_of({}, view.controls))
    with gr.Row(equal_height=False, elem_classes="jg-page"):
        with gr.Column(min_width=0, elem_classes="jg-stage"):
            shown = _gallery(gr, _grid(view, first), "samples")
            words = gr.HTML("", elem_id="words")
        with gr.Column(min_width=0, elem_classes="jg-dials"):
            dials = _dials(gr, view.controls)
        with gr.Column(min_width=0, elem_classes="jg-more"):
            pins, pinned = gr.State([]), _gallery(gr, "", "pins")
            near = None if run is None else gr.Button("Nearest training pictures", elem_id="near", size="sm")
            beside = gr.HTML("", elem_id="nearest")
            drop = _drop(gr, LATENTS, "latent")
    names, values = tuple(dials), list(dials.values())

    def wish(given: Sequence[Any]) -> Wish:
        return wish_of(dict(zip(names, given, strict=True)), view.controls)

    def draw(*given: Any) -> tuple[Any, str]:
        return _or_words(gr, lambda: _grid(view, _cells(view, wish(given))))

    def pin(event: Any, kept: Pins, *given: Any) -> tuple[Any, Any, str]:
        return _pinned(gr, view, kept, lambda: _cells(view, wish(given))[_number(event)])

    def reopen(kept: Pins, sent: Any) -> tuple[Any, Any, str]:
        return _pinned(gr, view, kept, lambda: _again(view, _content(sent)))

    def unpin(event: Any, kept: Pins) -> tuple[Pins, str]:
        rest = [cell for number, cell in enumerate(kept) if number != _number(event)]
        return rest, _grid(view, rest)

    for function in (pin, unpin):  # Gradio hands over what a click says by this annotation
        function.__annotations__["event"] = gr.EventData
    gr.on([dial.change for dial in values], draw, values, [shown, words], **LAST)
    shown.select(pin, [pins, *values], [pins, pinned, words], **KEEP)
    pinned.select(unpin, [pins], [pins, pinned], **KEEP)
    drop.upload(reopen, [pins, drop], [pins, pinned, words], **KEEP)
    if run is not None and near is not None:
        training = _once(lambda: training_pictures(run))

        def neighbours(*given: Any) -> tuple[Any, str]:
            return _or_words(gr, lambda: _neighbours(view, wish(given), training))

        near.click(neighbours, values, [beside, words], **(CALL | {"show_progress": "minimal"}))


def _translator_page(gr: Any, view: View, run: Trained | None) -> None:
    """A page of a picture and what the translator makes of it."""
    entries, given = view.controls.pictures, {} if run is None else held_out_pictures(run)
    entry = next(iter(given), next(iter(entries)))
    count = len(given.get(entry, ()))
    with gr.Row(equal_height=False, elem_classes="jg-page"):
        with gr.Column(min_width=0, elem_classes="jg-stage"):
            start = _grid(view, _translated(view, entry, given[entry][:1], 0)) if count else ""
            shown = _gallery(gr, start, "samples")
            words = gr.HTML("" if count else markup.line("Give a picture: the run's own are not here"), elem_id="words")
        with gr.Column(min_width=0, elem_classes="jg-dials"):
            drop = _drop(gr, PICTURES, "picture")
            number = gr.Slider(1, max(2, count), 1, step=1, label="Held-out picture", visible=count > 1)
            kind = gr.Radio(list(entries), value=entry, label="It is of kind", visible=len(entries) > 1)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=SEEDS - 1, elem_id="seed")
    own = gr.State(None)  # the picture that this session sent

    def answer(x: Any, which: int, entry: str, seed: Any) -> tuple[Any, str]:
        def work() -> str:
            wish = wish_of({"seed": seed}, view.controls)
            x_or = x if x is not None else _held_out(given, entry, which)
            return _grid(view, _translated(view, entry, x_or, wish.seed))

        return _or_words(gr, work)

    def held_out(which: int, entry: str, seed: Any) -> tuple[Any, Any, str]:
        return None, *answer(None, which, entry, seed)

    def upload(sent: Any, entry: str, seed: Any) -> tuple[Any, Any, str]:
        try:
            x = read_picture(_content(sent), entries[entry])
        except ValueError as error:
            return gr.skip(), gr.skip(), markup.line(str(error), trouble=True)
        return x, *answer(x, 0, entry, seed)

    drop.upload(upload, [drop, kind, seed], [own, shown, words], **CALL)
    number.change(held_out, [number, kind, seed], [own, shown, words], **LAST)
    gr.on([kind.change], held_out, [number, kind, seed], [own, shown, words], **LAST)
    gr.on([seed.change], answer, [own, number, kind, seed], [shown, words], **LAST)


def _dials(gr: Any, controls: Controls) -> dict[str, Any]:
    """Makes the dials that a generator has, by the field of a wish."""
    dials: dict[str, Any] = {}
    whole = {"precision": 0, "minimum": 0, "maximum": SEEDS - 1}
    with gr.Row(equal_height=True):
        dials["seed"] = gr.Number(0, label="Seed", elem_id="seed", min_width=120, **whole)
        another = gr.Button("Another seed", variant="primary", elem_id="another", min_width=120)
    dials["n"] = gr.Radio(list(NUMBERS), value=4, label="Samples", elem_id="n")
    another.click(None, None, dials["seed"], js=f"() => Math.floor(Math.random() * {SEEDS})", api_visibility="private")
    if controls.classes:
        names = controls.names or tuple(map(str, range(controls.classes)))
        options = [(name, k) for k, name in enumerate(("one after the other", *names))]
        dials["y"] = gr.Dropdown(options, value=0, label="Class", elem_id="y")
    if controls.truncation:
        low, high = controls.truncation
        info = "psi of styles, 1 is none" if controls.layers else f"bound of latents, {high:g} is none"
        info += "; less is more alike, and cleaner"
        dials["truncation"] = gr.Slider(
            low, high, controls.truncated, step=0.05, label="Truncation", info=info, elem_id="truncation"
        )
    if controls.latents:
        with gr.Accordion("To another seed", open=True):
            dials["other"] = gr.Number(1, label="The other seed", elem_id="other", **whole)
            dials["blend"] = gr.Slider(0, 1, 0, step=0.01, label="Way to its samples", elem_id="blend")
            if controls.layers:
                label = "Last layers that follow its styles"
                dials["mixed"] = gr.Slider(0, controls.layers, 0, step=1, label=label, elem_id="mixed")
        with gr.Accordion("A plane of latents: drag", open=True):
            dials["plane"] = gr.HTML(
                [0, 0], html_template=markup.PAD, js_on_load=markup.PAD_SCRIPT, elem_id="plane", apply_default_css=False
            )
    if controls.directions:
        with gr.Accordion("Directions that change most (SeFa)", open=True):
            for k in range(controls.directions):
                label = f"Direction {k + 1}"
                dials[f"along{k}"] = gr.Slider(-1, 1, 0, step=0.02, label=label, elem_id=f"along{k}")
    _reset(gr, dials, controls)
    return dials


def _reset(gr: Any, dials: dict[str, Any], controls: Controls) -> None:
    """Adds a button that brings every dial but the seed and the number of samples to its rest."""
    rest = {"y": 0, "truncation": controls.truncated, "other": 1, "plane": [0, 0]}
    names = [name for name in dials if name not in ("seed", "n")]
    if names:
        values = [rest.get(name, 0) for name in names]
        button = gr.Button("All dials to their rest", elem_id="rest", size="sm")
        button.click(lambda: values if len(values) > 1 else values[0], None, [dials[name] for name in names], **CALL)


def _gallery(gr: Any, value: str, name: str) -> Any:
    return gr.HTML(
        value, elem_id=name, elem_classes=f"jg-{name}", js_on_load=markup.GALLERY_SCRIPT, apply_default_css=False
    )


def _drop(gr: Any, label: str, name: str) -> Any:
    return gr.HTML(
        None,
        html_template=markup.DROP,
        js_on_load=markup.DROP_SCRIPT,
        elem_id=name,
        apply_default_css=False,
        words=label,
        most=MAX_BYTES,
    )


def _cells(view: View, wish: Wish) -> list[Cell]:
    """Draws a wish."""
    shown = view.draw(wish)
    names = view.controls.names
    y = shown.inputs.get("y")
    cells = []
    for k, image in enumerate(shown.images):
        label = None if y is None or not view.controls.classes else int(y[k])
        named = "" if label is None else f", {names[label] if names else f'class {label}'}"
        cells.append(
            Cell(png(image), f"seed{wish.seed}-{k:06d}", f"no. {k}{named}", latents_file(shown.inputs, k), "pin")
        )
    return cells


def _again(view: View, content: bytes) -> Cell:
    """Draws a latent that a browser sent."""
    like = view.draw(wish_of({"n": 1}, view.controls)).inputs
    inputs = read_latents(content, like)
    name = f"seed{int(inputs['seed'][0])}-{int(inputs['index'][0]):06d}"
    return Cell(png(view.again(inputs)[0]), name, f"reopened {name}", content, "pin")


def _translated(view: View, entry: str, x: np.ndarray, seed: int) -> list[Cell]:
    """Draws a picture [1, H, W, C], and its translation."""
    inputs = {"seed": np.full(1, seed, np.int32), "index": np.zeros(1, np.int32), entry: x}
    given, made = as_bytes(x)[0], view.again(inputs)[0]
    return [Cell(png(given), "given", "given"), Cell(png(made), "translated", "translated")]


def _held_out(given: Any, entry: str, which: int) -> np.ndarray:
    pictures = given.get(entry, ())
    if not 1 <= int(which) <= len(pictures):
        raise ValueError(f"there is no such picture of kind {entry} here; give one")
    return np.asarray(pictures[int(which) - 1 : int(which)])


def _neighbours(view: View, wish: Wish, training: Callable[[], tuple[np.ndarray, int]]) -> str:
    """Draws samples beside the training pictures nearest to them."""
    images = view.draw(wish).images
    near = nearest(images, *training())
    words = f"Nearest in pixels among {near.searched:,} of {near.size:,} training pictures; root mean square distance."
    pictures = [[png(image) for image in row] for row in near.images]
    table = markup.rows([png(image) for image in images], pictures, near.distances, max(view.shape[:2]))
    return markup.line(words) + table


def _grid(view: View, cells: Sequence[Cell]) -> str:
    return markup.gallery(cells, max(view.shape[:2])) if cells else ""


def _pinned(gr: Any, view: View, kept: Pins, made: Callable[[], Cell]) -> tuple[Any, Any, str]:
    """Adds a picture to those that a session keeps; the oldest goes when there are too many."""
    try:
        pins = [*kept, made()._replace(button="remove")][-PINS:]
    except ValueError as error:
        return gr.skip(), gr.skip(), markup.line(str(error), trouble=True)
    return pins, _grid(view, pins), ""


def _or_words(gr: Any, work: Callable[[], str]) -> tuple[Any, str]:
    """Returns (HTML, ""), or what is wrong in a line beside what was there."""
    try:
        return work(), ""
    except (ValueError, OSError) as error:
        return gr.skip(), markup.line(str(error), trouble=True)


def _number(event: Any) -> int:
    number = (event._data or {}).get("number")
    return number if isinstance(number, int) and 0 <= number < max(PINS, *NUMBERS) else 0


def _content(sent: Any) -> bytes:
    """Returns the bytes of a file that a browser sent."""
    if not isinstance(sent, dict) or not isinstance(sent.get("content"), str):
        raise ValueError(f"files of at most {MAX_BYTES:,} bytes are taken")
    try:
        return b64decode(sent["content"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this file came broken") from error


def _once(work: Callable[[], Any]) -> Callable[[], Any]:
    """Does work at the first call, whichever session calls; others wait for it."""
    lock, kept = threading.Lock(), functools.cache(work)

    def known() -> Any:
        with lock:
            return kept()

    return known
