"""What the discriminator sees instead of an image: functions (x, turn, use) -> x, applied to real and fake alike.

`use` is "real" or "fake": each draws its own. Draws belong to examples of the global batch.

noise           instance_noise: normal noise, for points as for images
differentiable  diffaugment: DiffAugment's colour, translation and cutout
pipeline        ada: ADA's transforms, each of which happens with one probability
adaptive        Adaptive: that probability, in the train state, moved by how sure the discriminator is of real data
blur            fading_blur: details are hidden at first
cutmix          cutmix_masks, mix: a box of one image in another, for discriminators that judge pixels

What ADA's transforms do, with their parameters as arguments, is in `geometry` and `appearance`.
"""

from jaxgan.augment.adaptive import Adaptive
from jaxgan.augment.blur import fading_blur
from jaxgan.augment.cutmix import cutmix_masks, mix
from jaxgan.augment.differentiable import diffaugment
from jaxgan.augment.noise import instance_noise
from jaxgan.augment.pipeline import ada

__all__ = ["Adaptive", "ada", "cutmix_masks", "diffaugment", "fading_blur", "instance_noise", "mix"]
