"""Codec and vocoder: one step by hand, who moves first, the balancer, and the residual quantizer's gradients."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import Balancer
from jaxgan.networks.listeners import Heard
from jaxgan.networks.quantizers import VQ, Coded
from jaxgan.networks.residual_codes import ResidualQuantizer
from jaxgan.systems import codec, vocoder
from tests.systems.tiny_core import fixed

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.uniform(-0.8, 0.8, (3, 4, 1)), jnp.float32)
BATCH = {"x": X}
RATE = 0.1


def spectrum(x, y):
    """Any distance of sounds that is not that of waves."""
    return jnp.mean(jnp.square(x - y))


# E: times e; the bottleneck: a constant q is added and e.g. paid for; D: times d. Two judges: w1 x, and w2 x^2.
ENCODER = fixed(lambda p, x: p["e"] * x, e=0.9)
BOTTLENECK = fixed(
    lambda p, z: Coded(z + p["q"], jnp.zeros(z.shape[:2], jnp.int32), 0.3 * jnp.square(p["q"]), {}), q=0.2
)
DECODER = fixed(lambda p, z: p["d"] * z, d=0.7)
JUDGES = fixed(
    lambda p, x: (
        Heard(jnp.sum(p["w1"] * x, axis=2), (p["w1"] * x, jnp.tanh(x))),
        Heard(jnp.sum(p["w2"] * jnp.square(x), axis=2), (p["w2"] * jnp.square(x),)),
    ),
    w1=0.3,
    w2=-0.2,
)
WEIGHTS = {"wave": 0.5, "spectrum": 2.0, "adversarial": 1.5, "features": 0.7}


def game(**options):
    settings = {"loss": jg.losses.hinge, "optimizer": optax.sgd(RATE), "distance": spectrum, "weights": WEIGHTS}
    settings |= options
    networks = {"encoder": ENCODER, "bottleneck": BOTTLENECK, "decoder": DECODER}
    networks |= {"discriminator": JUDGES} if {"adversarial", "features"} & set(settings["weights"]) else {}
    networks |= {"balancer": Balancer()} if settings.get("balancer") else {}
    return jg.game(networks, codec(**settings))


def heard(p, x):
    return (p["w1"] * x, p["w2"] * jnp.square(x)), (p["w1"] * x, jnp.tanh(x), p["w2"] * jnp.square(x))


def terms(p, made, relative):
    """What the made sounds cost, by hand."""
    (_, real), (logits, fake) = heard(p, X), heard(p, made)
    apart = [jnp.mean(jnp.abs(a - b)) for a, b in zip(real, fake, strict=True)]
    sizes = [jnp.mean(jnp.abs(a)) for a in real]
    return {
        "wave": jnp.mean(jnp.abs(X - made)),
        "spectrum": spectrum(X, made),
        "adversarial": -sum(jnp.mean(each) for each in logits),
        "features": sum(a / s for a, s in zip(apart, sizes, strict=True)) / 3 if relative else sum(apart),
    }


def rebuilt(p):
    return p["d"] * (p["e"] * X + p["q"])


def discriminator(p):
    (real, _), (fake, _) = heard(p, X), heard(p, rebuilt(p))
    return sum(jnp.mean(jax.nn.relu(1 - r)) + jnp.mean(jax.nn.relu(1 + f)) for r, f in zip(real, fake, strict=True))


@pytest.mark.parametrize("relative", [False, True])
def test_one_step_by_hand(relative):
    """The discriminator moves first; the losses of judges are summed; under plain descent every weight shows."""
    played = game(relative=relative)
    state = jax.jit(played.init)(jax.random.key(0), BATCH)
    after, metrics = jax.jit(played.train_step)(state, BATCH)

    def coding(p):
        costs = terms(p, rebuilt(p), relative)
        return sum(WEIGHTS[name] * cost for name, cost in costs.items()) + 0.3 * jnp.square(p["q"])

    p = jax.tree.map(jnp.float32, {"e": 0.9, "q": 0.2, "d": 0.7, "w1": 0.3, "w2": -0.2})
    for side, owned in ((discriminator, ("w1", "w2")), (coding, ("e", "q", "d"))):
        value, slope = jax.value_and_grad(side)(p)
        p |= {name: p[name] - RATE * slope[name] for name in owned}
    chex.assert_trees_all_close(after.params["discriminator"], {n: p[n] for n in ("w1", "w2")}, rtol=1e-5)
    for network, name in (("encoder", "e"), ("bottleneck", "q"), ("decoder", "d")):
        np.testing.assert_allclose(after.params[network][name], p[name], rtol=1e-5)
    np.testing.assert_allclose(metrics["codec/loss"], value, rtol=1e-5)
    np.testing.assert_allclose(metrics["codec/quantization"], 0.3 * 0.2**2, rtol=1e-5)


def test_a_balanced_step_by_hand():
    """Gradients at the made sounds have the weights' shares of the norm; the bottleneck's loss stands outside."""
    played = game(balancer="balancer", relative=True)
    state = jax.jit(played.init)(jax.random.key(0), BATCH)
    after, metrics = jax.jit(played.train_step)(state, BATCH)
    p = jax.tree.map(jnp.float32, {"e": 0.9, "q": 0.2, "d": 0.7, "w1": 0.3, "w2": -0.2})
    slope = jax.grad(discriminator)(p)
    p |= {name: p[name] - RATE * slope[name] for name in ("w1", "w2")}
    direction = jnp.zeros_like(X)
    for name, weight in WEIGHTS.items():
        g = jax.grad(lambda made, name=name: terms(p, made, True)[name])(rebuilt(p))
        norm = jnp.mean(jnp.sqrt(jnp.sum(jnp.square(3 * g), axis=(1, 2))))  # of an example's own loss
        np.testing.assert_allclose(metrics[f"codec/norm_{name}"], norm, rtol=1e-5)
        direction = direction + weight / sum(WEIGHTS.values()) * g / norm
    slope = jax.grad(lambda p: jnp.sum(direction * rebuilt(p)) + 0.3 * jnp.square(p["q"]))(p)
    for network, name in (("encoder", "e"), ("bottleneck", "q"), ("decoder", "d")):
        np.testing.assert_allclose(after.params[network][name], p[name] - RATE * slope[name], rtol=1e-5)
    plain = sum(WEIGHTS[n] * cost for n, cost in terms(p, rebuilt(p), True).items()) + 0.3 * jnp.square(p["q"])
    np.testing.assert_allclose(metrics["codec/loss"], plain, rtol=1e-5)  # the value is the sum's
    assert after.model_state["balancer"]["balancer"]["weight"] == 1


def test_the_balancers_ratio_is_exact_and_its_memory_fades():
    weights = {"one": 1.0, "other": 3.0}
    g = [{"one": jnp.asarray(RNG.normal(size=(4, 5)), jnp.float32), "other": scale * X[:1, :, 0]} for scale in (1, 1e4)]
    g = [{"one": each["one"], "other": jnp.tile(each["other"], (4, 1))} for each in g]
    g = [{"one": each["one"][:, :4], "other": each["other"]} for each in g]
    network = Balancer(norm=2.0, decay=0.5)
    state = network.init(jax.random.key(0), g[0], weights)
    assert state["balancer"]["weight"] == 0
    for each in g:  # whatever the scale
        alone = {name: jg.losses.balanced({name: each[name]}, _norms(each), weights) for name in weights}
        (total, norms), _ = network.apply(state, each, weights, mutable="balancer")
        parts = {name: weights[name] / 4 * 2.0 * alone[name] for name in weights}
        np.testing.assert_allclose(total, parts["one"] + parts["other"], rtol=1e-5)
        sizes = {name: float(jnp.sum(jnp.linalg.norm(part, axis=1))) for name, part in parts.items()}
        np.testing.assert_allclose([sizes["one"], sizes["other"]], [0.5, 1.5], rtol=1e-5)
    (_, norms), state = network.apply(state, g[0], weights, mutable="balancer")
    (_, later), _ = network.apply(state, g[1], weights, mutable="balancer")
    want = (0.5 * norms["other"] + 1e4 * norms["other"]) / 1.5
    np.testing.assert_allclose(later["other"], want, rtol=1e-5)
    with pytest.raises(ValueError, match=r"needs weights of \['one', 'other'\], not all zero"):
        jg.losses.balanced(g[0], norms, {"one": 1.0})


def _norms(gradients):
    return {name: jnp.sum(jnp.linalg.norm(g, axis=1)) for name, g in gradients.items()}


def books(count=3, **settings):
    network = ResidualQuantizer(VQ(5, commitment=1.0), count, **settings)
    z = jnp.asarray(RNG.normal(size=(4, 6, 2)), jnp.float32)
    streams = {"params": jax.random.key(0), "global": jax.random.key(1)}
    variables = network.init(streams, z)
    drawn = jax.tree.map(lambda leaf: jnp.asarray(RNG.normal(size=leaf.shape), jnp.float32), variables)
    return network, drawn, z


def nearest_code(variables, k, left):
    """The codes of a book, and the numbers of those that are nearest to what is left."""
    codes = np.asarray(variables["params"][f"books_{k}"]["codes"])
    return codes, np.argmin(np.sum(np.square(left[..., None, :] - codes), axis=-1), axis=-1)


def test_the_residual_telescopes_and_tokens_say_it_all():
    """x - sum q_i is what the last book leaves, each book takes the nearest code, and fewer books are a prefix."""
    network, variables, z = books()
    coded = network.apply(variables, z, train=False)
    left = np.asarray(z)
    for k in range(3):
        codes, nearest = nearest_code(variables, k, left)
        np.testing.assert_array_equal(coded.tokens[..., k], nearest)
        left = left - codes[nearest]
        prefix = network.apply(variables, coded.tokens[..., : k + 1], method="lookup")
        np.testing.assert_allclose(prefix, z - left, atol=1e-5)
    np.testing.assert_allclose(coded.codes, prefix, atol=1e-5)
    with pytest.raises(ValueError, match=r"has 3 books; got tokens"):
        network.apply(variables, jnp.zeros((1, 2, 4), jnp.int32), method="lookup")


def test_the_commitment_of_every_book_reaches_the_encoder():
    """EnCodec's residual quantizer (issue 25 there) leaves it detached for all books but the first: exactly zero."""
    network, variables, z = books()
    slopes = []
    for k in range(3):

        def paid(z, k=k):  # the residual that book k is given, by the network's own pass
            coded = network.apply(variables, z, train=False)
            one = ResidualQuantizer(VQ(5, commitment=1.0), k + 1)
            few = {"params": {f"books_{j}": variables["params"][f"books_{j}"] for j in range(k + 1)}}
            return (k + 1) * one.apply(few, z, train=False).loss + 0 * jnp.sum(coded.codes)

        slopes.append(jax.grad(paid)(z))
    own = [slopes[0], *(after - before for before, after in itertools.pairwise(slopes))]
    left = np.asarray(z)
    for k, slope in enumerate(own):
        codes, nearest = nearest_code(variables, k, left)
        chosen = codes[nearest]
        np.testing.assert_allclose(slope, 2 * (left - chosen) / z.size, atol=1e-6)
        assert float(jnp.linalg.norm(slope)) > 0.01, k
        left = left - chosen
    passed = jax.grad(lambda z: jnp.sum(jnp.sin(network.apply(variables, z, train=False).codes)))(z)
    np.testing.assert_allclose(passed, jnp.cos(network.apply(variables, z, train=False).codes), atol=1e-5)


