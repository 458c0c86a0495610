"""Experiments with tokenizers: few bits for a picture, and what an adversary restores of it."""
