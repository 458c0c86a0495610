"""The recipes of the papers at their full size, for accelerators."""
