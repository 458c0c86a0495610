"""Networks as losses see them: `nets["discriminator"](x, y)`, parameters, state and randomness already in place."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.errors import InvalidRngError, ModifyScopeVariableError, ScopeParamShapeError
from jax import Array
from jax.extend.core import get_opaque_trace_state

from jaxgan.networks.pretrained import Pretrained
from jaxgan.precision import widened
from jaxgan.types import Network, PyTree

CALL = "__call__"  # the method that a plain call is of
_LINEN = {"method", "rngs", "mutable", "capture_intermediates"}  # settings of `apply` itself
Calls = Mapping[str, tuple[Any, ...]]  # by method: the arguments of a network


class Net(NamedTuple):
    """A network with its variables, called like the module; lives for one evaluation of a loss.

    What the network remembers (batch statistics, image pools) passes from call to call through `state`.
    """

    name: str
    network: Network
    params: PyTree
    state: dict[str, PyTree]  # by collection; updated by every call that trains
    average: (
        Mapping[str, PyTree] | None
    )  # of its variables, {"params": ..., <collection>: ...}, where the game keeps one
    key: Array  # [] typed PRNG key of this network in this update
    axis_name: str | None  # the mapped axis, over whose devices plain dropout must not repeat
    train: bool
    calls: Iterator[int]  # numbers the calls, so that each draws its own dropout and noise
    level: Any  # JAX's transformation in which the loss is evaluated
    through: Callable[[Any], Any] | None = None  # what its first input passes through: a view of a frozen network

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Applies the network; `settings` go to its `apply` (`method="features"` calls another method of a module).

        Raises:
          ValueError: a network that remembers or draws is called inside a `scan`, `vmap`, `grad` or `cond` of the loss.
        """
        if get_opaque_trace_state() != self.level:
            _refuse_inside(self, inputs, settings)
        outputs, updated = _apply(self, next(self.calls), inputs, settings)
        _check_statistics(self, updated)
        self.state.update(updated)
        return outputs


def net(
    name: str,
    network: Network,
    params: PyTree,
    state: Mapping[str, PyTree],
    *,
    key: Array,
    train: bool,
    average: Mapping[str, PyTree] | None = None,
    axis_name: str | None = None,
) -> Net:
    """Makes a network callable for one evaluation of a loss, in the transformation of now; fields as of `Net`.

    A pretrained network is called as the network that it is: what it names, such as `train`, is asked of that.
    """
    network = network.network if isinstance(network, Pretrained) else network
    level = get_opaque_trace_state()
    return Net(name, network, params, dict(state), average, key, axis_name, train, itertools.count(), level)


def frozen(net: Net, step: Any = None) -> Callable[..., Any]:
    """Returns a pure view of a network inside a loss: same variables, and calls leave no trace in the model state.

    Penalties differentiate this view with respect to its input. Calls of `nets[...]` itself inside `jax.grad`, `scan`
    or `vmap` would carry the updated batch statistics out of that transformation, so they are refused by name; the
    remedy is `critic = frozen(nets["discriminator"])`.

    All calls of one view draw the same dropout and noise. Inside a `scan` or `vmap`, `frozen(net, step)` draws anew for
    each step.

    Args:
      net: an entry of the `nets` that a loss receives.
      step: [] int32, of a loop inside the loss; None outside of loops.
    Returns:
      (*inputs, **settings) -> outputs.
    """
    call, snapshot = next(net.calls), net._replace(state=dict(net.state))
    if step is not None:
        snapshot = snapshot._replace(key=jax.random.fold_in(net.key, step))
    return lambda *inputs, **settings: _apply(snapshot, call, inputs, settings)[0]


