"""Every pair again, in float64 NumPy and as its paper writes it: no softplus, nothing made stable."""

import numpy as np
from scipy.special import lambertw

import jaxgan as jg

m, log, exp = np.mean, np.log, np.exp


def s(x):
    return 1 / (1 + exp(-x))


def relu(x):
    return np.maximum(x, 0.0)


def cross_entropy(logits, label):
    return -m(label * log(s(logits)) + (1 - label) * log(1 - s(logits)))


def partition(r, f):
    return m(log(exp(r).sum(0) + exp(f).sum(0)))


L = jg.losses
PI, BELOW, ABOVE, NEGATIVE = 0.3, 0.5, 2.5, -1.0

# name: f(u), activation g_f(v), conjugate f*(t); "alpha ..." and "weighted ..." with their parameter
W = lambda t: lambertw(exp(1 - t)).real  # noqa: E731


def order(a):
    return (
        lambda u: (u**a - 1 - a * (u - 1)) / (a * (a - 1)),
        (lambda v: 1 / (1 - a) - log(1 + exp(-v))) if a < 1 else (lambda v: v),
        lambda t: relu(t * (a - 1) + 1) ** (a / (a - 1)) / a - 1 / a,
    )


FAMILY = {
    "kl": (lambda u: u * log(u), lambda v: v, lambda t: exp(t - 1)),
    "reverse_kl": (lambda u: -log(u), lambda v: -exp(-v), lambda t: -1 - log(-t)),
    "pearson": (lambda u: (u - 1) ** 2, lambda v: v, lambda t: np.where(t < -2, -1, t**2 / 4 + t)),
    "neyman": (lambda u: (1 - u) ** 2 / u, lambda v: 1 - exp(-v), lambda t: 2 - 2 * np.sqrt(1 - t)),
    "squared_hellinger": (lambda u: (np.sqrt(u) - 1) ** 2, lambda v: 1 - exp(-v), lambda t: t / (1 - t)),
    "jeffrey": (lambda u: (u - 1) * log(u), lambda v: v, lambda t: W(t) + 1 / W(t) + t - 2),
    "jensen_shannon": (
        lambda u: -(u + 1) * log((1 + u) / 2) + u * log(u),
        lambda v: log(2) - log(1 + exp(-v)),
        lambda t: -log(2 - exp(t)),
    ),
    "weighted_jensen_shannon": (
        lambda u: PI * u * log(u) - (1 - PI + PI * u) * log(1 - PI + PI * u),
        lambda v: -PI * log(PI) - log(1 + exp(-v)),
        lambda t: (1 - PI) * log((1 - PI) / (1 - PI * exp(t / PI))),
    ),
    "gan": (
        lambda u: u * log(u) - (u + 1) * log(u + 1),
        lambda v: -log(1 + exp(-v)),
        lambda t: -log(1 - exp(t)),
    ),
    "total_variation": (lambda u: abs(u - 1) / 2, lambda v: np.tanh(v) / 2, lambda t: t),
    "alpha 0.5": order(BELOW),
    "alpha 2.5": order(ABOVE),
    "alpha -1": order(NEGATIVE),
}


def arguments(name):
    """The arguments of `f_divergence` for a name of FAMILY."""
    if name.startswith("alpha"):
        return ("alpha",), {"alpha": float(name.split()[1])}
    return (name,), ({"pi": PI} if name.startswith("weighted") else {})


def family(name, **settings):
    names, parameters = arguments(name)
    loss, (_, g, conjugate) = L.f_divergence(*names, **parameters, **settings), FAMILY[name]
    generator = (lambda r, f: -m(conjugate(g(f)))) if not settings else (lambda r, f: -m(g(f)))
    return loss, lambda r, f: m(conjugate(g(f))) - m(g(r)), generator


def ratio(name, f, slope):
    return (
        L.density_ratio(name),
        lambda r, q: m(slope(exp(q)) * exp(q) - f(exp(q))) - m(slope(exp(r))),
        lambda r, q: m(f(exp(q))),
    )


