"""What the form of each convolution is worth: CPU seconds of the one that is used beside those of others, in turns.

Command: python -m benchmarks convolutions [--part grouped filters ...] [--rounds 11] [--json PATH] [--chart PATH]
Every contest is one product of one shape: the form that `jaxgan.networks.layers` uses on this backend, that of `lax` or
of autodiff, and those that were tried and lost. All are checked to give the same numbers. Ratios above 1: ours is
faster. On a GPU or TPU the layers use `lax`'s forms, and ratios are near 1 where that is a contestant.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import pairs
from jaxgan.networks.layers import conv_transpose, resampling, strided_conv
from jaxgan.networks.layers import convolutions as layers
from jaxgan.networks.layers.modulated import modulated_conv
from jaxgan.networks.layers.resampled import resampled_conv

LAYOUT = ("NHWC", "HWIO", "NHWC")
OURS = "ours"
Layer = Callable[..., Any]


class Contest(NamedTuple):
    """One product of one shape."""

    title: str
    forms: dict[str, Layer]  # ours first; all compute the same
    arguments: tuple[Array, ...]


def reference_transpose(x: Array, kernel: Array) -> Array:
    """A transposed convolution of stride 2, [k, k, O, I], by `lax.conv_transpose`: of an image with holes."""
    return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True)


def reference_conv(x: Array, kernel: Array, stride: int = 2, groups: int = 1) -> Array:
    """A convolution by `lax.conv_general_dilated`."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT, feature_group_count=groups
    )


def kernel_gradient(layer: Layer) -> Layer:
    """Gradient of a scalar of the layer's output w.r.t. its kernel."""
    return jax.grad(lambda x, kernel: jnp.sum(jnp.square(layer(x, kernel))), argnums=1)


def penalty_gradient(layer: Layer) -> Layer:
    """Gradient w.r.t. the kernel of the squared gradient w.r.t. x: what R1 and WGAN-GP ask of a discriminator."""

    def penalty(x: Array, kernel: Array) -> Array:
        return jnp.sum(jnp.square(jax.grad(lambda x: jnp.sum(jnp.square(layer(x, kernel))))(x)))

    return jax.grad(penalty, argnums=1)


def gradients(layer: Layer) -> Layer:
    """Both gradients of a scalar of the layer's output: (x, kernel, ...) -> those w.r.t. x and the kernel."""
    return jax.grad(lambda *given: jnp.sum(jnp.square(layer(*given))), argnums=(0, 1))


def normal(*shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Draws arrays of these shapes; those of kernels are so small that outputs are of unit size."""
    keys = jax.random.split(jax.random.key(0), len(shapes))
    scales = [1.0] + [float(np.prod(shape[:-1])) ** -0.5 for shape in shapes[1:]]
    return tuple(s * jax.random.normal(key, shape) for key, shape, s in zip(keys, shapes, scales, strict=True))


def overlap_add(x: Array, kernel: Array) -> Array:
    """A transposed convolution of 4x4, stride 2, as one product [B H W, I] by [I, 16 O] and shifted sums."""
    (b, height, width, _), features = x.shape, kernel.shape[2]
    parts = jnp.einsum("bhwi,klio->bhwklo", x, kernel.swapaxes(2, 3))
    whole = jnp.zeros((b, 2 * height + 2, 2 * width + 2, features), x.dtype)
    for row, column in np.ndindex(4, 4):
        edges = [(0, 0, 0), (row, 3 - row, 1), (column, 3 - column, 1), (0, 0, 0)]
        whole = whole + lax.pad(parts[:, :, :, row, column], jnp.zeros((), x.dtype), edges)
    return whole[:, 1:-1, 1:-1]


def sub_pixel(x: Array, kernel: Array) -> Array:
    """The same as one 3x3 convolution of all four phases, of whose taps more than half are zero, and a shuffle."""
    (b, height, width, _), features = x.shape, kernel.shape[2]
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    phases = []
    for row, column in np.ndindex(2, 2):
        edges = ((row, 1 - row), (column, 1 - column), (0, 0), (0, 0))
        phases.append(jnp.pad(turned[row::2, column::2], edges))
    mixed = reference_conv(x, jnp.concatenate(phases, -1), 1).reshape(b, height, width, 2, 2, features)
    return mixed.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * height, 2 * width, features)


def transposed() -> Iterator[Contest]:
    """Forward pass of DCGAN's three transposed convolutions, of which ours is in four phases but for 3 outputs."""
    for side, inputs, outputs in ((4, 256, 128), (8, 128, 64), (16, 64, 3)):
        forms = {OURS: lambda x, k: conv_transpose(x, k, 2), "with holes": reference_transpose}
        forms |= {"one product, overlap-add": overlap_add, "one 3x3, shuffled": sub_pixel}
        yield Contest(
            f"64x{side}x{side}x{inputs}->{outputs}", forms, normal((64, side, side, inputs), (4, 4, outputs, inputs))
        )


def windows(g: Array) -> list[Array]:
    """The sixteen strided windows [B, H, W, O] of a padded map [B, 2H, 2W, O] that the taps of 4x4, stride 2, meet."""
    height, width = g.shape[1:3]
    padded = jnp.pad(g, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, row : row + height : 2, column : column + width : 2] for row, column in np.ndindex(4, 4)]


