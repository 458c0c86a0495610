"""What changes a whole system: terms added to its losses, and frozen features that a discriminator sees through."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import Array

from jaxgan.game import frozen
from jaxgan.penalties import latent_consistency, latent_diversity
from jaxgan.penalties.weights import Weight, check_at_least_zero, weight_at
from jaxgan.priors import Prior
from jaxgan.systems.parts import condition_of, image_logits
from jaxgan.types import Batch, LossFn, Metrics, Nets, PyTree, System, Turn, example_keys, explains

RESERVED = ("loss", "loss_scale", "skipped")  # metrics that the game adds to every player's


@explains
def with_term(system: System, player: str, name: str, term: Callable[[Nets, Batch, Turn], Array]) -> System:
    """Adds a term to what a player minimises, and to its metrics under a name.

    Example:
      >>> import optax, jaxgan as jg
      >>> player = jg.Player(("net",), lambda nets, batch, turn: (1.0, {}), optax.sgd(0.1))
      >>> system = jg.System({"player": player}, None, lambda nets, key, inputs: None)
      >>> termed = jg.systems.with_term(system, "player", "extra", lambda nets, batch, turn: 0.5)
      >>> termed.players["player"].loss({}, {}, None)
      (1.5, {'extra': 0.5})

    Args:
      system: any.
      player: who pays.
      name: of the term: "<player>/<name>" among the metrics.
      term: (nets, batch, turn) -> [], with its weight.
    Returns:
      The system with the same players.
    Raises:
      ValueError: the system has no such player, or the game a metric of this name; at trace time, the player has one.
    """
    if player not in system.players:
        raise ValueError(f"{name} needs a player {player!r}; the system has {sorted(system.players)}")
    if name in RESERVED:
        raise ValueError(f"a term cannot be called {name!r}, as the game's own metrics are; call it by another name")
    loss: LossFn = system.players[player].loss

    def more(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        value, metrics = loss(nets, batch, turn)
        if name in metrics:
            raise ValueError(f"player {player!r} has a metric {name!r} already; call the term by another name")
        cost = term(nets, batch, turn)
        return value + cost, metrics | {name: cost}

    return system._replace(players=dict(system.players) | {player: system.players[player]._replace(loss=more)})


@explains
def on_features(system: System, features: str = "features", network: str = "discriminator") -> System:
    """Lets a discriminator see frozen features in place of data: D(F(x)) wherever the system, or a tool, says D(x).

    Augmentations and replay are of x, before the features; gradients pass through F to x, so that the generator learns
    and a penalty is of x -> D(F(x)). A projected GAN is `on_features(gan(loss=losses.hinge, ...))`, with a
    `networks.projected` discriminator of the features of a network that knows pictures.

    Example:
      >>> import optax, jaxgan as jg
      >>> adam, prior = optax.adam(1e-3), jg.priors.normal(8)
      >>> system = on_features(jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=adam))
      >>> system.frozen, system.through
      (('features',), {'discriminator': 'features'})

    Args:
      system: any.
      features: name of the network of features, x -> any arrays; nobody trains it. Where it is a `networks.pretrained`,
        checkpoints hold a digest in place of its weights.
      network: name of the network whose first input passes through them.
    Returns:
      The system with the same players.
    Raises:
      ValueError: a player owns the features, no player owns the network, or it sees through features already.
    References:
      Sauer, Chitta, Müller, Geiger. Projected GANs Converge Faster. NeurIPS 2021, section 3.1.
    """
    owned = sorted({name for player in system.players.values() for name in player.owns})
    if features in owned or network not in owned or network in (system.through or {}):
        raise ValueError(
            f"on_features needs a network {network!r} that a player owns and that sees data as they are, and features "
            f"{features!r} that nobody owns; players own {owned}, and {dict(system.through or {})} see through others"
        )
    frozen = tuple(dict.fromkeys((*system.frozen, features)))
    return system._replace(frozen=frozen, through={**(system.through or {}), network: features})


@explains
def zcr(
    system: System, prior: Prior, *, deviation: float = 0.05, consistency: float = 20.0, diversity: float = 0.5
) -> System:
    """zCR: a latent that moves a little shall move the sample, and not what the discriminator thinks of it.

    D also minimises consistency * E (D(G(z)) - D(G(z + noise)))^2 and G -diversity * E (G(z) - G(z + noise))^2, on
    latents drawn for it. With `penalties.balanced_consistency` (bCR) in the system it is ICR.

    Metrics: those of the system, and each player's `zcr`, its term with its weight.

    Args:
      system: with players and networks "generator" and "discriminator", such as `gan(...)`.
      prior: the latents of the system.
      deviation: of the normal noise, >= 0.
      consistency: weight for D, >= 0; its default and the others' are StudioGAN's.
      diversity: weight for G, >= 0.
    Returns:
      The system with the same players.
    Raises:
      ValueError: a number is negative, or the system has other players.
    References:
      Zhao et al. Improved Consistency Regularization for GANs. AAAI 2021.
    """
    for name, value in (("deviation", deviation), ("consistency", consistency), ("diversity", diversity)):
        check_at_least_zero("zcr", name, value)

    def samples(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        size, generator = batch["x"].shape[0], frozen(nets["generator"])
        z = prior(turn.named("zcr latent"), size, turn.examples)
        keys = example_keys(turn.named("zcr noise"), size, turn.examples)
        moved = z + deviation * jax.vmap(lambda key: jax.random.normal(key, z.shape[1:], z.dtype))(keys)
        return generator(z, *condition_of(batch)), generator(moved, *condition_of(batch))

    def logits(nets: Nets, x: Array, batch: Batch) -> Array:
        return image_logits(frozen(nets["discriminator"])(x, *condition_of(batch)))

    def discriminator_term(nets: Nets, batch: Batch, turn: Turn) -> Array:
        fake, moved = samples(nets, batch, turn)
        return consistency * latent_consistency(logits(nets, fake, batch), logits(nets, moved, batch))

    def generator_term(nets: Nets, batch: Batch, turn: Turn) -> Array:
        return diversity * latent_diversity(*samples(nets, batch, turn))

    return with_term(with_term(system, "discriminator", "zcr", discriminator_term), "generator", "zcr", generator_term)


@explains
def regularized(system: System, network: str, term: Callable[[PyTree], Array], weight: Weight) -> System:
    """Adds a regulariser of a network's parameters to the loss of the player that owns it.

    BigGAN's: `regularized(system, "generator", penalties.orthogonal_off_diagonal, 1e-4)`.

    Metrics: those of the system, and the player's `<network>_regularizer`, the term with its weight.

    Args:
      system: any.
      network: name of the network.
      term: params -> [], such as `penalties.orthogonal`, or a function that picks the parameters that are meant.
      weight: >= 0, or a schedule of the step.
    Returns:
      The system with the same players.
    Raises:
      ValueError: the weight is negative, or nobody owns the network.
    """
    check_at_least_zero("regularized", "weight", 0.0 if callable(weight) else weight)
    owners = [name for name, player in system.players.items() if network in player.owns]
    if not owners:
        owned = sorted(name for player in system.players.values() for name in player.owns)
        raise ValueError(f"regularized: nobody owns network {network!r}; the players own {owned}")

    def cost(nets: Nets, batch: Batch, turn: Turn) -> Array:
        return weight_at(weight, turn) * term(nets[network].params)

    for owner in owners:
        system = with_term(system, owner, f"{network}_regularizer", cost)
    return system