# name: the loss, its discriminator's and its generator's equation
PAIRS = {
    "minimax": (
        L.minimax,
        lambda r, f: -m(log(s(r))) - m(log(1 - s(f))),
        lambda r, f: m(log(1 - s(f))),
    ),
    "non_saturating": (
        L.non_saturating,
        lambda r, f: -m(log(s(r))) - m(log(1 - s(f))),
        lambda r, f: -m(log(s(f))),
    ),
    "hard_threshold": (
        L.hard_threshold,
        lambda r, f: -(m(r > 0) + m(f <= 0)) / 2,
        lambda r, f: -m(f > 0),
    ),
    "least_squares": (
        L.least_squares,
        lambda r, f: m((r - 1) ** 2) / 2 + m(f**2) / 2,
        lambda r, f: m((f - 1) ** 2) / 2,
    ),
    "least_squares_targets": (
        L.least_squares_targets(-0.5, 2.0, 0.25),
        lambda r, f: m((r - 2.0) ** 2) / 2 + m((f + 0.5) ** 2) / 2,
        lambda r, f: m((f - 0.25) ** 2) / 2,
    ),
    "margin": (L.margin, lambda r, f: m(relu(1 - r)) + m(relu(1 + f)), lambda r, f: m(relu(1 - f))),
    "hinge": (L.hinge, lambda r, f: m(relu(1 - r)) + m(relu(1 + f)), lambda r, f: -m(f)),
    "wasserstein": (L.wasserstein, lambda r, f: m(f) - m(r), lambda r, f: -m(f)),
    "softmax": (
        L.softmax,
        lambda r, f: partition(r, f) - m(r),
        lambda r, f: partition(r, f) - m(np.concatenate([r, f])),
    ),
    "relativistic": (L.relativistic, lambda r, f: -m(log(s(r - f))), lambda r, f: -m(log(s(f - r)))),
    "relativistic_average": (
        L.relativistic_average,
        lambda r, f: -m(log(s(r - m(f)))) - m(log(1 - s(f - m(r)))),
        lambda r, f: -m(log(s(f - m(r)))) - m(log(1 - s(r - m(f)))),
    ),
    "relativistic_average_least_squares": (
        L.relativistic_average_least_squares,
        lambda r, f: m((r - m(f) - 1) ** 2) + m((f - m(r) + 1) ** 2),
        lambda r, f: m((f - m(r) - 1) ** 2) + m((r - m(f) + 1) ** 2),
    ),
    "relativistic_average_hinge": (
        L.relativistic_average_hinge,
        lambda r, f: m(relu(1 - (r - m(f)))) + m(relu(1 + (f - m(r)))),
        lambda r, f: m(relu(1 - (f - m(r)))) + m(relu(1 + (r - m(f)))),
    ),
    "energy_based": (L.energy_based(0.8), lambda r, f: m(r) + m(relu(0.8 - f)), lambda r, f: m(f)),
    "boundary_equilibrium": (L.boundary_equilibrium(0.3), lambda r, f: m(r) - 0.3 * m(f), lambda r, f: m(f)),
    "smoothed": (
        L.smoothed(L.non_saturating),
        lambda r, f: cross_entropy(r, 0.9) + cross_entropy(f, 0.0),
        lambda r, f: -m(log(s(f))),
    ),
    "smoothed on both sides": (
        L.smoothed(L.minimax, 0.8, 0.3),
        lambda r, f: cross_entropy(r, 0.8) + cross_entropy(f, 0.3),
        lambda r, f: m(log(1 - s(f))),
    ),
    "smoothed pairs": (
        L.smoothed(L.relativistic, 0.8, 0.2),
        lambda r, f: cross_entropy(r - f, 0.8),
        lambda r, f: -m(log(s(f - r))),
    ),
    "density_ratio pearson": ratio("pearson", lambda u: (u - 1) ** 2 / 2, lambda u: u - 1),
    "density_ratio kl": ratio("kl", lambda u: u * log(u), lambda u: log(u) + 1),
    "density_ratio gan": ratio("gan", lambda u: u * log(u) - (u + 1) * log(u + 1), lambda u: log(u / (u + 1))),
    **{f"f_divergence {name}": family(name) for name in FAMILY},
    "f_divergence practical": family("jensen_shannon", saturating=False),
}
LARGEST = {  # logits that are exponentiated: float32 ends at e^88, and some are squared
    **{f"f_divergence {name}": 80.0 for name in ("kl", "reverse_kl", "neyman", "squared_hellinger", "jeffrey")},
    "f_divergence alpha 0.5": 80.0,  # alpha / (1 - alpha) = 1 times the logit
    "density_ratio pearson": 40.0,
    "density_ratio kl": 80.0,
    "density_ratio gan": 80.0,
}