def sixteen_products(g: Array, x: Array) -> Array:
    """The kernel's gradient [4, 4, O, I] as a matrix product for each tap."""
    products = [jnp.einsum("bhwo,bhwi->oi", window, x) for window in windows(g)]
    return jnp.stack(products).reshape(4, 4, g.shape[-1], x.shape[-1])


def one_product(g: Array, x: Array) -> Array:
    """The kernel's gradient [4, 4, O, I] as one matrix product of all windows (im2col)."""
    patches = jnp.stack(windows(g), 3)
    return jnp.einsum("bhwto,bhwi->toi", patches, x).reshape(4, 4, g.shape[-1], x.shape[-1])


def whole(g: Array, x: Array, stride: int = 2) -> Array:
    """The kernel's gradient, 4x4 of stride 2 or 3x3, as one convolution with the examples as features."""
    kernel = lax.conv_general_dilated(
        g.transpose(3, 1, 2, 0),
        x.transpose(1, 2, 0, 3),
        (1, 1),
        ((1, 1), (1, 1)),
        rhs_dilation=(stride, stride),
        dimension_numbers=LAYOUT,
    )
    return kernel.transpose(1, 2, 0, 3)


def kernel_gradients() -> Iterator[Contest]:
    """Kernels' gradients of 4x4, stride 2: transposed, and through the gradient of a penalty; and of plain 3x3."""

    def autodiffs(g: Array, x: Array) -> Array:
        kernel = jax.ShapeDtypeStruct((4, 4, g.shape[-1], x.shape[-1]), x.dtype)
        return jax.linear_transpose(lambda kernel: reference_transpose(x, kernel), kernel)(g)[0]

    for side, narrow, wide in ((4, 256, 128), (8, 128, 64), (16, 64, 32)):
        forms: dict[str, Layer] = {OURS: lambda g, x: layers.kernel_gradient(g, x, 2, (4, 4))}
        forms |= {"autodiff": autodiffs, "sixteen products": sixteen_products, "patches, one product": one_product}
        shapes = (64, 2 * side, 2 * side, wide), (64, side, side, narrow)
        forms["batch as a whole"] = whole
        yield Contest(f"transposed 64x{side}x{side}x{narrow}->{wide}", forms, normal(*shapes))
    for batch, side, features in ((16, 32, 256), (32, 16, 128)):
        forms = {
            OURS: lambda x, g: layers.conv_kernel_gradient(x, g, layers.same((3, 3))),
            "batch as a whole": functools.partial(whole, stride=1),
        }
        shape = (batch, side, side, features)
        yield Contest(f"3x3 {batch}x{side}x{side}x{features}", forms, normal(shape, shape))
    for side, narrow, wide in ((8, 256, 128), (16, 128, 64)):
        forms = {
            OURS: penalty_gradient(lambda x, k: strided_conv(x, k, 2)),
            "autodiff": penalty_gradient(reference_conv),
        }
        title = f"of a penalty 64x{side}x{side}x{wide}->{narrow}"
        yield Contest(title, forms, normal((64, side, side, wide), (4, 4, wide, narrow)))


