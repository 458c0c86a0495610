"""Recipes: named GANs for pictures of any size, number and classes, with the settings of their papers.

A recipe is one function, of what is known of the data to all that a run needs: networks, system, averaged generator,
augmentation, batch and rates. There are two scales: the paper's, and small networks that a CPU can pay for. What flags
give overrides what a recipe chooses.

- `dcgan`, `wgan_gp`, `sngan`, `sagan`, `biggan`, `stylegan2`, `r3gan`, `unet`, `projected`: one file for each family
- `parts`: `Facts`, `Settings`, `Recipe`, and what several recipes share
- `choosing`: the names, and which recipe suits which data
- `training`: the experiment that `jaxgan train` runs
"""
