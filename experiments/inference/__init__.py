"""Experiments that infer: encoders beside generators, and adversaries that judge latents."""
