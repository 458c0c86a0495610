"""Experiments of systems that act: imitation of an expert, and of behaviours."""
