"""Who moves when: one after the other, or all at once."""

from __future__ import annotations

from collections.abc import Callable

import jax

from jaxgan.types import Batch, Dynamics, Metrics, Minibatches, PyTree, Rules, TrainState, explains

# (rules, the players of this round, its number, state, minibatch) -> (state, metrics "<player>/<quantity>")
Round = Callable[[Rules, tuple[str, ...], int, TrainState, Batch], tuple[TrainState, Metrics]]


@explains
def alternating(*, shared: bool = False) -> Dynamics:
    """Players move one after the other, in the system's order; each sees the moves made before its own.

    A player with k updates moves k times in its turn, each time on a fresh minibatch (the last k of them) and with a
    fresh key. With `shared` the key is that of the minibatch, for all players: they play on the same latents, noise and
    augmentations, as in the common loop that makes one batch of samples for both turns. The generator does not move
    before its own turn, so that its forward pass of both is one, which the compiler then computes once: a twelfth of a
    DCGAN's step (docs/performance.md). It judges itself by latents that the discriminator has just learned from.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.alternating(), 0.5).tolist()  # y + 0.5 x, and then x - 0.5 * 1.5
      [[1.0, 1.0], [1.5, 0.25]]

    Args:
      shared: one key for the turns of a minibatch.
    Returns:
      Dynamics, (rules, state, minibatches) -> (state, metrics); a player's metrics are those of its last update.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, algorithm 1.
    """

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        metrics: Metrics = {}
        for name, player in rules.players.items():
            first = len(minibatches) - player.updates if shared else 0
            for update, minibatch in enumerate(minibatches[-player.updates :], start=first):
                gradient, model_state, observed = rules.gradient(name, update, state, minibatch, together=shared)
                state = rules.move(name, gradient, state._replace(model_state=model_state), observed["loss"])
            metrics |= prefixed(name, observed)
        return state, metrics

    return play


@explains
def simultaneous() -> Dynamics:
    """All players move at once, from gradients at the same point and of the same latents.

    What the players' losses have in common, such as the samples and what the discriminator says of them, is computed
    once: the compiler sees the same expressions. With several updates a player moves in the last of that many rounds.

    Example:
      >>> import jaxgan as jg
      >>> jg.diagnose.bilinear(jg.dynamics.simultaneous(), 0.5).tolist()  # y + 0.5 x, and x - 0.5 y as they were
      [[1.0, 1.0], [1.5, 0.5]]

    Returns:
      Dynamics.
    References:
      Nowozin, Cseke, Tomioka. f-GAN. NeurIPS 2016, algorithm 1 (single-step gradient method).
    """

    def play(
        rules: Rules, playing: tuple[str, ...], number: int, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        gradients, model_state, metrics = field(rules, playing, number, state, batch)
        return move_all(rules, gradients, state, metrics)._replace(model_state=model_state), metrics

    return in_rounds(play)


def in_rounds(play: Round) -> Dynamics:
    """Makes a dynamics of rounds, one for each minibatch; players with few updates join the last of them."""

    def dynamics(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        metrics: Metrics = {}
        for number, minibatch in enumerate(minibatches):
            left = len(minibatches) - number
            playing = tuple(name for name, player in rules.players.items() if player.updates >= left)
            state, observed = play(rules, playing, number, state, minibatch)
            metrics |= observed
        return state, metrics

    return dynamics


def field(
    rules: Rules, playing: tuple[str, ...], number: int, state: TrainState, batch: Batch
) -> tuple[dict[str, PyTree], dict[str, PyTree], Metrics]:
    """Returns the game's vector field: (each player's gradient at one point, model_state after it, metrics)."""
    gradients: dict[str, PyTree] = {}
    metrics: Metrics = {}
    kept = dict(state.model_state)
    for name in playing:
        gradients[name], model_state, observed = rules.gradient(name, number, state, batch, together=True)
        kept |= {n: after for n, after in model_state.items() if _touched(state.model_state[n], after)}
        metrics |= prefixed(name, observed)
    return gradients, kept, metrics


def _touched(before: PyTree, after: PyTree) -> bool:
    """Tells whether an evaluation replaced any leaf; what it left alone are the same arrays, in whatever containers."""
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any(new is not old for old, new in pairs)


def move_all(
    rules: Rules, gradients: dict[str, PyTree], state: TrainState, metrics: Metrics | None = None
) -> TrainState:
    """Moves each player by its optimizer; `metrics` of the gradients, where these are those of the losses."""
    for name, gradient in gradients.items():
        state = rules.move(name, gradient, state, metrics and metrics[f"{name}/loss"])
    return state


def prefixed(name: str, observed: Metrics) -> Metrics:
    """Names a player's metrics."""
    return {f"{name}/{quantity}": value for quantity, value in observed.items()}