def averaged(net: Net, train: bool = False) -> Callable[..., Any]:
    """Returns a frozen view of a network's averaged variables: a lagged policy, a mean teacher, a slow target.

    No gradient passes to the average: it is a part of the train state that no player owns.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp
      >>> two, one = ({"kernel": jnp.full((1, 1), weight)} for weight in (2.0, 1.0))
      >>> layer, key, average = nn.Dense(1, use_bias=False), jax.random.key(0), {"params": one}
      >>> here = net("net", layer, two, {}, key=key, train=True, average=average)
      >>> here(jnp.ones((1, 1))).item(), averaged(here)(jnp.ones((1, 1))).item()
      (2.0, 1.0)

    Args:
      net: an entry of the `nets` that a loss receives.
      train: whether the view is told that it trains (batch statistics of the batch, dropout).
    Returns:
      (*inputs, **settings) -> outputs, as of `frozen`.
    Raises:
      ValueError: the game keeps no average of this network.
    References:
      Tarvainen, Valpola. Mean teachers are better role models. NeurIPS 2017.
    """
    if net.average is None:
        raise ValueError(
            f"averaged: no average of network {net.name!r} is kept; make the game with ema={{{net.name!r}: 0.999}}"
        )
    state = {collection: value for collection, value in net.average.items() if collection != "params"}
    return frozen(net._replace(params=net.average["params"], state=state, train=train))


def _apply(net: Net, call: int, inputs: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, dict[str, PyTree]]:
    """Returns (outputs, updated collections), passing only the settings that the network knows.

    Outputs narrower than float32 are widened here, so that losses, penalties and samples are in float32 whatever a
    network computes in.
    """
    if net.through:
        inputs = (net.through(inputs[0]), *inputs[1:])
    variables = {"params": net.params, **net.state}
    linen = isinstance(net.network, nn.Module)
    settings = dict(settings)
    _check_settings(net, settings)
    if accepts(net.network, "train", settings.get("method")):
        settings = {"train": net.train} | settings
    if linen or accepts(net.network, "rngs"):
        settings = {"rngs": _streams(jax.random.fold_in(net.key, call), net.axis_name)} | settings
    remembers = _remembers(net)
    if remembers:
        settings = settings | {"mutable": list(net.state)}
    try:
        applied = net.network.apply(variables, *inputs, **settings)
    except ScopeParamShapeError as error:  # Linen's own class, which is no ValueError
        shapes = ", ".join(str(jax.tree.map(jnp.shape, x)) for x in inputs)
        raise ValueError(
            f"{type(net.network).__name__} is called with shapes {shapes}, which its parameters do not fit: it was "
            "initialised with inputs of another width or number of channels (latents are as wide as the prior's; data "
            f"have the channels of the first batch). {error}"
        ) from error
    except ModifyScopeVariableError as error:
        raise ValueError(f"{_UNTOLD.format(f'network {net.name!r}')} ({error})") from error
    outputs, updated = applied if remembers else (applied, {})
    return widened(outputs), updated


def _check_settings(net: Net, settings: Mapping[str, Any]) -> None:
    """Raises for a setting that a Linen module's method does not name, such as `training` for `train`."""
    if isinstance(net.network, nn.Module) and not hasattr(net.network, "nnx_class"):
        method = settings.get("method") or CALL
        names = inspect.signature(getattr(type(net.network), method)).parameters if isinstance(method, str) else {}
        loose = any(p.kind is p.VAR_KEYWORD for p in names.values())
        if names and not loose and (unknown := sorted(set(settings) - set(names) - _LINEN)):
            raise ValueError(f"network {net.name!r} is called with {unknown}; its {method} takes {list(names)[1:]}")


_UNTOLD = (
    "{} keeps batch statistics, but its __call__ takes no `train`, so that it cannot use them when it does not train; "
    "write __call__(self, ..., train) and nn.BatchNorm(use_running_average=not train)"
)


def _check_statistics(net: Net, updated: Mapping[str, PyTree]) -> None:
    """Raises where batch statistics move in a network that is not told whether it trains."""
    before, after = (jax.tree.leaves(state.get("batch_stats")) for state in (net.state, updated))
    moved = any(old is not new for old, new in zip(before, after, strict=False))
    if moved and not accepts(net.network, "train"):
        raise ValueError(_UNTOLD.format(f"network {net.name!r}"))


def _remembers(net: Net) -> bool:
    known = isinstance(net.network, nn.Module) or accepts(net.network, "mutable")
    return bool(net.train and net.state and known)


