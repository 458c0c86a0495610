"""ADA's pipeline: augmentations that happen, each to each image, with one probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.augment import appearance, geometry
from jaxgan.augment.draws import check_images, check_names, column, draw
from jaxgan.types import Turn, example_keys

GROUPS = {
    "blit": ("flip", "quarter_turn", "shift"),
    "geometry": ("scale", "rotation", "stretch", "translation"),
    "color": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    "filter": ("filter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}

# (x [B, H, W, C], probability of every transform [], turn, "real" or "fake") -> [B, H, W, C]
Pipeline = Callable[[Array, Array, Turn, str], Array]


_AXES = ("rows", "columns")
_BANDS = tuple(f"filter {band}" for band in range(appearance.BANDS))
_GATES = (  # what happens or not; its first word is the transform
    *("flip", "quarter_turn", "shift", "scale", "stretch", "translation", "rotation before", "rotation after"),
    *GROUPS["color"],
    *_BANDS,
    *("noise", "cutout"),
)
_UNIFORM = (  # drawn from [0, 1)
    *("flip", "quarter_turn", "shift rows", "shift columns", "rotation before", "rotation after"),
    *("luma_flip", "hue", "cutout rows", "cutout columns"),
)
_NORMAL = (  # drawn from N(0, 1)
    *("scale", "stretch", "translation rows", "translation columns"),
    *("brightness", "contrast", "saturation", "noise", *_BANDS),
)


class Draws(NamedTuple):
    """All numbers that a batch's transforms are made of, by name, [B] each; drawn at once, which compiles faster."""

    happens: dict[str, Array]  # bool
    uniform: dict[str, Array]  # in [0, 1)
    normal: dict[str, Array]  # of deviation 1


def ada(*transforms: str) -> Pipeline:
    """The augmentations of StyleGAN2-ADA, each of which happens to each image with the same probability p.

    In the order in which they are applied, whatever the order of the names:

    - "blit": "flip" (left and right), "quarter_turn" (0 to 3; 0 or 2 where H and W differ), "shift" (whole pixels, up
      to 1/8 of each side)
    - "geometry": "scale" (2^N(0, 0.2^2)), "rotation" (any angle), "stretch" (anisotropic, 2^N(0, 0.2^2)),
      "translation" (N(0, (1/8)^2) of each side)
    - "color": "brightness" (+ N(0, 0.2^2)), "contrast" (x 2^N(0, 0.5^2)), "luma_flip", "hue" (any angle; of three
      channels), "saturation" (x 2^N(0, 1))
    - "filter": four frequency bands (x 2^N(0, 1) each)
    - "noise": N(0, sigma^2) with sigma = |N(0, 0.1^2)|
    - "cutout": a box of half of each side is set to 0

    An image that nothing happens to is returned bit for bit, so that p = 0 is the identity. As long as p < 1, and as
    the paper finds p < 0.8 in practice, the generator does not learn the augmentations: each leaves the untouched
    image the most frequent one, so that equal augmented distributions mean equal distributions.

    Differences from the authors' code: whole-pixel moves are exact copies instead of a part of the resampling; the
    resampling's low-pass filter is a symmetric windowed sinc instead of a symlet, so that reflection at the border
    commutes with it; any number of channels, with the grey axis in place of RGB's.

    Args:
      transforms: names of groups or of single transforms; "blit", "geometry" and "color" (the paper's choice) if none.
    Returns:
      Pipeline, (x [B, H, W, C], probability [] in [0, 1], turn, use) -> x; for `Adaptive`.
    Raises:
      ValueError: a name is unknown; at trace time, x that is no image.
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, section 2 and appendix B.
    """
    names = transforms or ("blit", "geometry", "color")
    single = tuple(dict.fromkeys(name for group in GROUPS.values() for name in group))
    check_names("ada", names, tuple(dict.fromkeys((*GROUPS, *single))))
    chosen = {single for name in names for single in GROUPS.get(name, (name,))}
    steps = {
        "blit": _blit,
        "geometry": _geometry,
        "color": _color,
        "filter": _filter,
        "noise": _noise,
        "cutout": _cutout,
    }

    def augment(x: Array, probability: Array, turn: Turn, use: str) -> Array:
        check_images("ada", x)
        keys = example_keys(turn.named(f"ada {use}"), x.shape[0], turn.examples)
        p = jnp.clip(jnp.asarray(probability, jnp.float32), 0.0, 1.0)

        draws = _draws(keys, p, chosen)
        for group, step in steps.items():
            if chosen & set(GROUPS[group]):
                x = step(x, keys, draws)
        return x

    return augment


def _draws(keys: Array, p: Array, chosen: set[str]) -> Draws:
    """Turning before and after stretching each have a probability such that one of both happens with p."""
    either = 1 - jnp.sqrt(1 - p)
    gates = _table(keys, "happens", _GATES, jax.random.uniform)
    happens = {
        name: gate < (either if name.startswith("rotation") else p)
        if name.split()[0] in chosen
        else jnp.zeros(gate.shape, bool)
        for name, gate in gates.items()
    }
    uniform = _table(keys, "uniform", _UNIFORM, jax.random.uniform)
    return Draws(happens, uniform, _table(keys, "normal", _NORMAL, jax.random.normal))


