"""Everything that the library offers by name, each ready to use: what is added later is tested without being listed.

A function that needs arguments to make one is listed in EXAMPLES; one that is missing there fails every test that asks.
"""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

import jaxgan as jg
from jaxgan.types import Loss, example_keys
from tests.systems.tiny import TINY


def shift(x, turn, use):
    """An augmentation: each example moves by a number of its own."""
    keys = example_keys(turn.named(use), x.shape[0], turn.examples)
    moves = jax.vmap(lambda key: jax.random.normal(key, (1,) * (x.ndim - 1)))(keys)
    return x + 0.1 * moves


def spelled_out():
    """The two-player game, written with the vocabulary itself."""
    judge, prior = jg.systems.adversary(jg.losses.hinge), jg.priors.normal(3)
    fakes = jg.systems.samples(prior)

    def minimised(side):
        return lambda nets, batch, turn: side(nets, turn, batch["x"], fakes(nets, batch, turn))[:2]

    playing = jg.systems.players(
        optax.adam(1e-3, b1=0.5),
        discriminator=("discriminator", minimised(judge.discriminator)),
        generator=("generator", minimised(judge.generator)),
    )
    return jg.systems.between(judge, playing, jg.systems.generates(prior))


EXAMPLES = {
    "systems.between": spelled_out,
    "systems.with_term": lambda: jg.systems.with_term(
        spelled_out(), "generator", "spread", lambda nets, batch, turn: 0.1 * jnp.mean(jnp.square(batch["x"]))
    ),
    "losses.boundary_equilibrium": lambda: jg.losses.boundary_equilibrium(0.5),
    "losses.density_ratio": lambda: jg.losses.density_ratio("pearson"),
    "losses.energy_based": lambda: jg.losses.energy_based(1.0),
    "losses.f_divergence": lambda: jg.losses.f_divergence("jensen_shannon"),
    "losses.flipped": lambda: jg.losses.flipped(jg.losses.minimax, 0.3, jg.Turn(jax.random.key(0), jnp.zeros((), int))),
    "losses.least_squares_targets": lambda: jg.losses.least_squares_targets(-1.0, 1.0, 0.0),
    "losses.smoothed": lambda: jg.losses.smoothed(jg.losses.non_saturating),
    "penalties.approximate_r1": lambda: jg.penalties.approximate_r1(1.0, 0.1),
    "penalties.approximate_r2": lambda: jg.penalties.approximate_r2(1.0, 0.1),
    "penalties.balanced_consistency": lambda: jg.penalties.balanced_consistency(10.0, 10.0, shift),
    "penalties.consistency": lambda: jg.penalties.consistency(10.0, shift),
    "penalties.dragan": lambda: jg.penalties.dragan(10.0),
    "penalties.every": lambda: jg.penalties.every(2, jg.penalties.r1(1.0)),
    "penalties.gradient_penalty": lambda: jg.penalties.gradient_penalty(10.0),
    "penalties.jensen_shannon": lambda: jg.penalties.jensen_shannon(2.0),
    "penalties.packed": lambda: jg.penalties.packed(jg.penalties.gradient_penalty(10.0), 2),
    "penalties.r1": lambda: jg.penalties.r1(1.0),
    "penalties.r2": lambda: jg.penalties.r2(1.0),
    "penalties.total": lambda: jg.penalties.total(jg.penalties.r1(1.0), jg.penalties.r2(1.0)),
    "penalties.zero_centred": lambda: jg.penalties.zero_centred(1.0),
    "dynamics.competitive": lambda: jg.dynamics.competitive(1e-3, 5),
    "dynamics.gated": lambda: jg.dynamics.gated({"generator": lambda metrics, step: step % 2 == 0}),
    "dynamics.consensus": lambda: jg.dynamics.consensus(0.1),
    "dynamics.unrolled": lambda: jg.dynamics.unrolled(2),
    "systems.gan": lambda: jg.systems.gan(
        loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.adam(1e-3, b1=0.5), n_critic=2
    ),
}
EXAMPLES |= {
    "systems.several_discriminators": lambda: jg.systems.several_discriminators(EXAMPLES["systems.gan"](), 2, 1.0),
    "systems.mixture": lambda: jg.systems.mixture(EXAMPLES["systems.gan"](), 2),
    "systems.fading": lambda: jg.systems.fading(EXAMPLES["systems.gan"](), optax.linear_schedule(0.0, 1.0, 10)),
    "systems.zcr": lambda: jg.systems.zcr(EXAMPLES["systems.gan"](), jg.priors.normal(3)),
    "systems.regularized": lambda: jg.systems.regularized(
        EXAMPLES["systems.gan"](), "generator", jg.penalties.orthogonal_off_diagonal, 1e-4
    ),
    "systems.stylegan2": lambda: jg.systems.stylegan2(
        prior=jg.priors.normal(3), optimizer=optax.adam(1e-3, b1=0.5), path_weight=0.0
    ),
}
EXAMPLES |= {f"systems.{name}": (lambda made=made: made()[1]) for name, made in TINY.items()}
SMALL = {"features": 2, "hidden": (4,)}  # for networks that take such arguments
SIZES = {  # of families that do not make all of the usual ones
    "patch": (32, 64, (24, 48)),
    "unet": (16, 64, (16, 32)),
}