def test_dropped_books_are_a_prefix_and_others_stay():
    network, variables, z = books(dropout=0.5)
    z = jnp.tile(z[:1], (64, 1, 1))
    coded = network.apply(variables, z, rngs={"global": jax.random.key(3)})
    prefixes = jnp.stack([network.apply(variables, coded.tokens[..., : k + 1], method="lookup") for k in range(3)])
    near = jnp.max(jnp.abs(coded.codes[None] - prefixes), axis=(2, 3)) < 1e-5  # [3, 64]
    assert bool(jnp.all(jnp.sum(near, axis=0) == 1))
    shares = jnp.mean(near.astype(jnp.float32), axis=1)
    np.testing.assert_allclose(shares, [1 / 6, 1 / 6, 4 / 6], atol=0.15)
    assert coded.tokens.shape == (64, 6, 3)
    for settings in ({"count": 0}, {"dropout": 1.5}):
        with pytest.raises(ValueError, match=r"count >= 1 and dropout in \[0, 1\]"):
            books(**settings)
    with pytest.raises(ValueError, match="its book has normalized=True"):
        ResidualQuantizer(VQ(5, normalized=True)).init(jax.random.key(0), z)


def test_without_judges_there_is_one_player_and_its_state_begins_the_game():
    alone, whole = game(weights={"wave": 1.0}), game()
    assert (set(alone.system.players), set(whole.system.players)) == ({"codec"}, {"discriminator", "codec"})
    state, _ = alone.train_step(alone.init(jax.random.key(0), BATCH), BATCH)
    begun = jg.carried.carry(state, whole, jax.random.key(1), BATCH).state
    chex.assert_trees_all_equal(begun.params["decoder"], state.params["decoder"])
    out = whole.generate(begun, jax.random.key(2), {"x": X})
    p = {network: next(iter(state.params[network].values())) for network in ("encoder", "bottleneck", "decoder")}
    np.testing.assert_allclose(out, p["decoder"] * (p["encoder"] * X + p["bottleneck"]), rtol=1e-5)
    with pytest.raises(ValueError, match="from 'x' or from 'tokens', one of them; got"):
        whole.generate(begun, jax.random.key(2), {"index": jnp.arange(2)})


