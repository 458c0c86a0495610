"""What the convolutions' own derivatives are worth: time of each against autodiff's, in turns, on this machine.

Command: python benchmarks/convolutions.py
Prints, for 4x4 kernels with stride 2, the medians of the kernel's gradient of a transposed convolution (against
`lax.conv_transpose`) and of the gradient of a gradient penalty through a strided convolution (against `nn.Conv`'s
`lax.conv_general_dilated`), and the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.layers import conv_transpose, strided_conv

RUNS = 15
LAYOUT = ("NHWC", "HWIO", "NHWC")


def reference_transpose(x: Array, kernel: Array) -> Array:
    """The same layer by `lax.conv_transpose`."""
    return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True)


def reference_conv(x: Array, kernel: Array) -> Array:
    """The same layer by `lax.conv_general_dilated`."""
    return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)


def kernel_gradient(layer: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Gradient of a scalar of the layer's output w.r.t. its kernel."""
    return jax.grad(lambda x, kernel: jnp.sum(jnp.square(layer(x, kernel))), argnums=1)


def penalty_gradient(layer: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Gradient w.r.t. the kernel of the squared gradient w.r.t. x: what R1 and WGAN-GP ask of a discriminator."""

    def penalty(x: Array, kernel: Array) -> Array:
        return jnp.sum(jnp.square(jax.grad(lambda x: jnp.sum(jnp.square(layer(x, kernel))))(x)))

    return jax.grad(penalty, argnums=1)


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arguments: Array) -> tuple[float, float]:
    """Returns both medians in milliseconds, measured in turns so that a drifting machine hits both."""
    compiled = [jax.jit(ours), jax.jit(theirs)]
    a, b = (jax.block_until_ready(f(*arguments)) for f in compiled)
    worst = float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)))
    if worst > 1e-4:
        raise ArithmeticError(f"the two forms differ by {worst:.1e}")
    times: list[list[float]] = [[], []]
    for _ in range(RUNS):
        for kept, f in zip(times, compiled, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(f(*arguments))
            kept.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Prints the table."""
    print(f"{jax.devices()[0].platform}, batch 64, 4x4 kernels, stride 2, medians of {RUNS} runs in turns")
    print(f"{'what':34} {'map':>16} {'ours ms':>9} {'autodiff ms':>12} {'ratio':>7}")
    keys = jax.random.split(jax.random.key(0), 2)
    for side, narrow, wide in ((16, 64, 32), (8, 128, 64), (4, 256, 128)):
        small = jax.random.normal(keys[0], (64, side, side, narrow))
        kernel = 0.05 * jax.random.normal(keys[1], (4, 4, wide, narrow))
        ours, theirs = compare(
            kernel_gradient(lambda x, k: conv_transpose(x, k, 2)), kernel_gradient(reference_transpose), small, kernel
        )
        shape = f"{side}x{side}x{narrow}->{wide}"
        print(f"{'transposed: kernel gradient':34} {shape:>16} {ours:9.1f} {theirs:12.1f} {theirs / ours:7.1f}")
        large = jax.random.normal(keys[0], (64, 2 * side, 2 * side, wide))
        ours, theirs = compare(
            penalty_gradient(lambda x, k: strided_conv(x, k, 2)), penalty_gradient(reference_conv), large, kernel
        )
        shape = f"{2 * side}x{2 * side}x{wide}->{narrow}"
        print(f"{'strided: gradient of a penalty':34} {shape:>16} {ours:9.1f} {theirs:12.1f} {theirs / ours:7.1f}")


if __name__ == "__main__":
    main()
