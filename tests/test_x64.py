"""In JAX's 64-bit mode the library is in float32 still: nothing is drawn, computed or kept wider than is documented.

`bash tests/run` runs this file and the core once more with `JAX_ENABLE_X64=1` from the start of the process.
"""

import ast
import inspect
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint
from tests import registry
from tests.systems import tiny, tiny_core

WIDE = {"float64", "int64", "complex128"}


@pytest.fixture(autouse=True)
def wide_mode():
    with jax.enable_x64(True):
        yield


def dtypes(tree):
    return {jax.tree_util.keystr(path): str(leaf.dtype) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


PRIORS = {
    "normal": jg.priors.normal(4),
    "uniform": jg.priors.uniform(4),
    "truncated_normal": jg.priors.truncated_normal(4),
    "codes": jg.priors.codes(jg.priors.normal(2), (3,), 1),
}


@pytest.mark.parametrize("name", PRIORS)
def test_priors_draw_float32(name, key):
    assert jax.eval_shape(lambda: PRIORS[name](key, 2)).dtype == jnp.float32


@pytest.mark.parametrize(
    "source", [jg.data.ring(), jg.data.grid(), jg.data.swiss_roll(), jg.data.moons()], ids=lambda source: source.name
)
def test_densities_draw_float32(source):
    assert jg.data.batch_at(source, 2, 0)(0)["x"].dtype == jnp.float32


def games():
    """Every system, the plain one under every dynamics and penalty, and one with all options, by name."""
    for name, made in tiny.EVERY.items():
        yield pytest.param(made, "alternating", id=name)
    for name, penalty in registry.penalties().items():
        yield pytest.param(
            lambda penalty=penalty: tiny_core.plain(penalty=penalty), "alternating", id=f"penalty {name}"
        )
    for name in registry.dynamics():
        yield pytest.param(tiny_core.plain, name, id=f"dynamics {name}")
    yield pytest.param(remembering, "alternating", id="memories")


def remembering():
    """Batch statistics, spectral vectors, a pool, adaptive augmentation."""
    networks = {
        "generator": jg.networks.dcgan.Generator(1, 16, features=2),
        "discriminator": jg.networks.dcgan.Discriminator(16, features=2, normalization="spectral"),
        "pool": jg.networks.remedies.Replay(8),
        "augmentation": jg.augment.Adaptive(),
    }
    options = {"replay": "pool", "augment": "augmentation", "n_critic": 2}
    return networks, tiny_core.plain(**options)[1], {"x": tiny_core.PIXELS}


@pytest.mark.parametrize(("made", "played"), [*games()])
def test_a_step_keeps_the_types_of_its_state(made, played):
    """Else the second step is another program, and a run does not fit its own checkpoint."""
    networks, system, batch = made()
    game = jg.game(networks, system, ema={tiny.averaged(system): 0.9}, dynamics=registry.dynamics()[played])
    before = jax.eval_shape(game.init, jax.random.key(0), batch)
    after, metrics = jax.eval_shape(game.train_step, before, batch)
    assert dtypes(after) == dtypes(before)
    assert not WIDE & {*dtypes(after).values(), *dtypes(metrics).values()}


def test_a_run_goes_on_from_its_own_checkpoint(tmp_path, key):
    """As a user has it: batch normalisation, Adam, averages, two steps, one program."""

    class Generator(nn.Module):
        @nn.compact
        def __call__(self, z, train=True):
            return nn.Dense(2)(nn.relu(nn.BatchNorm(not train)(nn.Dense(3)(z))))

    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(4), optimizer=optax.adam(1e-3))
    networks = {"generator": Generator(), "discriminator": jg.networks.mlp.Discriminator((3,))}
    game = jg.game(networks, system, ema={"generator": 0.99})
    rows = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    batch_at = jg.data.batch_at(jg.data.arrays(rows), 4, 0)
    traces = []

    @jax.jit
    def step(state, batch):
        traces.append(1)
        return game.train_step(state, batch)

    state = game.init(key, batch_at(0))
    for number in range(2):
        state, _ = step(state, batch_at(number))
    assert len(traces) == 1
    manager = checkpoint.open_checkpoints(tmp_path)
    checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, jax.eval_shape(game.init, key, batch_at(0)), {})
    manager.close()
    assert dtypes(restored) == dtypes(state)


# By function, the number of the argument that is the dtype: samplers, and what makes parameters and variables.
PLACES = {
    f"jax.random.{name}": list(inspect.signature(getattr(jax.random, name)).parameters).index("dtype")
    for name in ("exponential", "gumbel", "laplace", "normal", "randint", "truncated_normal", "uniform")
} | {"self.param": 3}


@pytest.mark.parametrize("path", sorted(Path(jg.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_draws_and_parameters_name_their_types(path):
    """Those that do not are float64 or int64 in this mode; and a draw of int64 is not that of int32."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and (place := PLACES.get(ast.unparse(node.func))):
            named = len(node.args) > place or "dtype" in {k.arg for k in node.keywords}
            assert named, f"{path}:{node.lineno}: {ast.unparse(node)} needs a dtype"
