"""Domain-adversarial training: features that classify one domain, and do not say which domain they are from."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.losses import auxiliary_classifier
from jaxgan.penalties.weights import Weight, check_at_least_zero, weight_at
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, loss_at, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, image_logits, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, Schedule, System, Turn, explains


@explains
def domain_adversarial(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: Weight = 1.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A classifier of labelled source data for an unlabelled target domain, by features that fool a discriminator.

    With features F, labels C and the discriminator D, the player "classifier" minimises L_y(C(F)) - weight L_d(D(F)),
    and "discriminator" minimises L_d: its loss by F of the source as real and F of the target as fake. That is the
    gradient reversal layer without the layer, **where both move at once**: play it by `dynamics.simultaneous()`. Turns
    one after the other are another algorithm. D's step is not scaled by the weight, in either form.

    The batch is {"source", "source_y", "target"}, as `data.unpaired(source=..., target=...)` makes it. Batch
    normalisation in F sees one domain at a time, and its running averages mix them.

    A loss L_d of log 2 for each domain does not say that target labels are right: a discriminator that is too weak,
    such as a linear one, is fooled by features whose means agree. Settings must not be chosen by labels of the target.

    Metrics: each player's loss; the classifier's `classes`, the cross-entropy of the source, `accuracy` of the source
    in this batch, and `domains`, L_d; the discriminator's logits and probabilities as in `gan`.

    Args:
      loss: L_d is its discriminator's side, from `jaxgan.losses`; the paper's is that of `non_saturating`.
      optimizer: one for both players, or {"discriminator": ..., "classifier": ...}.
      weight: lambda, >= 0, or a schedule, such as `domain_weight`. 0: trained on the source alone.
      n_critic: discriminator updates per update of the classifier, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; they meet features.
    Returns:
      System with networks "features", x [B, ...] -> [B, ...], "classifier", features -> class logits [B, K], and
      "discriminator", features -> logits. It generates class logits [n, K] from "target".
    Raises:
      ValueError: the weight is negative, or the optimizers are not named after the players; at trace time, a batch
        without one of its three entries, or domains with features of different shapes.
    References:
      Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 2016, eq. 9-10 and 13-15.
    """
    if not callable(weight):
        check_at_least_zero("domain_adversarial", "weight", weight)
    judge = adversary(loss, **adversarial)

    def features(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        check_batch("domain_adversarial", batch, source="labelled data", target="unlabelled data of another domain")
        return nets["features"](batch["source"]), nets["features"](batch["target"])

    def classifier(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        check_batch("domain_adversarial", batch, source_y="class labels of the source")
        source, target = features(nets, batch, turn)
        class_logits = nets["classifier"](source)
        classes = auxiliary_classifier(class_logits, batch["source_y"])
        right = jnp.argmax(class_logits, axis=1) == batch["source_y"]
        verdict = judge.generator(nets, turn, source, target)
        domains = loss_at(loss, nets, turn).discriminator(image_logits(verdict.real), image_logits(verdict.fake))
        metrics = {"classes": classes, "accuracy": jnp.mean(right, dtype=jnp.float32), "domains": domains}
        return classes - weight_at(weight, turn) * domains, metrics

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        return nets["classifier"](nets["features"](inputs["target"]))

    playing = players(
        optimizer,
        discriminator=("discriminator", player_loss(judge.discriminator, features), n_critic),
        classifier=(("features", "classifier"), classifier),
    )
    return between(judge, playing, generate, asks={"target": "what to classify, of either domain"})


def domain_weight(steps: int, steepness: float = 10.0) -> Schedule:
    """Returns the paper's lambda, which rises from 0 to 1: 2 / (1 + exp(-steepness p)) - 1 with p = step / steps.

    So the features are of some use before they have to be the same for both domains.

    Args:
      steps: of the training, >= 1; after them p stays 1.
      steepness: gamma of the paper, > 0.
    Returns:
      Schedule, step [] -> weight [] in [0, 1).
    Raises:
      ValueError: a setting is out of range.
    References:
      Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 2016, section 5.2.2.
    """
    if steps < 1 or not steepness > 0:
        raise ValueError(f"domain_weight needs steps >= 1 and steepness > 0; got {steps} and {steepness}")

    def weight(step: Array) -> Array:
        return jnp.tanh(0.5 * steepness * jnp.minimum(step / steps, 1.0))  # the same function

    return weight