def _refuse_inside(net: Net, inputs: tuple[Any, ...], settings: dict[str, Any]) -> None:
    """Raises where a call inside a transformation would leak its state, or repeat its noise at every step of it."""
    remedy = (
        f"call a view, frozen(nets[{net.name!r}]), or in a loop frozen(nets[{net.name!r}], step), which draws anew for "
        "each step; a view leaves the state as it is"
    )
    if _remembers(net):
        raise ValueError(
            f"network {net.name!r} keeps {sorted(net.state)} and is called inside a scan, vmap, grad or cond of a "
            f"loss, which its state cannot leave; {remedy}"
        )
    if _draws(net, inputs, settings):
        raise ValueError(
            f"network {net.name!r} draws noise and is called inside a scan, vmap, grad or cond of a loss, where every "
            f"step would repeat it; {remedy}"
        )


def _draws(net: Net, inputs: tuple[Any, ...], settings: dict[str, Any]) -> bool:
    """Tells whether a call draws random numbers, which Linen says when it has no keys to draw from."""
    if not isinstance(net.network, nn.Module):
        return accepts(net.network, "rngs")
    silent = settings | {"rngs": {}}
    try:
        jax.eval_shape(lambda: _apply(net, 0, inputs, silent)[0])
    except InvalidRngError:
        return True
    return False


def initial_variables(name: str, network: Network, key: Array, calls: Calls) -> Mapping[str, PyTree]:
    """Initialises a network: a mapping with "params" and the collections that it updates.

    Args:
      name: of the network, for errors.
      network: what to initialise.
      key: [] typed key.
      calls: by method, `CALL` for the network's call itself, the arguments; methods alone make what they touch.
    Raises:
      ValueError: a bare network's `init` returns no "params".
    """
    if isinstance(network, nn.Module):
        variables = _initial_module(network, _streams(key, None), calls)
    else:
        variables = network.init(key, *next(iter(calls.values())))
    if not isinstance(variables, Mapping) or (not isinstance(network, nn.Module) and "params" not in variables):
        raise ValueError(
            f"init of network {name!r} returned {type(variables).__name__} without 'params'; "
            "return {'params': ...} and any further collections that the network updates"
        )
    return variables


def initial_call(
    name: str, network: Network, key: Array, method: str, inputs: tuple[Any, ...], settings: Mapping[str, Any]
) -> tuple[Any, Mapping[str, PyTree]]:
    """Returns the outputs of a network that is initialised by this call, and its variables; arguments as of `Net`."""
    if isinstance(network, nn.Module):
        settings = _training(network, method) | dict(settings)
        made = network.init_with_output(_streams(key, None), *inputs, method=method, **settings)
        return widened(made[0]), made[1]
    variables = initial_variables(name, network, key, {method: inputs})
    state = {collection: value for collection, value in variables.items() if collection != "params"}
    call = {"method": method} if method != CALL else {}
    newborn = net(name, network, variables.get("params", {}), state, key=key, train=True)
    return newborn(*inputs, **call | dict(settings)), variables


def _initial_module(module: nn.Module, streams: dict[str, Array], calls: Calls) -> Mapping[str, PyTree]:
    if CALL in calls:
        return module.init(streams, *calls[CALL], **_training(module, CALL))

    def methods(bound: nn.Module) -> None:
        for method, inputs in calls.items():
            getattr(bound, method)(*inputs, **_training(module, method))

    return module.init(streams, method=methods)


def _training(module: nn.Module, method: str) -> dict[str, Any]:
    """Returns what tells a module, where it wants to know, that it trains."""
    if accepts(module, "train", method):
        return {"train": True}
    for name in ("training", "is_training"):
        if accepts(module, name, method):
            raise ValueError(f"{type(module).__name__} takes an argument {name!r}, which nobody sets; call it 'train'")
    return {}


def _streams(key: Array, axis_name: str | None) -> dict[str, Array]:
    """Returns a call's random streams.

    Linen falls back to "params" for any name, a bridged NNX module to "default": layers that know nothing of devices,
    such as `nn.Dropout`, must draw anew on each. "global" is the same everywhere: layers of this library draw for the
    whole batch from it and take their part, so that the device count does not matter.
    """
    local = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
    return {"params": local, "default": jax.random.fold_in(local, 1), "global": jax.random.fold_in(key, 2)}


def accepts(network: Network, argument: str, method: str | None = None) -> bool:
    """Tells whether calling the network takes an argument of this name (of an NNX module: the bridged class's call)."""
    if isinstance(network, nn.Module):
        function = getattr(getattr(network, "nnx_class", type(network)), method or CALL)
    else:
        function = network.apply
    return argument in inspect.signature(function).parameters
