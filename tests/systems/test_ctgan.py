"""CTGAN against arithmetic: one step by hand, conditions, packs, and draws of one-hots."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.data.encodings import Span
from jaxgan.networks import tabular
from jaxgan.systems.ctgan import asked_entropy
from jaxgan.types import example_keys
from tests.systems.tiny_core import fixed
from tests.systems.tiny_tables import COUNTS, SPANS, rows

RATE = 0.1
NUMBER = (Span(1, "number"),)
X = jnp.asarray([[0.5], [-0.25], [0.75], [0.0]], jnp.float32)


def constant(key, n, index=None):
    return jnp.full((n, 1), 0.5, jnp.float32)


def test_the_discriminator_moves_first():
    """Numbers alone: G(z) = tanh(g z) and D(x) = a x, with the Wasserstein loss and no penalty."""
    networks = {
        "generator": fixed(lambda p, z: p["g"] * z, g=0.8),
        "discriminator": fixed(lambda p, x: p["a"] * x[:, 0], a=0.3),
    }
    system = jg.systems.ctgan(
        loss=jg.losses.wasserstein, prior=constant, spans=NUMBER, optimizer=optax.sgd(RATE), penalty=None
    )
    game = jg.game(networks, system)
    after, _ = jax.jit(game.train_step)(game.init(jax.random.key(0), {"x": X}), {"x": X})
    a = 0.3 + RATE * (float(X.mean()) - np.tanh(0.4))
    g = 0.8 + RATE * a * 0.5 * (1 - np.tanh(0.4) ** 2)
    assert float(after.params["discriminator"]["a"]) == pytest.approx(a, rel=1e-5)
    assert float(after.params["generator"]["g"]) == pytest.approx(g, rel=1e-5)


def test_only_the_asked_column_pays():
    raw = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8)), jnp.float32)
    y = jnp.asarray([[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], jnp.float32)
    first = -jax.nn.log_softmax(raw[0, 3:6])[1]
    second = -jax.nn.log_softmax(raw[1, 6:8])[0]
    assert float(asked_entropy(raw, y, SPANS)) == pytest.approx(float(first + second) / 2, rel=1e-5)
    slope = jax.grad(lambda raw: asked_entropy(raw, y, SPANS))(raw)
    np.testing.assert_array_equal(slope[0, [0, 1, 2, 6, 7]], 0)
    np.testing.assert_array_equal(slope[1, :6], 0)


def test_conditions_have_the_frequencies_of_the_data_or_their_logarithms():
    counts = [(900, 90, 10)]
    drawn = jg.priors.conditions(counts)(jax.random.key(0), 20_000)
    np.testing.assert_array_equal(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.9, 0.09, 0.01], atol=0.01)
    in_training = jg.priors.conditions(counts, logarithmic=True)(jax.random.key(0), 20_000)
    np.testing.assert_allclose(in_training.mean(axis=0), [0.496, 0.329, 0.175], atol=0.015)
    two = jg.priors.conditions([(3, 1), (1, 1, 2)])(jax.random.key(0), 20_000).mean(axis=0)
    np.testing.assert_allclose(two, [3 / 8, 1 / 8, 1 / 8, 1 / 8, 2 / 8], atol=0.015)
    with pytest.raises(ValueError, match="not all 0 in a column"):
        jg.priors.conditions([(0, 0)])


def test_samples_have_the_frequencies_of_the_data():
    """A generator that does as it is asked: what the reference's sampler would make .50/.33/.18."""
    spans = (Span(3, "category"),)
    system = jg.systems.ctgan(
        loss=jg.losses.wasserstein,
        prior=constant,
        spans=spans,
        optimizer=optax.sgd(RATE),
        conditions=jg.priors.conditions([(900, 90, 10)]),
    )
    obedient = {"generator": lambda z, y: 50.0 * y}
    made = system.generate(obedient, jax.random.key(0), {"index": jnp.arange(8000, dtype=jnp.int32)})
    np.testing.assert_allclose(made.mean(axis=0), [0.9, 0.09, 0.01], atol=0.01)


def test_real_rows_are_shuffled_with_their_conditions():
    _, system, batch = rows(penalty=None)
    shown = []

    def watching(x, y):
        shown.append((np.asarray(x), np.asarray(y)))
        return x[:, 0]

    nets = {"generator": lambda z, y: jnp.zeros((8, 8), jnp.float32), "discriminator": watching}
    system.players["discriminator"].loss(nets, batch, jg.Turn(jax.random.key(0), jnp.zeros((), jnp.int32)))
    (real, asked), (_, asked_of_fake) = shown
    places = [int(np.flatnonzero((np.asarray(batch["x"]) == row).all(axis=1))[0]) for row in real]
    assert sorted(places) == list(range(8))
    assert all(place != k for k, place in enumerate(places))
    np.testing.assert_array_equal(asked, batch["y"][np.array(places)])
    np.testing.assert_array_equal(asked_of_fake, batch["y"])


