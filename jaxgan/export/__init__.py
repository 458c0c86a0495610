"""A trained generator in a folder that others can use: weights, a program, and a card that says what it is.

    jaxgan export runs/digits/RUN            # or, of a game of one's own: export.write(game, state, folder, ...)
    generator = jg.load("runs/digits/RUN/export")  # or a run itself
    images = generator(n=64, seed=0)

generator.safetensors  the averaged variables that samples need, by "network/collection/path"
generator.stablehlo    a program of weights, key and inputs, for any number of samples: `jax.export`
latents.stablehlo      likewise of latents instead of a key, where the generator has such
generator.onnx         if it is asked for: latents -> samples, weights inside (`onnx`, by jax2onnx)
export.json            what it is asked with, what it makes, where it comes from
README.md              a model card: its licence is yours to fill in
"""

from jaxgan.export.card import card
from jaxgan.export.files import Export, write
from jaxgan.export.loaded import Loaded, load
from jaxgan.export.program import Program, program

__all__ = ["Export", "Loaded", "Program", "card", "load", "program", "write"]
