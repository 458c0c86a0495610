"""The page's own HTML: pictures with their links, a plane to drag on, a place to drop a picture. All names are escaped.

Pictures and latents are in the page itself (`data:` addresses): a browser asks the server for no file.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

SMOOTH = 96  # sides from which on pictures are enlarged smoothly, not pixel by pixel


class Cell(NamedTuple):
    """A picture on the page."""

    png: bytes
    name: str  # of its files, without a suffix
    caption: str
    latents: bytes | None = None  # what makes it again
    button: str = ""  # "pin" or "remove"


def gallery(cells: Sequence[Cell], side: int, columns: int | None = None) -> str:
    """Returns pictures in rows, each with its links.

    Args:
      cells: pictures.
      side: of a picture, in pixels, which decides how it is enlarged.
      columns: of pictures; about a square if None.
    Returns:
      HTML.
    """
    columns = columns or math.ceil(math.sqrt(len(cells) or 1))
    kind = "jg-grid" if side >= SMOOTH else "jg-grid jg-pixels"
    figures = "".join(_figure(number, cell) for number, cell in enumerate(cells))
    return f'<div class="{kind}" style="--columns:{columns}">{figures}</div>'


def rows(samples: Sequence[bytes], nearest: Sequence[Sequence[bytes]], distances: np.ndarray, side: int) -> str:
    """Returns samples, each beside the real pictures nearest to it, with their distances [n, k]."""
    kind = "jg-rows" if side >= SMOOTH else "jg-rows jg-pixels"
    lines = []
    for sample, neighbours, far in zip(samples, nearest, distances, strict=True):
        cells = [f'<figure class="jg-sample">{_image(sample, "sample")}<figcaption>sample</figcaption></figure>']
        for neighbour, distance in zip(neighbours, far, strict=True):
            image = _image(neighbour, "training picture")
            cells.append(f"<figure>{image}<figcaption>{distance:.3f}</figcaption></figure>")
        lines.append(f'<div class="jg-row">{"".join(cells)}</div>')
    return f'<div class="{kind}">{"".join(lines)}</div>'


def head(name: str, about: str) -> str:
    """Returns the head of the page."""
    return f'<header class="jg-head"><h1>{escape(name)}</h1><p>{escape(about)}</p></header>'


def line(words: str, trouble: bool = False) -> str:
    """Returns a line of words, or of what is wrong; nothing for no words."""
    kind = "jg-line jg-trouble" if trouble else "jg-line"
    return f'<p class="{kind}" role="status">{escape(words)}</p>' if words else ""


def _figure(number: int, cell: Cell) -> str:
    name = escape(cell.name, quote=True)
    links = [f'<a href="#" data-png download="{name}.png">PNG</a>']
    if cell.latents is not None:
        where = f"data:application/octet-stream;base64,{b64encode(cell.latents).decode()}"
        links.append(f'<a href="{where}" download="{name}.npz">latent</a>')
    if cell.button:
        links.append(f'<button type="button" data-number="{number}">{escape(cell.button)}</button>')
    caption = f'<figcaption><span title="{escape(cell.caption, quote=True)}">{escape(cell.caption)}</span>'
    return f"<figure>{_image(cell.png, cell.caption)}{caption}<nav>{''.join(links)}</nav></figcaption></figure>"


def _image(png: bytes, words: str) -> str:
    return f'<img alt="{escape(words, quote=True)}" src="data:image/png;base64,{b64encode(png).decode()}">'


# A link to a picture takes its address from the picture beside it, so that the page holds it once.
GALLERY_SCRIPT = """
element.addEventListener('click', event => {
  const link = event.target.closest('a[data-png]'), button = event.target.closest('button[data-number]');
  if (link) link.href = link.closest('figure').querySelector('img').src;
  if (button) trigger('select', {number: Number(button.dataset.number)});
});
"""

PAD = """
<div class="jg-pad" tabindex="0" role="application" aria-label="plane of latents: drag, or use the arrow keys">
  <div class="jg-dot" style="left:${50 + 50 * value[0]}%;top:${50 - 50 * value[1]}%"></div>