def test_bits_a_second():
    assert jg.systems.bits_per_second(24_000, 320, 8, 1024) == 6000  # EnCodec's, of 6 kbit/s


VOICE = fixed(lambda p, mel: jnp.repeat(mel, 2, axis=1) * p["g"], g=0.4)


def test_a_vocoders_step_by_hand():
    mel = X[:, ::2]
    networks = {"generator": VOICE, "discriminator": JUDGES}
    weights = {"spectrum": 2.0, "adversarial": 1.5, "features": 0.7}
    settings = {"loss": jg.losses.hinge, "optimizer": optax.sgd(RATE), "distance": spectrum, "weights": weights}
    played, batch = jg.game(networks, vocoder(**settings)), {"x": X, "mel": mel}
    state = jax.jit(played.init)(jax.random.key(0), batch)
    after, metrics = jax.jit(played.train_step)(state, batch)

    def made(p):
        return jnp.repeat(mel, 2, axis=1) * p["g"]

    def judging(p):
        (real, _), (fake, _) = heard(p, X), heard(p, made(p))
        pairs = zip(real, fake, strict=True)
        return sum(jnp.mean(jax.nn.relu(1 - r)) + jnp.mean(jax.nn.relu(1 + f)) for r, f in pairs)

    p = jax.tree.map(jnp.float32, {"g": 0.4, "w1": 0.3, "w2": -0.2})
    slope = jax.grad(judging)(p)
    p |= {name: p[name] - RATE * slope[name] for name in ("w1", "w2")}
    value, slope = jax.value_and_grad(lambda p: sum(weights[n] * terms(p, made(p), False)[n] for n in weights))(p)
    np.testing.assert_allclose(after.params["generator"]["g"], p["g"] - RATE * slope["g"], rtol=1e-5)
    np.testing.assert_allclose(metrics["generator/loss"], value, rtol=1e-5)
    with pytest.raises(ValueError, match=r"needs batch\['mel'\], their spectra"):
        played.init(jax.random.key(0), BATCH)
    with pytest.raises(ValueError, match=r"by 'generator'; it makes .* multiply to the hop"):
        played.init(jax.random.key(0), {"x": X, "mel": X})


