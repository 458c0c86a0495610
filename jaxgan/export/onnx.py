"""A trained generator as an ONNX file, by jax2onnx: of latents, with the number of samples free, weights inside.

What is handed to jax2onnx is the plain program: functions with derivatives of their own are opened, what no sample
depends on is left out, padding becomes the setting together of parts, and a convolution of an image with zeros between
its pixels that of the image with the zeros put there (jax2onnx 0.13 pads neither for a free number of samples). What no
input changes is a constant. The file is compared with the generator before it is kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array, export, lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxgan.types import Game, TrainState

OPENED = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where a primitive that calls a function keeps it
CALLS = {"jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat2", "checkpoint"}
TOLERANCE = 1e-4  # of the largest value, between the file under onnxruntime and the generator
SIZES = (1, 3)  # numbers of samples that are compared


def onnx(game: Game, state: TrainState, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes a game's generator as ONNX.

    Args:
      game: any whose samples are made of latents or pictures, without drawing numbers.
      state: its train state.
      inputs: two of what samples are asked with: "z" [2, Z] or "x" [2, H, W, C], and "y"; by name, arrays.
    Returns:
      The file: inputs by their names, with their first axis free, and "samples".
    Raises:
      ImportError: jax2onnx or onnxruntime is not there.
      ValueError: the generator cannot be written, with the reason; or the file makes other samples.
    """
    names = sorted(inputs)

    def generate(*given: Array) -> Any:
        return game.generate(state, jax.random.key(0), dict(zip(names, given, strict=True)))

    disabled = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)  # of plugins for other libraries, and of shapes that nobody needs
        to_onnx, onnxruntime = _converter()
        if odd := [name for name in names if inputs[name].dtype == object]:
            raise ValueError(f"it is asked with more than an array under {odd}")
        n = export.symbolic_shape("n")[0]
        forms = [jax.ShapeDtypeStruct((n, *np.shape(inputs[name])[1:]), inputs[name].dtype) for name in names]
        program = jax.make_jaxpr(generate)(*forms)
        _check(program)
        plain = _runs(program, forms)
        model = to_onnx(plain, inputs=forms, model_name="generator", input_names=names, output_names=["samples"])
        data: bytes = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        for size in SIZES:
            _compare(session, generate, {name: inputs[name] for name in names}, size)
    except ImportError:
        raise
    except Exception as error:  # whatever a converter that lacks a primitive, or a runtime that lacks a form, raises
        raise ValueError(
            f"this generator cannot be written as ONNX: {_reason(error)}; without --onnx it is written as StableHLO"
        ) from error
    finally:
        logging.disable(disabled)
    return data


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())[:300]
    lacking = re.search(r"for primitive '(\w+)'|No Op registered for (\w+)", words)
    if lacking:
        return f"there is no {lacking[1] or lacking[2]} in it"
    return words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}"


def _converter() -> tuple[Any, Any]:
    try:
        import onnxruntime
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ImportError("ONNX is written by jax2onnx: pip install 'jaxgan[onnx]'") from error
    return to_onnx, onnxruntime


def _compare(session: Any, generate: Callable[..., Any], inputs: Mapping[str, np.ndarray], size: int) -> None:
    """Refuses a file that makes of so many samples others than the generator."""
    rows = {name: np.resize(value, (size, *np.shape(value)[1:])) for name, value in inputs.items()}
    wanted = np.asarray(jax.jit(generate)(*rows.values()))
    (made,) = session.run(None, rows)
    if made.shape != wanted.shape:
        raise ValueError(f"the file makes samples {made.shape} where {wanted.shape} are meant")
    apart = np.abs(made - wanted).max() / max(np.abs(wanted).max(), 1e-30)
    if not apart <= TOLERANCE:
        raise ValueError(f"the file makes other samples, by {apart:.1e} of the largest value")


def _check(program: ClosedJaxpr) -> None:
    if len(program.out_avals) != 1:
        raise ValueError(f"it makes {len(program.out_avals)} arrays, not one")
    drawing = sorted(_primitives(program.jaxpr) & {"random_bits", "threefry2x32"})
    if drawing:
        raise ValueError(f"it draws numbers when it is used ({', '.join(drawing)}); a U-Net draws none with dropout 0")


def _primitives(jaxpr: Jaxpr) -> set[str]:
    """Returns the names of the primitives that results depend on, those within called functions too."""
    names = set()
    for eqn in _needed(jaxpr):
        names.add(eqn.primitive.name)
        inner = _opened(eqn)
        names |= _primitives(inner[0]) if inner else set()
    return names


def _opened(eqn: Any) -> tuple[Jaxpr, Sequence[Any]] | None:
    """Returns the function that an equation calls, and its constants; None where it calls none."""
    inner = next((eqn.params[name] for name in OPENED if name in eqn.params), None)
    if inner is None or eqn.primitive.name not in CALLS:
        return None
    return (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())


def _needed(jaxpr: Jaxpr) -> list[Any]:
    """Returns the equations that a result depends on, in order."""
    wanted = {id(var) for var in jaxpr.outvars}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        if any(id(var) in wanted for var in eqn.outvars):
            kept.append(eqn)
            wanted |= {id(var) for var in eqn.invars}
    return kept[::-1]


