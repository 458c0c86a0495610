"""Experiments: one file for each, run by `python -m experiments NAME [--flag value ...]` into `runs/NAME/<id>/`.

What an experiment is made of is said in `jaxgan.runs`; those that end in tables in `jaxgan.runs.tables`. They lie in
folders by what they are about. Here are their names, in the order of the list, and the modules that are imported when
they are asked for.
"""

EXPERIMENTS = {
    "digits": "experiments.digits.dcgan",
    "digits_mlp": "experiments.digits.mlp",
    "digits_sngan": "experiments.digits.sngan",
    "digits_biggan": "experiments.digits.biggan",
    "digits_stylegan2": "experiments.digits.stylegan2",
    "digits_unet": "experiments.digits.unet",
    "digits_conditional": "experiments.digits.conditional",
    "digits_acgan": "experiments.digits.acgan",
    "digits_infogan": "experiments.digits.infogan",
    "ring": "experiments.toys.ring",
    "tfds": "experiments.yours.tfds",
    "folder": "experiments.yours.folder",
    "cifar10_dcgan": "experiments.full_size.cifar10_dcgan",
    "cifar10_wgan_gp": "experiments.full_size.cifar10_wgan_gp",
    "cifar10_sngan": "experiments.full_size.cifar10_sngan",
    "cifar10_sagan": "experiments.full_size.cifar10_sagan",
    "cifar10_biggan": "experiments.full_size.cifar10_biggan",
    "cifar10_stylegan2_ada": "experiments.full_size.cifar10_stylegan2_ada",
    "cifar10_r3gan": "experiments.full_size.cifar10_r3gan",
    "imagenet128_biggan": "experiments.full_size.imagenet128_biggan",
    "stacked_mnist_pacgan": "experiments.full_size.stacked_mnist_pacgan",
    "stacked_mnist_r3gan": "experiments.full_size.stacked_mnist_r3gan",
}

TABLES = {
    "dirac": "experiments.toys.dirac",
    "modes": "experiments.toys.modes",
    "remedies": "experiments.toys.remedies",
    "optimal_discriminator": "experiments.toys.optimal_discriminator",
    "digits_semi": "experiments.digits.semi",
    "digits_features": "experiments.digits.features",
    "digits_latent": "experiments.digits.latent",
    "lapgan": "experiments.digits.lapgan",
    "progressive": "experiments.digits.progressive",
    "truncation": "experiments.digits.truncation",
    "stacked_digits": "experiments.digits.stacked",
    "glyph_text": "experiments.glyphs.text",
    "glyph_where": "experiments.glyphs.where",
    "glyph_stack": "experiments.glyphs.stackgan",
    "inpainting": "experiments.restoration.inpainting",
    "structure_style": "experiments.restoration.structure_style",
    "superresolution": "experiments.restoration.srgan",
    "texture": "experiments.restoration.texture",
}
