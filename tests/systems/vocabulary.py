"""Three systems of the literature in the library's vocabulary, each under 40 lines, with tiny networks and a batch."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks.remedies import Replay
from jaxgan.systems import adversary, between, drawn, player_loss, players
from jaxgan.systems.parts import latents

B = 8
SGD = optax.sgd(0.1)
PRIOR = jg.priors.normal(2)


def l1(a, b):
    return jnp.mean(jnp.abs(a - b))


def cyclegan(*, optimizer, loss=jg.losses.least_squares, cycle=10.0, pools=True, **adversarial):
    """Zhu et al. Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks. ICCV 2017, eq. 3."""
    options = {s: adversarial | ({"replay": f"pool_{s}"} if pools else {}) for s in "ab"}
    judge = {s: adversary(loss, f"discriminator_{s}", **options[s]) for s in "ab"}

    def discriminator(here, there):
        def shown(nets, batch, turn):
            return batch[here], nets[f"{there}_to_{here}"](batch[there])

        return player_loss(judge[here].discriminator, shown)

    def translators(nets, batch, turn):
        a, b, to_a, to_b = batch["a"], batch["b"], nets["b_to_a"], nets["a_to_b"]
        fake_a, fake_b = to_a(b), to_b(a)
        value = judge["a"].generator(nets, turn, a, fake_a).loss + judge["b"].generator(nets, turn, b, fake_b).loss
        back = l1(to_a(fake_b), a) + l1(to_b(fake_a), b)
        return value + cycle * back, {"cycle": back}

    def generate(nets, key, inputs):
        return nets["a_to_b"](inputs["a"]) if "a" in inputs else nets["b_to_a"](inputs["b"])

    playing = players(
        optimizer,
        discriminator_a=("discriminator_a", discriminator("a", "b")),
        discriminator_b=("discriminator_b", discriminator("b", "a")),
        translators=(("a_to_b", "b_to_a"), translators),
    )
    return between(list(judge.values()), playing, generate, takes={"a": "images of one kind", "b": "of the other"})


def bigan(*, loss, prior, optimizer, **adversarial):
    """Donahue, Krähenbühl, Darrell. Adversarial Feature Learning. ICLR 2017, eq. 3: E and G fool D(x, z) together."""
    judge = adversary(loss, judged=2, **adversarial)

    def pairs(nets, batch, turn):
        z = drawn(prior, batch, turn)
        return (batch["x"], nets["encoder"](batch["x"])), (nets["generator"](z), z)

    def inference(nets, batch, turn):
        verdict = judge.generator(nets, turn, *pairs(nets, batch, turn))
        return loss.discriminator(verdict.fake, verdict.real), {}  # both sides are its own, so the labels are swapped

    def generate(nets, key, inputs):
        return nets["generator"](nets["encoder"](inputs["x"]) if "x" in inputs else latents(prior, key, inputs))

    playing = players(
        optimizer,
        discriminator=("discriminator", player_loss(judge.discriminator, pairs)),
        inference=(("encoder", "generator"), inference),
    )
    return between(judge, playing, generate, takes={"x": "data to reconstruct"})


def vqgan(*, loss, optimizer, weight=0.8, commitment=0.25, **adversarial):
    """Esser, Rombach, Ommer. Taming Transformers for High-Resolution Image Synthesis. CVPR 2021, eq. 2 to 7."""
    judge, stop = adversary(loss, **adversarial), jax.lax.stop_gradient

    def rebuilt(nets, x):
        h = nets["encoder"](x)
        q = nets["codebook"](h)
        cost = jnp.mean(jnp.square(stop(h) - q)) + commitment * jnp.mean(jnp.square(h - stop(q)))
        return nets["decoder"](h + stop(q - h)), cost

    def autoencoder(nets, batch, turn):
        x, views = batch["x"], {name: jg.frozen(nets[name]) for name in ("eye", "discriminator")}
        y, cost = rebuilt(nets, x)

        def likeness(y):
            return l1(y, x) + jnp.mean(jnp.square(views["eye"](y) - views["eye"](x)))

        def fools(y):
            return judge.generator(views, turn, x, y).loss

        def pull(term):  # of an example, on the average over all devices
            return jnp.sqrt(turn.average(jnp.mean(jnp.square(len(y) * jax.grad(term)(stop(y))))))

        balance = stop(jnp.clip(pull(likeness) / (pull(fools) + 1e-4), 0.0, 1e4))
        return likeness(y) + weight * balance * fools(y) + cost, {"balance": balance}

    playing = players(
        optimizer,
        discriminator=(
            "discriminator",
            player_loss(judge.discriminator, lambda nets, b, t: (b["x"], rebuilt(nets, b["x"])[0])),
        ),
        autoencoder=(("encoder", "codebook", "decoder"), autoencoder),
    )
    system = between(judge, playing, lambda nets, k, i: rebuilt(nets, i["x"])[0], asks={"x": "what to rebuild"})
    return system._replace(frozen=(*system.frozen, "eye"))


class Codebook(nn.Module):
    """The nearest of a few codes."""

    @nn.compact
    def __call__(self, h):
        codes = self.param("codes", nn.initializers.normal(1.0), (4, h.shape[-1]))
        return codes[jnp.argmin(jnp.sum(jnp.square(h[:, None] - codes[None]), axis=-1), axis=1)]


class Judge(nn.Module):
    """A discriminator of one array or of several."""

    @nn.compact
    def __call__(self, *arrays):
        return nn.Dense(1)(nn.tanh(nn.Dense(4)(jnp.concatenate(arrays, axis=-1))))[:, 0]


def normals(seed, width=3):
    return jax.random.normal(jax.random.key(seed), (B, width))


def all_systems(axis_name=None):
    """By name: (networks, system, batch, inputs to generate from)."""
    pools = {f"pool_{s}": Replay(2 * B, axis_name=axis_name) for s in "ab"}
    weights = {"kernel": np.eye(3, 5, dtype=np.float32), "bias": np.ones(5, np.float32)}
    eye = jg.networks.pretrained(nn.Dense(5), {"params": weights})
    translators = {"a_to_b": nn.Dense(3), "b_to_a": nn.Dense(3)}
    judges = {"discriminator_a": Judge(), "discriminator_b": Judge()}
    return {
        "cyclegan": (translators | judges | pools, cyclegan(optimizer=SGD), {"a": normals(1), "b": normals(2)}, "a"),
        "bigan": (
            {"encoder": nn.Dense(2), "generator": nn.Dense(3), "discriminator": Judge()},
            bigan(loss=jg.losses.non_saturating, prior=PRIOR, optimizer=SGD, penalty=jg.penalties.r1(1.0)),
            {"x": normals(3)},
            "x",
        ),
        "vqgan": (
            {
                "encoder": nn.Dense(2),
                "codebook": Codebook(),
                "decoder": nn.Dense(3),
                "discriminator": Judge(),
                "eye": eye,
            },
            vqgan(loss=jg.losses.hinge, optimizer=SGD),
            {"x": normals(4)},
            "x",
        ),
    }
