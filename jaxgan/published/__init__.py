"""Weights that others published, as networks of this library: settings and variables, and nothing that is run.

- `parts`: what every family needs: a network read from names and arrays, and the check that nothing is left over
- `pkl`: the networks that a .pkl describes
- `stylegan2`, `r3gan`: networks of a .pkl, by `pkl.modules`
- `biggan`, `sngan`: state dicts of a .pth, by `metrics.extractors.pth.parse`
- `spectral`: the singular vectors of spectrally normalised layers
- `files`: which of them a file is

What is not of the form that a network here has is refused by its name: a network that makes other pictures than its
authors' is worth nothing.
"""

from jaxgan.published.files import Published, read

__all__ = ["Published", "read"]