def test_one_hots_are_draws_of_their_softmax():
    raw = jnp.broadcast_to(jnp.log(jnp.asarray([0.6, 0.3, 0.1], jnp.float32)), (20_000, 3))
    keys = example_keys(jax.random.key(0), 20_000)
    made = tabular.activated(raw, (Span(3, "category"),), keys, 0.2)
    np.testing.assert_allclose(made.sum(axis=1), 1, rtol=1e-5)
    shares = np.bincount(np.argmax(made, axis=1), minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.015)


def test_a_packed_penalty_has_one_norm_and_one_epsilon_for_each_pack():
    turn = jg.Turn(jax.random.key(0), jnp.zeros((), jnp.int32))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)), jnp.float32)

    def critic(x):  # packs of 3: sums of <(3, 4), x>, whose gradient has the norm 5 sqrt(3)
        return (x @ jnp.asarray([3.0, 4.0], jnp.float32)).reshape(2, 3).sum(axis=1)

    cost = jg.penalties.packed(jg.penalties.gradient_penalty(10.0), 3)(critic, x, -x, turn)
    assert float(cost) == pytest.approx(10 * (5 * np.sqrt(3) - 1) ** 2, rel=1e-5)
    plain = jg.penalties.gradient_penalty(10.0)(critic, x, -x, turn)
    assert float(plain) == pytest.approx(160, rel=1e-5)
    half = turn._replace(examples=jnp.arange(6, 12, dtype=jnp.int32))  # the second device's share of packs of 3
    spread = jg.penalties.packed(_epsilons, 3)(critic, x, x, half)
    both = jg.penalties.packed(_epsilons, 3)(critic, jnp.tile(x, (2, 1)), jnp.tile(x, (2, 1)), turn)
    np.testing.assert_array_equal(spread, both[2:])
    with pytest.raises(ValueError, match=r"packed\(degree=4\) does not divide a batch of 6"):
        jg.penalties.packed(jg.penalties.r1(1.0), 4)(critic, x, x, turn)
    with pytest.raises(ValueError, match="integer degree >= 1"):
        jg.penalties.packed(jg.penalties.r1(1.0), 0)


def _epsilons(critic, real, fake, turn):
    keys = example_keys(turn.named("interpolation"), real.shape[0], turn.examples)
    return jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32))(keys)


def test_packs_are_successive_rows():
    """The critic of a pack is that of its rows side by side, and no other's."""
    network = tabular.RowDiscriminator((4,), pack=2, dropout=0.0)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
    variables = network.init(jax.random.key(0), x)
    logits = network.apply(variables, x)
    changed = network.apply(variables, x.at[3].add(1.0))
    np.testing.assert_array_equal(logits != changed, [False, True, False])


def test_layers_keep_what_went_before():
    """[z | y] reaches the last layer as it is: with the hidden layers' weights at zero the rows are linear in it."""
    network = tabular.RowGenerator(5, (4, 3))
    z, y = jnp.ones((2, 2), jnp.float32), jnp.ones((2, 3), jnp.float32)
    variables = network.init(jax.random.key(0), z, y)
    assert variables["params"]["Dense_2"]["kernel"].shape == (3 + 4 + 5, 5)
    kernel = variables["params"]["Dense_2"]["kernel"]
    params = jax.tree.map(jnp.zeros_like, variables["params"]) | {"Dense_2": {"kernel": kernel, "bias": jnp.zeros(5)}}
    made = network.apply(variables | {"params": params}, z, y, train=False)
    np.testing.assert_allclose(made, jnp.concatenate([z, y], axis=1) @ kernel[-5:], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": -1.0}, "ctgan needs a weight >= 0; got -1.0"),
        ({"temperature": 0.0}, "ctgan needs temperature > 0; got 0.0"),
    ],
)
def test_settings_out_of_range(change, says):
    with pytest.raises(ValueError, match=says):
        rows(**change)


def test_batches_that_do_not_fit():
    networks, system, batch = rows()
    with pytest.raises(ValueError, match=r"takes 'y' \[n, 5\].*; got None: use data.encodings.matched"):
        jg.game(networks, system).init(jax.random.key(0), {"x": batch["x"]})
    with pytest.raises(ValueError, match=r"got \(8, 4\)"):
        jg.game(networks, system).init(jax.random.key(0), batch | {"y": batch["y"][:, :4]})
    with pytest.raises(ValueError, match=r"rows \[B, 8\]; the network makes \(8, 7\): set its width to 8"):
        jg.game(networks | {"generator": tabular.RowGenerator(7, (4,))}, system).init(jax.random.key(0), batch)
    with pytest.raises(ValueError, match=r"B a multiple of pack=3; got \(8, 8\)"):
        jg.game(networks | {"discriminator": tabular.RowDiscriminator((4,), 3)}, system).init(jax.random.key(0), batch)
    without = rows(conditions=None)[1]
    assert set(without.asks) == {"y"}
    assert set(system.takes) == {"y"}
    assert len(COUNTS) == 2
