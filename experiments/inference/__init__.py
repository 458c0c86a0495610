"""Latents and ratios that are inferred: encoders beside a generator, and what a discriminator's logit means."""
