"""Is it collapsing, diverging, vanishing? What ails a running game, from its state, its samples and its record.

measure   what one state shows: gradients, logits of real and fake, normalisation layers and units
samples   how samples lie among real data: spread, groups avoided, near duplicates, copies of training data
record    what a recorded history tells: its recent part, its periods
symptoms  rules from measurements and history to findings, each with its evidence and remedies
local     eigenvalues of the game around a point, by Arnoldi on products with its Jacobian: does it converge here?
bilinear  the smallest game on which dynamics differ, played by any of them
watching  a log that warns while training goes on
"""

from jaxgan.diagnose.bilinear import bilinear
from jaxgan.diagnose.local import Spectrum, spectrum
from jaxgan.diagnose.measure import Logits, Measurements, Normalisation, examine
from jaxgan.diagnose.samples import Variety, variety
from jaxgan.diagnose.symptoms import Finding, diagnose
from jaxgan.diagnose.watching import watch

__all__ = [
    "Finding",
    "Logits",
    "Measurements",
    "Normalisation",
    "Spectrum",
    "Variety",
    "bilinear",
    "diagnose",
    "examine",
    "spectrum",
    "variety",
    "watch",
]
