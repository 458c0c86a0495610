"""Dynamics: how the turns of one train step are played, a function (rules, state, minibatches) -> (state, metrics).

It updates parameters, model state and optimizer states; the game counts the step and averages the parameters.
"""

from __future__ import annotations

from jaxgan.types import Dynamics, Metrics, Minibatches, Rules, TrainState


def alternating() -> Dynamics:
    """Players move one after the other, in the system's order; each sees the moves made before its own.

    A player with k updates moves k times in its turn, each time on a fresh minibatch (the last k of them) and with a
    fresh key.

    Returns:
      Dynamics, (rules, state, minibatches) -> (state, metrics); a player's metrics are those of its last update.
    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, algorithm 1.
    """

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        metrics: Metrics = {}
        for name, player in rules.players.items():
            for update, minibatch in enumerate(minibatches[-player.updates :]):
                gradient, model_state, observed = rules.gradient(name, update, state, minibatch)
                state = rules.move(name, gradient, state._replace(model_state=model_state))
            metrics |= {f"{name}/{quantity}": value for quantity, value in observed.items()}
        return state, metrics

    return play