def _table(keys: Array, name: str, columns: tuple[str, ...], sampler: Callable[..., Array]) -> dict[str, Array]:
    table = draw(keys, name, lambda key: sampler(key, (len(columns),)))
    return {column: table[:, number] for number, column in enumerate(columns)}


def _blit(x: Array, keys: Array, draws: Draws) -> Array:
    happens, uniform, _ = draws
    height, width = x.shape[1:3]
    kinds = 4 if height == width else 2  # of turns
    turns = jnp.floor(kinds * uniform["quarter_turn"]).astype(jnp.int32) * (4 // kinds)
    shift = jnp.stack(
        [
            jnp.round((2 * uniform[f"shift {axis}"] - 1) / 8 * side).astype(jnp.int32)
            for axis, side in zip(_AXES, (height, width), strict=True)
        ],
        axis=1,
    )
    return geometry.blit(
        x,
        happens["flip"] & (uniform["flip"] < 0.5),
        jnp.where(happens["quarter_turn"], turns, 0),
        jnp.where(happens["shift"][:, None], shift, 0),
    )


def _geometry(x: Array, keys: Array, draws: Draws) -> Array:
    happens, uniform, normal = draws
    scale, stretch = (jnp.exp2(jnp.where(happens[name], 0.2 * normal[name], 0.0)) for name in ("scale", "stretch"))
    before, after = (
        _rotation(jnp.where(happens[name], _angle(uniform[name]), 0.0))
        for name in ("rotation before", "rotation after")
    )
    moved = [normal[f"translation {axis}"] * side / 8 for axis, side in zip(_AXES, x.shape[1:3], strict=True)]
    shift = jnp.where(happens["translation"][:, None], jnp.stack(moved, axis=1), 0.0)
    stretched = before * jnp.stack([stretch, 1 / stretch], axis=1)[:, None, :]
    matrix = stretched @ after / column(scale, 3)
    gates = ("scale", "stretch", "translation", "rotation before", "rotation after")
    return _where(gates, happens, geometry.resample(x, matrix, shift), x)


def _color(x: Array, keys: Array, draws: Draws) -> Array:
    happens, uniform, normal = draws
    flip = happens["luma_flip"] & (uniform["luma_flip"] < 0.5)
    recoloured = appearance.recolour(
        x,
        jnp.where(happens["brightness"], 0.2 * normal["brightness"], 0.0),
        jnp.exp2(jnp.where(happens["contrast"], 0.5 * normal["contrast"], 0.0)),
        flip,
        jnp.where(happens["hue"], _angle(uniform["hue"]), 0.0),
        jnp.exp2(jnp.where(happens["saturation"], normal["saturation"], 0.0)),
    )
    return _where(GROUPS["color"], happens | {"luma_flip": flip}, recoloured, x)


def _filter(x: Array, keys: Array, draws: Draws) -> Array:
    """Each band in its turn is amplified, and all are scaled so that an expected spectrum would keep its power."""
    power = jnp.array([appearance.POWER], jnp.float32)
    gains = jnp.ones((x.shape[0], appearance.BANDS), jnp.float32)
    for band, name in enumerate(_BANDS):
        gain = jnp.exp2(jnp.where(draws.happens[name], draws.normal[name], 0.0))
        one = jnp.ones_like(gains).at[:, band].set(gain)
        gains = gains * one / jnp.sqrt(jnp.sum(power * jnp.square(one), axis=1, keepdims=True))
    return _where(_BANDS, draws.happens, appearance.filter_bands(x, gains), x)


def _noise(x: Array, keys: Array, draws: Draws) -> Array:
    sigma = jnp.where(draws.happens["noise"], 0.1 * jnp.abs(draws.normal["noise"]), 0.0)
    noise = draw(keys, "noise", lambda key: jax.random.normal(key, x.shape[1:], x.dtype))
    return x + column(sigma, 4).astype(x.dtype) * noise


def _cutout(x: Array, keys: Array, draws: Draws) -> Array:
    rows, columns = (
        jnp.abs((jnp.arange(side, dtype=jnp.float32)[None] + 0.5) / side - draws.uniform[f"cutout {axis}"][:, None])
        < 1 / 4
        for axis, side in zip(_AXES, x.shape[1:3], strict=True)
    )
    return appearance.erase(x, rows & draws.happens["cutout"][:, None], columns)


def _where(gates: tuple[str, ...], happens: dict[str, Array], changed: Array, x: Array) -> Array:
    """Takes the changed images where anything happened: the others are not even rounded."""
    any_of = jnp.any(jnp.stack([happens[name] for name in gates]), axis=0)
    return jnp.where(column(any_of, 4), changed, x)


def _angle(uniform: Array) -> Array:
    return jnp.pi * (2 * uniform - 1)


def _rotation(angle: Array) -> Array:
    """Angles [B] -> [B, 2, 2]."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([cos, -sin], axis=1), jnp.stack([sin, cos], axis=1)], axis=1)
