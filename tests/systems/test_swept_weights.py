"""Weights of systems may be those of a sweep: traced numbers, which Python cannot compare."""

import jax
import optax
import pytest

import jaxgan as jg
from jaxgan.data.encodings import Span
from jaxgan.systems.gan import latent_optimization

SETTINGS = {"loss": jg.losses.hinge, "optimizer": optax.sgd(0.1)}
NOISE = jg.priors.normal(2)
SPANS = (Span(1, "number"),)
SWEPT = {
    "infogan": lambda w: jg.systems.infogan(noise=NOISE, continuous=1, weight=w, continuous_weight=w, **SETTINGS),
    "ctgan": lambda w: jg.systems.ctgan(prior=NOISE, spans=SPANS, weight=w, temperature=w, **SETTINGS),
    "structure_style": lambda w: jg.systems.structure_style(prior=NOISE, weight=w, joint=w, **SETTINGS),
    "latent_optimization": lambda w: latent_optimization(w, w, w, w),
}


@pytest.mark.parametrize("name", SWEPT)
def test_a_weight_may_be_traced(name):
    jax.eval_shape(lambda w: SWEPT[name](w) and w, 0.5)
    with pytest.raises(ValueError, match=f"{name} needs .* >= 0; got -1|{name} needs 0 <= .*; got -1"):
        SWEPT[name](-1.0)