def _runs(program: ClosedJaxpr, forms: Sequence[jax.ShapeDtypeStruct]) -> Callable[..., Array]:
    """Returns the program as a function of plain primitives, in which what depends on no input is a constant.

    The norm of a weight is such, with the exact scaling (`frexp`) that ONNX has no equal of.
    """
    flat = jax.make_jaxpr(lambda *given: _called(program.jaxpr, program.consts, given))(*forms)
    weights = dict(zip(map(id, flat.jaxpr.constvars), flat.consts, strict=True))
    early, late = _parted(flat.jaxpr)
    made = {id(var) for eqn in early for var in eqn.outvars}
    read = {id(var): var for eqn in late for var in eqn.invars} | {id(var): var for var in flat.jaxpr.outvars}
    wanted = [var for place, var in read.items() if place in made]
    constants = jax.jit(lambda weights: _evaluated(early, weights, wanted))(weights)
    known = weights | dict(zip(map(id, wanted), constants, strict=True))

    def run(*given: Array) -> Array:
        inputs = dict(zip(map(id, flat.jaxpr.invars), given, strict=True))
        (samples,) = _evaluated(late, known | inputs, flat.jaxpr.outvars)
        return samples

    return run


def _parted(jaxpr: Jaxpr) -> tuple[list[Any], list[Any]]:
    """Returns the equations that depend on no input, not even on how many samples there are, and the others."""
    fixed, parts = set(map(id, jaxpr.constvars)), (list[Any](), list[Any]())
    for eqn in _needed(jaxpr):
        given = all(isinstance(var, Literal) or id(var) in fixed for var in eqn.invars)
        sized = all(isinstance(size, int) for var in eqn.outvars for size in var.aval.shape)
        parts[not (given and sized)].append(eqn)
        fixed |= set(map(id, eqn.outvars)) if given and sized else set()
    return parts


def _called(jaxpr: Jaxpr, consts: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    values = dict(zip(map(id, [*jaxpr.constvars, *jaxpr.invars]), [*consts, *given], strict=True))
    return _evaluated(_needed(jaxpr), values, jaxpr.outvars)


def _evaluated(equations: Sequence[Any], values: dict[int, Any], wanted: Sequence[Any]) -> list[Any]:
    """Returns values of variables, by equations and the values of those that none of them makes, by their ids."""
    values = dict(values)

    def value(var: Any) -> Any:
        return var.val if isinstance(var, Literal) else values[id(var)]

    for eqn in equations:
        arguments = list(map(value, eqn.invars))
        inner = _opened(eqn)
        if inner is not None:
            results = _called(*inner, arguments)
        elif eqn.primitive is lax.pad_p and all(step == 0 for _, _, step in eqn.params["padding_config"]):
            results = [_padded(arguments[0], arguments[1], eqn.params["padding_config"])]
        elif eqn.primitive.name == "stack":  # of which jax2onnx 0.13 knows nothing, as of its opposite
            axis = eqn.params["axis"]
            results = [lax.concatenate([lax.expand_dims(part, (axis,)) for part in arguments], axis)]
        elif eqn.primitive.name == "unstack":
            axis, x = eqn.params["axis"], arguments[0]
            results = [lax.index_in_dim(x, k, axis, keepdims=False) for k in range(x.shape[axis])]
        elif eqn.primitive is lax.conv_general_dilated_p and max(eqn.params["lhs_dilation"]) > 1:
            results = [_spread_conv(*arguments, **eqn.params)]
        else:
            made = eqn.primitive.bind(*arguments, **eqn.params)
            results = made if eqn.primitive.multiple_results else [made]
        values |= dict(zip(map(id, eqn.outvars), results, strict=True))
    return list(map(value, wanted))


def _padded(x: Array, value: Any, widths: Sequence[tuple[int, int, int]]) -> Array:
    """Pads, or crops where a width is negative, by parts of x itself, whose first axis is of no known size."""
    for axis, (low, high, _) in enumerate(widths):
        if low < 0 or high < 0:
            x = lax.slice_in_dim(x, max(0, -low), x.shape[axis] - max(0, -high), axis=axis)
        if low > 0 or high > 0:
            edge = lax.slice_in_dim(x, 0, 1, axis=axis) * np.zeros((), x.dtype) + value
            x = lax.concatenate([*[edge] * max(0, low), x, *[edge] * max(0, high)], axis)
    return x


def _spread_conv(x: Array, kernel: Array, *, padding: Any, lhs_dilation: Any, **settings: Any) -> Array:
    """Convolves x [B, H, W, C] with zeros between its pixels, which are put there first."""
    names = settings["dimension_numbers"].lhs_spec  # axes of batch, features, height and width
    down, across = lhs_dilation
    x = lax.transpose(x, (names[0], names[2], names[3], names[1]))
    batch, height, width, features = x.shape
    zero = np.zeros((), x.dtype)
    x = lax.reshape(x, (batch, height, 1, width, 1, features))
    x = lax.concatenate([x, *[x * zero] * (down - 1)], 2)
    x = lax.concatenate([x, *[x * zero] * (across - 1)], 4)
    x = lax.reshape(x, (batch, height * down, width * across, features))
    ends = [low_high[1] - (step - 1) for low_high, step in zip(padding, (down, across), strict=True)]
    x = _padded(x, zero, [(0, 0, 0), *((0, min(0, end), 0) for end in ends), (0, 0, 0)])
    back = tuple(int(k) for k in np.argsort((names[0], names[2], names[3], names[1])))
    pads = [(low_high[0], max(0, end)) for low_high, end in zip(padding, ends, strict=True)]
    return lax.conv_general_dilated(
        lax.transpose(x, back),
        kernel,
        settings["window_strides"],
        pads,
        rhs_dilation=settings["rhs_dilation"],
        dimension_numbers=settings["dimension_numbers"],
        feature_group_count=settings["feature_group_count"],
        batch_group_count=settings["batch_group_count"],
        precision=settings["precision"],
        preferred_element_type=settings["preferred_element_type"],
    )
