"""Sequences of tokens: text GANs beside maximum likelihood at every temperature."""
