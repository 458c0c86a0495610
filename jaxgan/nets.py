"""Networks as losses see them: `nets["discriminator"](x, y)`, parameters, state and randomness already in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.errors import ScopeParamShapeError
from jax import Array

from jaxgan.precision import widened
from jaxgan.types import Network, PyTree


class Net(NamedTuple):
    """A network with its variables, called like the module; lives for one evaluation of a loss.

    What the network remembers (batch statistics, image pools) passes from call to call through `state`.
    """

    network: Network
    params: PyTree
    state: dict[str, PyTree]  # by collection; updated by every call that trains
    key: Array  # [] typed PRNG key of this network in this update
    axis_name: str | None  # the mapped axis, over whose devices plain dropout must not repeat
    train: bool
    calls: Iterator[int]  # numbers the calls, so that each draws its own dropout and noise

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Applies the network; `settings` go to its `apply` (`method="features"` calls another method of a module)."""
        outputs, updated = _apply(self, next(self.calls), inputs, settings)
        self.state.update(updated)
        return outputs


def frozen(net: Net) -> Callable[..., Any]:
    """Returns a pure view of a network inside a loss: same variables, and calls leave no trace in the model state.

    Penalties differentiate this view with respect to its input. Differentiating `nets[...]` itself would carry the
    updated batch statistics out of the inner `jax.grad`, and JAX raises `UnexpectedTracerError`; the remedy is
    `critic = frozen(nets["discriminator"])`. (Under `jax_debug_key_reuse` the same mistake reads "safe_zip() argument 1
    has length ...".)

    Args:
      net: an entry of the `nets` that a loss receives.
    Returns:
      (*inputs, **settings) -> outputs.
    """
    call, snapshot = next(net.calls), net._replace(state=dict(net.state))
    return lambda *inputs, **settings: _apply(snapshot, call, inputs, settings)[0]


def _apply(net: Net, call: int, inputs: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, dict[str, PyTree]]:
    """Returns (outputs, updated collections), passing only the settings that the network knows.

    Outputs narrower than float32 are widened here, so that losses, penalties and samples are in float32 whatever a
    network computes in.
    """
    variables = {"params": net.params, **net.state}
    linen = isinstance(net.network, nn.Module)
    settings = dict(settings)
    if _accepts(net.network, "train", settings.get("method")):
        settings = {"train": net.train} | settings
    if linen or _accepts(net.network, "rngs"):
        settings = {"rngs": _streams(jax.random.fold_in(net.key, call), net.axis_name)} | settings
    remembers = net.train and net.state and (linen or _accepts(net.network, "mutable"))
    if remembers:
        settings = settings | {"mutable": list(net.state)}
    try:
        found = net.network.apply(variables, *inputs, **settings)
    except ScopeParamShapeError as error:  # Linen's own class, which is no ValueError
        shapes = ", ".join(str(jax.tree.map(jnp.shape, x)) for x in inputs)
        raise ValueError(
            f"{type(net.network).__name__} is called with shapes {shapes}, which its parameters do not fit: it was "
            "initialised with inputs of another width or number of channels (latents are as wide as the prior's; data "
            f"have the channels of the first batch). {error}"
        ) from error
    outputs, updated = found if remembers else (found, {})
    return widened(outputs), updated


def initial_variables(name: str, network: Network, key: Array, inputs: tuple[Any, ...]) -> Mapping[str, PyTree]:
    """Initialises a network: a mapping with "params" and the collections that it updates.

    Raises:
      ValueError: a bare network's `init` returns no "params".
    """
    settings: dict[str, Any] = {"train": True} if isinstance(network, nn.Module) and _accepts(network, "train") else {}
    variables = network.init(_streams(key, None) if isinstance(network, nn.Module) else key, *inputs, **settings)
    if not isinstance(variables, Mapping) or (not isinstance(network, nn.Module) and "params" not in variables):
        raise ValueError(
            f"init of network {name!r} returned {type(variables).__name__} without 'params'; "
            "return {'params': ...} and any further collections that the network updates"
        )
    return variables


def _streams(key: Array, axis_name: str | None) -> dict[str, Array]:
    """Returns a call's random streams.

    Linen falls back to "params" for any name, a bridged NNX module to "default": layers that know nothing of devices,
    such as `nn.Dropout`, must draw anew on each. "global" is the same everywhere: layers of this library draw for the
    whole batch from it and take their part, so that the device count does not matter.
    """
    local = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
    return {"params": local, "default": jax.random.fold_in(local, 1), "global": jax.random.fold_in(key, 2)}


def _accepts(network: Network, argument: str, method: str | None = None) -> bool:
    """Tells whether calling the network takes an argument of this name (of an NNX module: the bridged class's call)."""
    if isinstance(network, nn.Module):
        function = getattr(getattr(network, "nnx_class", type(network)), method or "__call__")
    else:
        function = network.apply
    return argument in inspect.signature(function).parameters
