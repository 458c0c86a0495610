"""Games of a few numbers, played by the library's own train step, and the operator that a step is on them."""

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

import jaxgan as jg

BATCH = {"x": np.zeros((1, 1), np.float32)}


class Numbers(nn.Module):
    """A network that is its parameters."""

    size: int = 1

    @nn.compact
    def __call__(self):
        return self.param("w", nn.initializers.ones, (self.size,))


def game(losses, optimizers, dynamics=None, sizes=None, updates=None, gradient=None, **settings):
    """A game of one Numbers for each player: losses maps its name to a function of all players' numbers."""

    def loss_of(name):
        return lambda nets, batch, turn: (losses[name](*(nets[n]() for n in losses)), {})

    players = {
        name: jg.Player(
            (name,),
            loss_of(name),
            optimizers[name],
            (updates or {}).get(name, 1),
            (gradient or {}).get(name, jg.types.autodiff),
        )
        for name in losses
    }
    networks = {name: Numbers((sizes or {}).get(name, 1)) for name in losses}
    system = jg.System(players, lambda batch: dict.fromkeys(losses, ()), lambda *_: None)
    return jg.game(networks, system, dynamics=dynamics, **settings)


def bilinear(optimizer, dynamics=None, **settings):
    """min_x max_y xy, both players minimising."""
    losses = {"x": lambda x, y: jnp.sum(x * y), "y": lambda x, y: -jnp.sum(x * y)}
    return game(losses, dict.fromkeys(losses, optimizer), dynamics, **settings)


def state_at(made, point):
    """A state whose players have these numbers, in the order of their names."""
    count = made.updates
    state = made.init(jax.random.key(0), {"x": np.zeros((count, 1), np.float32)})
    params = {
        name: {"w": jnp.atleast_1d(jnp.asarray(w, jnp.float32))} for name, w in zip(state.params, point, strict=True)
    }
    return state._replace(params=params)


def numbers(state):
    """All players' numbers, in the order of their names, [n]."""
    return jnp.concatenate([p["w"] for p in state.params.values()])


def operator(made, point):
    """The Jacobian of the train step at a point, w.r.t. all players' numbers: [n, n] float64."""
    start = state_at(made, point)
    flat, unflatten = jax.flatten_util.ravel_pytree(start.params)
    batch = {"x": np.zeros((made.updates, 1), np.float32)}

    def step(flat):
        return jax.flatten_util.ravel_pytree(made.train_step(start._replace(params=unflatten(flat)), batch)[0].params)[
            0
        ]

    return np.asarray(jax.jacrev(step)(flat), np.float64)


def radius(matrix):
    """Its spectral radius."""
    return max(abs(np.linalg.eigvals(matrix)))


def trajectory(made, point, steps):
    """Players' numbers after every step, [steps + 1, n]."""
    batch, start = {"x": np.zeros((made.updates, 1), np.float32)}, state_at(made, point)

    def step(state, _):
        state = made.train_step(state, batch)[0]
        return state, numbers(state)

    # Optax's optimistic descent begins in JAX's widest type, and goes on in that of its gradients.
    types = jax.eval_shape(step, start, None)[0]
    begin = jax.tree.map(lambda leaf, kind: leaf.astype(kind.dtype) if leaf.dtype != kind.dtype else leaf, start, types)
    after = jax.jit(lambda state: jax.lax.scan(step, state, length=steps)[1])(begin)
    return np.concatenate([numbers(start)[None], after])