def public(module):
    """Public names of a module or package of the library, with their values, that are defined in it."""
    inside = module.__name__
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (isinstance(value, Loss) or getattr(value, "__module__", "").startswith(inside))
        and (isinstance(value, Loss) or inspect.isfunction(value))
    }


def _made(module, kind=None):
    """By name, what a module offers; of a kind, what its annotation says is one (the type checker demands annotations).

    The other functions of losses and penalties are terms that players put together, and updates of what these remember.
    """
    room = module.__name__.removeprefix("jaxgan.")
    found = {}
    for name, value in public(module).items():
        if kind and inspect.isfunction(value) and inspect.signature(value).return_annotation != kind:
            continue
        example = EXAMPLES.get(f"{room}.{name}")
        needed = () if isinstance(value, Loss) else inspect.signature(value).parameters.values()
        needs = [p for p in needed if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if example:
            found[name] = example()
        elif isinstance(value, Loss):
            found[name] = value
        elif needs:
            raise AssertionError(f"{room}.{name} needs arguments: give one example of it in tests/registry.py")
        else:
            found[name] = value()
    return found


def losses():
    """By name, every Loss."""
    return _made(jg.losses, "Loss")


def penalties():
    """By name, every penalty."""
    return _made(jg.penalties, "Penalty")


def dynamics():
    """By name, every dynamics."""
    return _made(jg.dynamics, "Dynamics")


def systems():
    """By name, every system."""
    return _made(jg.systems, "System")


def networks_for(system):
    """Tiny networks for a system on points, by what their names say they are."""
    names = [*(n for player in system.players.values() for n in player.owns), *system.frozen]

    def made(name):
        kind = name.split("_")[0]
        if name.endswith("_weights"):
            return jg.systems.MixtureWeights(sum(n.startswith(f"{kind}_") for n in names) - 1)
        return {
            "generator": jg.networks.mlp.Generator((2,), (4,)),
            "discriminator": jg.networks.mlp.Discriminator((4,)),
        }[kind]

    return {name: made(name) for name in dict.fromkeys(names)}


def network_pairs(size=28):
    """By family, a tiny {"generator", "discriminator"} of every file of networks that has both, for a side."""
    return {name: pair(name, size) for name, module in families().items() if hasattr(module, "Generator")}


OTHERS = {"frames", "projected", "voxels"}  # whose discriminators are of no images: played by the systems they are for


def families():
    """By name, every file of networks that has a discriminator of images (or of anything that has a shape)."""
    found = {name: m for name, m in vars(jg.networks).items() if hasattr(m, "Discriminator") and inspect.ismodule(m)}
    found = {name: m for name, m in found.items() if name not in OTHERS}
    return dict(sorted(found.items()))


def pair(family, size=28, channels=1, classes=0):
    """Tiny networks of one family for images of a size, a side or (H, W); classes=0 is without labels.

    A file that has no generator of its own is given one that any discriminator can play with.
    """
    module = families()[family]
    height, width = (size, size) if isinstance(size, int) else size
    settings = SMALL | {"size": size, "shape": (height, width, channels), "channels": channels, "classes": classes}

    def tiny(network: type[nn.Module]) -> nn.Module:
        known = inspect.signature(network).parameters
        return network(**{name: value for name, value in settings.items() if name in known})

    generator = getattr(module, "Generator", jg.networks.mlp.Generator)
    return {"generator": tiny(generator), "discriminator": tiny(module.Discriminator)}


def sizes(family):
    """Sizes of images that the networks of a family are tried at: of all that they can, some of every kind."""
    return SIZES.get(family, (16, 28, 64, (16, 32)))