@pytest.mark.parametrize("make", [codec, vocoder])
@pytest.mark.parametrize("weights", [{}, {"wave": -1.0}, {"waves": 1.0}, {"wave": 0.0}])
def test_weights_out_of_range(make, weights):
    with pytest.raises(ValueError, match="needs weights >= 0, not all zero, of"):
        make(optimizer=optax.sgd(RATE), distance=spectrum, weights=weights)


def test_networks_of_another_kind():
    settings, mel = {"optimizer": optax.sgd(RATE), "distance": spectrum}, {"x": X, "mel": X[:, ::2]}
    networks = {"generator": VOICE, "discriminator": fixed(lambda p, x: p["w"] * x[:, 0, 0], w=1.0)}
    played = jg.game(networks, vocoder(**settings))
    state = played.init(jax.random.key(0), mel)
    with pytest.raises(ValueError, match=r"returns \(logits, features\) of each of its judges"):
        jax.eval_shape(played.train_step, state, mel)
    networks = {"encoder": ENCODER, "bottleneck": ENCODER, "decoder": DECODER}
    played = jg.game(networks, codec(**settings, weights={"wave": 1.0}))
    with pytest.raises(ValueError, match=r"needs a quantizer that returns networks.quantizers.Coded"):
        played.init(jax.random.key(0), BATCH)
    with pytest.raises(ValueError, match="is a network that remembers, which this system cannot change"):
        codec(loss="equilibrium", **settings)