def one_after_the_other(x: Array, kernel: Array, direction: str, taps: resampling.Filter) -> Array:
    """A 3x3 convolution of the upsampled image, or of the filtered one, of which every second pixel is kept.

    XLA's convolution without padding takes up to three times as long as one with, so that a margin is made and cut off.
    """
    size, pads = len(taps), layers.same(kernel.shape)
    if direction == "down":
        edges = ((size - 1) // 2 + 1, (size - 2) // 2 + 1)
        y = layers.conv(resampling.upfirdn(x, resampling.fir(taps), pad=edges), kernel, pads)
        return y[:, 1:-1:2, 1:-1:2]
    beyond = 0 if size == 2 else 1  # pixels beyond the edges, where a long filter leaves something
    edges = ((size + 1) // 2 + beyond, (size - 2) // 2 + beyond)
    y = layers.conv(resampling.upfirdn(x, resampling.fir(taps, 2), up=2, pad=edges), kernel, pads)
    return y[:, beyond : y.shape[1] - beyond, beyond : y.shape[2] - beyond]


def resampled() -> Iterator[Contest]:
    """3x3 convolutions of doubled images, and halved ones, by copies or the bilinear filter; forward and gradients."""
    filters = {"copies or means": resampling.NEAREST, "bilinear": resampling.BILINEAR}
    for direction, side, features in (("up", 8, 256), ("down", 16, 128)):
        for name, taps in filters.items():
            forms: dict[str, Layer] = {
                OURS: functools.partial(resampled_conv, **{direction: 2}, taps=taps),
                "one after the other": functools.partial(one_after_the_other, direction=direction, taps=taps),
            }
            title = f"{direction}, {name}, 16x{side}x{side}x{features}"
            given = normal((16, side, side, features), (3, 3, features, features))
            yield Contest(f"{title}, forward", forms, given)
            yield Contest(f"{title}, gradients", {form: gradients(f) for form, f in forms.items()}, given)


def shifted_products(x: Array, kernel: Array, groups: int) -> Array:
    """A grouped 3x3 convolution as nine shifted batches of matrix products."""
    b, height, width, _ = x.shape
    weights = kernel.reshape(3, 3, kernel.shape[2], groups, -1)
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(b, height + 2, width + 2, groups, -1)
    total = jnp.zeros((), x.dtype)
    for row, column in np.ndindex(3, 3):
        window = padded[:, row : row + height, column : column + width]
        total = total + jnp.einsum("bhwgi,igo->bhwgo", window, weights[row, column])
    return total.reshape(b, height, width, -1)


def grouped() -> Iterator[Contest]:
    """Grouped 3x3 convolutions, forward and the kernel's gradient; `lax`'s gradient of large maps takes seconds."""
    for batch, side, features, groups in ((8, 16, 128, 8), (16, 32, 128, 8)):
        x, kernel = normal((batch, side, side, features), (3, 3, features // groups, features))
        pads = layers.same(kernel.shape)
        forms: dict[str, Layer] = {
            OURS: lambda x, k, pads=pads, groups=groups: layers.conv(x, k, pads, groups),
            "lax": functools.partial(reference_conv, stride=1, groups=groups),
            "nine shifted products": functools.partial(shifted_products, groups=groups),
        }
        title = f"{batch}x{side}x{side}x{features} in {groups} groups"
        yield Contest(f"{title}, forward", forms, (x, kernel))
        gradient = {form: kernel_gradient(f) for form, f in forms.items() if form != "lax" or side == 16}
        yield Contest(f"{title}, kernel gradient", gradient, (x, kernel))


def few() -> Iterator[Contest]:
    """3x3 convolutions to few outputs, as images are, whose forward pass is one matrix product and shifted sums."""
    for outputs in (1, 3, 8):
        forms: dict[str, Layer] = {
            OURS: lambda x, k: layers.conv(x, k, layers.same(k.shape)),
            "lax": functools.partial(reference_conv, stride=1),
        }
        yield Contest(f"32x32x32x64->{outputs}", forms, normal((32, 32, 32, 64), (3, 3, 64, outputs)))


def in_a_conditional(function: Layer) -> Layer:
    """The same function as one branch, which is taken."""

    def chosen(*given: Array) -> Any:
        return lax.cond(jnp.sum(given[0]) < 1e9, function, lambda *given: jnp.zeros_like(function(*given)), *given)

    return chosen


def loops() -> Iterator[Contest]:
    """Kernels' gradients inside of a conditional, where XLA's CPU compiler does not put axes into the quick order."""
    both_layers: dict[int, tuple[Layer, Layer]] = {
        3: (lambda x, k: layers.conv(x, k, layers.same(k.shape)), functools.partial(reference_conv, stride=1)),
        4: (lambda x, k: strided_conv(x, k, 2), reference_conv),
    }
    for side, (ours, theirs) in both_layers.items():
        forms = {OURS: in_a_conditional(kernel_gradient(ours)), "ours, outside": kernel_gradient(ours)}
        forms["autodiff of lax"] = in_a_conditional(kernel_gradient(theirs))
        given = normal((16, 16, 16, 32), (side, side, 32, 64))
        yield Contest(f"{side}x{side}, stride {side - 2}, 16x16x16x32->64, in a conditional", forms, given)


def banded(size: int, taps: np.ndarray, up: int, down: int, pad: tuple[int, int]) -> np.ndarray:
    """The matrix [outputs, size] of `resampling.upfirdn` along one axis."""
    outputs = (up * size + sum(pad) - len(taps)) // down + 1
    place = down * np.arange(outputs)[:, None] + len(taps) - 1 - pad[0] - up * np.arange(size)[None]
    return np.where((place >= 0) & (place < len(taps)), taps[place.clip(0, len(taps) - 1)], 0.0).astype(np.float32)


def filters() -> Iterator[Contest]:
    """StyleGAN2's filter of four taps, and its adjoint: sums of shifted images, or products with banded matrices."""
    shape, taps = (32, 32, 32, 32), resampling.fir(resampling.BILINEAR)
    settings = {"blur": {"pad": (2, 1)}, "down": {"down": 2, "pad": (1, 1)}, "up": {"up": 2, "pad": (2, 1)}}
    for name, setting in settings.items():
        matrix = banded(shape[1], taps, **({"up": 1, "down": 1} | setting))
        forms: dict[str, Layer] = {
            OURS: functools.partial(resampling.upfirdn, kernel=taps, **setting),
            "banded matrices": lambda x, m=matrix: jnp.einsum("nh,bhwc,mw->bnmc", m, x, m),
        }
        (x,) = normal(shape)
        yield Contest(f"{name} 32x32x32x32, forward", forms, (x,))
        adjoint = {form: lambda g, f=f: jax.vjp(f, jnp.zeros(shape))[1](g)[0] for form, f in forms.items()}
        yield Contest(f"{name} 32x32x32x32, adjoint", adjoint, (forms[OURS](x),))


def strided() -> Iterator[Contest]:
    """Forward pass of DCGAN's strided convolutions: the batch as a whole, or in four parts."""

    def in_parts(x: Array, kernel: Array) -> Array:
        y = lax.map(lambda part: strided_conv(part, kernel, 2), x.reshape(4, -1, *x.shape[1:]))
        return y.reshape(-1, *y.shape[2:])

    for side, inputs, outputs in ((16, 64, 128), (8, 128, 256)):
        forms: dict[str, Layer] = {OURS: lambda x, k: strided_conv(x, k, 2), "in four parts": in_parts}
        given = normal((64, side, side, inputs), (4, 4, inputs, outputs))
        yield Contest(f"64x{side}x{side}x{inputs}->{outputs}", forms, given)


def modulated() -> Iterator[Contest]:
    """StyleGAN2's convolution with a kernel for each example: scaled images and one kernel, or kernels in groups."""
    for up, side, features in ((1, 16, 64), (2, 8, 64)):
        forms: dict[str, Layer] = {
            OURS: functools.partial(modulated_conv, up=up),
            "a kernel for each example": functools.partial(modulated_conv, up=up, grouped=True),
        }
        given = normal((16, side, side, features), (3, 3, features, features), (16, features))
        title = f"up={up}, 16x{side}x{side}x{features}"
        yield Contest(f"{title}, forward", forms, given)
        yield Contest(f"{title}, gradients", {form: gradients(f) for form, f in forms.items()}, given)


PARTS: dict[str, Callable[[], Iterator[Contest]]] = {
    "strided": strided,
    "transposed": transposed,
    "kernel_gradients": kernel_gradients,
    "resampled": resampled,
    "grouped": grouped,
    "few": few,
    "loops": loops,
    "filters": filters,
    "modulated": modulated,
}


def measured(contest: Contest, rounds: int, seconds: float) -> dict[str, pairs.Comparison]:
    """Times the forms of one contest in turns.

    Args:
      contest: its forms.
      rounds: at most.
      seconds: that they may take.
    Returns:
      By form, each beside ours.
    Raises:
      ArithmeticError: a form gives other numbers than ours.
    """
    compiled = {form: jax.jit(f).lower(*contest.arguments).compile() for form, f in contest.forms.items()}
    expected = jax.tree.leaves(compiled[OURS](*contest.arguments))
    for form, f in compiled.items():
        for theirs, own in zip(jax.tree.leaves(f(*contest.arguments)), expected, strict=True):
            difference = float(jnp.max(jnp.abs(theirs - own)) / jnp.max(jnp.abs(own)))
            if not difference < 1e-4:
                raise ArithmeticError(f"{contest.title}: {form!r} differs from ours by {difference:.1e}")
    ways = {form: lambda f=f: jax.block_until_ready(f(*contest.arguments)) for form, f in compiled.items()}
    return pairs.compared(pairs.interleaved(ways, rounds, seconds=seconds), OURS)


def rows(contest: str, comparisons: dict[str, pairs.Comparison]) -> str:
    """Writes one line for each form."""
    lines = [contest]
    for form, each in comparisons.items():
        ratio = f"{each.cpu_ratio.median:8.2f} [{each.cpu_ratio.low:.2f} {each.cpu_ratio.high:.2f}]"
        lines.append(f"    {form:28} {1e3 * each.cpu.median:9.2f} CPU ms {ratio if form != OURS else ''}")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks convolutions", description=__doc__.split("\n")[0])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=4.0, help="that the rounds of one product may take")
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    print(
        f"{jax.default_backend()}; medians of {flags.rounds} rounds in turns; ratios to ours, pair by pair [quartiles]"
    )
    results: dict[str, dict[str, dict[str, pairs.Comparison]]] = {}
    for part in flags.part:
        print(f"\n{part}", flush=True)
        results[part] = {}
        for contest in PARTS[part]():
            results[part][contest.title] = comparisons = measured(contest, flags.rounds, flags.seconds)
            print(rows(contest.title, comparisons), flush=True)
    if flags.json:
        pairs.write_json(flags.json, results)
    if flags.chart:
        bars = {
            title: {form: each.cpu_ratio for form, each in forms.items() if form != OURS}
            for contests in results.values()
            for title, forms in contests.items()
        }
        pairs.draw_bars(flags.chart, bars, "CPU seconds by those of our form (above 1: ours is faster)", line=1.0)


if __name__ == "__main__":
    main()
