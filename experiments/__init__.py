"""Experiments: one file for each, run by `python -m experiments NAME [--flag value ...]` into `runs/NAME/<id>/`.

An experiment is a module with a docstring (what it shows, command, expected result, minutes), a frozen dataclass
`Config` of numbers and strings, `SMOKE` (the fields of a run of a few steps), and three functions:

- `source(config)`: the training data
- `build(config, shape, classes)`: the game and how its samples look; needs no data
- `judge(config, folder)`: a function samples -> `Judgement`, and in words what it measures

Experiments that compare many small games end in tables; their form is that of `experiments.tables`.
"""

from types import ModuleType

from experiments import (
    cifar10_biggan,
    cifar10_dcgan,
    cifar10_r3gan,
    cifar10_sagan,
    cifar10_sngan,
    cifar10_stylegan2_ada,
    cifar10_wgan_gp,
    digits,
    digits_acgan,
    digits_biggan,
    digits_conditional,
    digits_features,
    digits_infogan,
    digits_latent,
    digits_mlp,
    digits_semi,
    digits_sngan,
    digits_stylegan2,
    digits_unet,
    dirac,
    folder,
    glyph_stack,
    glyph_text,
    glyph_where,
    imagenet128_biggan,
    lapgan,
    modes,
    optimal_discriminator,
    progressive,
    remedies,
    ring,
    stacked_digits,
    stacked_mnist_pacgan,
    stacked_mnist_r3gan,
    tfds,
    truncation,
)

EXPERIMENTS: dict[str, ModuleType] = {
    "digits": digits,
    "digits_mlp": digits_mlp,
    "digits_sngan": digits_sngan,
    "digits_biggan": digits_biggan,
    "digits_stylegan2": digits_stylegan2,
    "digits_unet": digits_unet,
    "digits_conditional": digits_conditional,
    "digits_acgan": digits_acgan,
    "digits_infogan": digits_infogan,
    "ring": ring,
    "tfds": tfds,
    "folder": folder,
    "cifar10_dcgan": cifar10_dcgan,
    "cifar10_wgan_gp": cifar10_wgan_gp,
    "cifar10_sngan": cifar10_sngan,
    "cifar10_sagan": cifar10_sagan,
    "cifar10_biggan": cifar10_biggan,
    "cifar10_stylegan2_ada": cifar10_stylegan2_ada,
    "cifar10_r3gan": cifar10_r3gan,
    "imagenet128_biggan": imagenet128_biggan,
    "stacked_mnist_pacgan": stacked_mnist_pacgan,
    "stacked_mnist_r3gan": stacked_mnist_r3gan,
}

TABLES: dict[str, ModuleType] = {
    "dirac": dirac,
    "modes": modes,
    "remedies": remedies,
    "optimal_discriminator": optimal_discriminator,
    "digits_semi": digits_semi,
    "digits_features": digits_features,
    "digits_latent": digits_latent,
    "lapgan": lapgan,
    "progressive": progressive,
    "truncation": truncation,
    "stacked_digits": stacked_digits,
    "glyph_text": glyph_text,
    "glyph_where": glyph_where,
    "glyph_stack": glyph_stack,
}