</div>
"""

PAD_SCRIPT = """
const near = x => Math.round(100 * Math.min(1, Math.max(-1, x))) / 100;
const put = (x, y) => { props.value = [near(x), near(y)]; trigger('input'); };
const move = event => {
  const box = element.querySelector('.jg-pad').getBoundingClientRect();
  put(2 * (event.clientX - box.left) / box.width - 1, 1 - 2 * (event.clientY - box.top) / box.height);
};
let held = false;
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('.jg-pad')) return;
  held = true; element.setPointerCapture(event.pointerId); move(event); event.preventDefault();
});
element.addEventListener('pointermove', event => { if (held) move(event); });
for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, () => { held = false; });
element.addEventListener('dblclick', () => put(0, 0));
element.addEventListener('keydown', event => {
  const step = {ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05]}[event.key];
  if (step) { put(props.value[0] + step[0], props.value[1] + step[1]); event.preventDefault(); }
});
"""

DROP = """
<label class="jg-drop"><input type="file"><span>${words}</span></label>
"""

DROP_SCRIPT = """
const send = file => {
  if (!file) return;
  if (file.size > props.most) { props.value = {name: file.name, size: file.size}; trigger('upload'); return; }
  const reader = new FileReader();
  reader.onload = () => {
    props.value = {name: file.name, content: reader.result.slice(reader.result.indexOf(',') + 1)};
    trigger('upload');
  };
  reader.readAsDataURL(file);
};
element.addEventListener('change', event => {
  if (event.target.type !== 'file') return;
  event.stopPropagation(); send(event.target.files[0]); event.target.value = '';
});
element.addEventListener('dragover', event => event.preventDefault());
element.addEventListener('drop', event => { event.preventDefault(); send(event.dataTransfer.files[0]); });
"""

CSS = """
.jg-head h1 { font-size: 1.35rem; font-weight: 650; margin: 0; color: var(--body-text-color); overflow-wrap: anywhere; }
.jg-head p { margin: .15rem 0 0; color: var(--body-text-color-subdued); font-size: .9rem; }
.jg-grid { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 12px; }
.jg-grid figure, .jg-rows figure { margin: 0; min-width: 0; }
.jg-grid img, .jg-rows img { width: 100%; display: block; border-radius: 8px; background: var(--block-background-fill);
  border: 1px solid var(--border-color-primary); }
.jg-pixels img { image-rendering: pixelated; }
.jg-grid figcaption { display: flex; flex-wrap: wrap; gap: 0 8px; justify-content: space-between; align-items: baseline;
  font-size: .8rem; padding: 4px 2px 0; color: var(--body-text-color-subdued); }
.jg-grid figcaption > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 100%; }
.jg-grid nav { display: flex; gap: 10px; }
.jg-grid a, .jg-grid button { color: var(--link-text-color); background: none; border: 0; padding: 2px 0;
  cursor: pointer; font: inherit; text-decoration: none; }
.jg-grid a:hover, .jg-grid button:hover { text-decoration: underline; }
.jg-pins .jg-grid { grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); }
.jg-rows { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); }
.jg-row { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 6px; }
.jg-rows figcaption { font-size: .75rem; text-align: center; color: var(--body-text-color-subdued); }
.jg-sample img { border-color: var(--color-accent); }
.jg-line { margin: 0; font-size: .88rem; color: var(--body-text-color-subdued); }
.jg-trouble { color: #b91c1c; } .dark .jg-trouble { color: #fca5a5; }
.jg-pad { position: relative; width: 100%; aspect-ratio: 1; max-width: 260px; margin: 0 auto; border-radius: 10px;
  touch-action: none; cursor: crosshair; border: 1px solid var(--border-color-primary);
  --cross: color-mix(in srgb, var(--body-text-color-subdued) 45%, transparent);
  background: linear-gradient(var(--cross), var(--cross)) center / 1px 100% no-repeat,
  linear-gradient(var(--cross), var(--cross)) center / 100% 1px no-repeat, var(--input-background-fill); }
.jg-dot { position: absolute; width: 18px; height: 18px; margin: -9px 0 0 -9px; border-radius: 50%;
  pointer-events: none; background: var(--color-accent); box-shadow: 0 0 0 3px var(--background-fill-primary); }
.jg-drop { display: flex; align-items: center; justify-content: center; text-align: center; min-height: 72px;
  padding: 10px; border: 1.5px dashed var(--border-color-primary); border-radius: 10px; cursor: pointer;
  color: var(--body-text-color-subdued); font-size: .9rem; }
.jg-drop:hover, .jg-drop:focus-within { border-color: var(--color-accent); color: var(--body-text-color); }
.jg-drop input { position: absolute; width: 1px; height: 1px; opacity: 0; }
.gradio-container input[type=range]::-webkit-slider-thumb { background: var(--color-accent); }
.gradio-container input[type=range]::-moz-range-thumb { background: var(--color-accent); }
.gradio-container { max-width: 1240px !important; margin: 0 auto; overflow: clip !important; }
footer { display: none !important; }
.jg-page { display: grid !important; gap: 20px; align-items: start;
  grid-template: "stage dials" auto "more dials" 1fr / minmax(0, 3fr) minmax(300px, 2fr); }
.jg-stage { grid-area: stage; } .jg-dials { grid-area: dials; } .jg-more { grid-area: more; }
.jg-page > .column { width: 100%; min-width: 0 !important; }
.jg-page .block:has(> .html-container > div:empty) { display: none; }
@media (min-width: 761px) and (min-height: 600px) {
  .jg-dials { position: sticky; top: 8px; max-height: calc(100vh - 16px); overflow-y: auto;
    flex-wrap: nowrap !important; }
  .jg-dials > * { flex-shrink: 0; }
}
@media (max-width: 760px) {
  .jg-page { display: flex !important; flex-direction: column; gap: 14px; align-items: stretch; }
  .jg-stage { position: sticky; top: 0; z-index: 60; background: var(--body-background-fill); padding: 6px 0; }
  .jg-stage .jg-grid { max-width: 44vh; margin: 0 auto; gap: 6px; }
  .jg-stage .jg-grid figcaption { font-size: .72rem; }
  .jg-stage .jg-grid figcaption > span { display: none; }
  .jg-stage .jg-grid nav { width: 100%; justify-content: space-between; gap: 2px; }
}
"""
