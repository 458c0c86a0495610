"""Handwritten digits and stacks of them: runs of minutes on a CPU."""
