"""SRGAN: small pictures are enlarged with the details that such pictures have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import jax
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import content as content_distance
from jaxgan.losses.features import Distance
from jaxgan.penalties.weights import Weight, is_absent, weight_at
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def srgan(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: Weight = 1e-3,
    pixel: float = 1.0,
    content: float | Mapping[str, float] = 2e-6,
    distance: Distance = "squared",
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator that enlarges pictures: near the truth in pixels and in features, and not to be told from it.

    The batch has pictures "x" and what they are made from, "low", as `data.degraded(..., low=...)` gives it. The
    generator minimises pixel * E|G(low) - x|^p, plus `content` times the same of the outputs of "features", a network
    that is given (`networks.pretrained`) and never moves, plus `weight` times its adversarial loss; the discriminator
    sees whole pictures. Real-ESRGAN's form has `distance="absolute"`, weight 0.1, several layers with a weight each
    (the network "features" returns them by name) and `networks.unet.Pixels` as the discriminator.

    With weight=0 there is no discriminator, and with content=0 no "features": the game of the first phase, from which
    the state of the second starts (`carry`). A weight that is an array, as of a `parallel.sweep` over it, or a schedule
    of the step has a discriminator whatever its value: so one program trains the whole curve from PSNR to sharpness.

    Metrics: each player's loss; the generator's `pixel` and `content`, without their weights and with; the
    discriminator's as in `gan`.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `non_saturating`.
      optimizer: one for all players, or {"discriminator": ..., "generator": ...}.
      weight: of the adversarial loss, >= 0, or a schedule of the step; the paper's is 1e-3.
      pixel: of the distance in pixels, >= 0; the paper's final loss has none, its authors' code 1.
      content: of the distance in features, or by layer, >= 0; the authors' code has 2e-6 for one layer of VGG19.
      distance: "squared" or "absolute", of pixels and features.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator", "discriminator" unless weight is 0, and "features" unless content is. It
      generates from "low".
    Raises:
      ValueError: a weight is negative or all are zero, an unknown distance, or the optimizers are not named after the
        players; at trace time, no "low" in the batch, features that do not fit, or pictures unlike the data.
    References:
      Ledig et al. Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network. CVPR 2017,
      eq. 3 to 6.
      Wang, Xie, Dong, Shan. Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data. ICCVW
      2021, section 3.3.
    """
    layers = list(content.values()) if isinstance(content, Mapping) else [content]
    numbers = [x for x in (weight, pixel, *layers) if not (callable(x) or isinstance(x, jax.core.Tracer))]
    if not all(x >= 0 for x in numbers) or all(is_absent(x) for x in (weight, pixel, *layers)):
        raise ValueError(f"srgan needs weights >= 0, not all zero; got {weight}, pixel={pixel} and content={content}")
    judge = adversary(loss, **adversarial)
    judged, looks = not is_absent(weight), not all(is_absent(layer) for layer in layers)

    def enlarged(nets: Nets, batch: Batch) -> tuple[Array, Array]:
        """Returns the truth, and what the generator makes of the small picture."""
        check_batch("srgan", batch, x="pictures", low="what they are enlarged from")
        made: Array = nets["generator"](batch["low"])
        if made.shape != batch["x"].shape:
            sizes = f"pictures {batch['x'].shape} from {batch['low'].shape} by 'generator'; it makes {made.shape}"
            raise ValueError(f"srgan needs {sizes}: choose its factor after the data")
        return batch["x"], made

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, made = enlarged(nets, batch)
        apart = content_distance(x, made, distance=distance)
        value, metrics = pixel * apart, {"pixel": apart}
        if looks:
            features = frozen(nets["features"])
            metrics["content"] = content_distance(features(x), features(made), content, distance)
            value = value + metrics["content"]
        if judged:
            value = value + weight_at(weight, turn) * judge.generator(nets, turn, x, made).loss
        return value, metrics

    discriminator = player_loss(judge.discriminator, lambda nets, batch, turn: enlarged(nets, batch))
    moves: dict[str, Any] = {"discriminator": ("discriminator", discriminator, n_critic)} if judged else {}
    moves["generator"] = ("generator", generator)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        made: Array = nets["generator"](inputs["low"])
        return made

    system = between(judge if judged else (), players(optimizer, **moves), generate, asks={"low": "small pictures"})
    return system._replace(frozen=(*system.frozen, *(["features"] if looks else [])))
