"""Strictness for every test: several CPU devices, no implicit rank promotion, no key used twice."""

import collections
import contextlib
import gc
import os
from importlib.metadata import version
from pathlib import Path

# Compilation is the clock of this suite: programs are tiny and run a few times. The newer of XLA's two ways to emit
# code for CPUs takes twice the time of the older, and optimizations (but see `optimized`) twice that again.
# Tests of precision need them left out, too: a pass may keep more digits than a program says.
# Each program in one piece: what is split can be compiled by many threads, of which there is one here.
# XLA aborts on flags that it does not know, and that of JAX 0.12 has the newer way only.
QUICK_CODE = ""
if version("jaxlib").startswith("0.10."):
    QUICK_CODE = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=8 {QUICK_CODE} " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "1")  # CPU bits depend on the number of threads; bitwise tests need it fixed
# Processes that the tests start, and later runs, read what was compiled before.
# What is compiled depends on the number of threads, which JAX's own key leaves out.
CACHE = Path(__file__).parents[1] / ".cache" / f"jax-{os.environ['NPROC']}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import hypothesis
import jax
import numpy as np
import pytest
from PIL import Image

import jaxgan.data
from tests.reliability.table import pytest_terminal_summary  # noqa: F401  (here, where a session of workers finds it)

N = 60  # examples of the prepared set

gc.set_threshold(50_000, 20, 20)  # tracing makes many small objects, and few cycles among them
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
hypothesis.settings.register_profile("reproducible", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("reproducible")


def pytest_collection_finish():
    """What was imported lives to the end: the collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()


EVENTS = collections.Counter()  # since the caches were cleared
jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **more: EVENTS.update([event]))


def pytest_runtest_teardown(item, nextitem):
    """Of what was compiled, no more than some hundred programs live longer than their file.

    As long as one does, it keeps the MLIR context that it was lowered in, and while thousands of them live, the next
    takes three to six times as long (docs/decisions/suite.md); this suite has twenty thousand.
    """
    another = nextitem is None or nextitem.path != item.path
    if another and EVENTS["/jax/core/compile/backend_compile_duration"] > 300:
        EVENTS.clear()
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def key():
    return jax.random.key(0)


@contextlib.contextmanager
def optimizations():
    """XLA's optimizations, which take longer to compile: for programs that run long, and for tests of what they do."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def optimized():
    """For one test: those after it in its file compile quickly again."""
    with optimizations():
        yield


@pytest.fixture(autouse=True)
def optimized_where_slow(request):
    """Minutes of learning are worth the compilation."""
    if request.node.get_closest_marker("slow"):
        request.getfixturevalue("optimized")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A data_dir with set "smalldigits"; its builder is not registered, as when it was prepared elsewhere."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    with registered.skip_registration():

        class Smalldigits(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                image = tfds.features.Image(shape=(8, 8, 1))
                label = tfds.features.ClassLabel(num_classes=10)
                features = tfds.features.FeaturesDict({"image": image, "label": label})
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                pixels, labels = small_digits()
                for i in range(N):
                    yield i, {"image": Image.fromarray(pixels[i]), "label": labels[i]}

    data_dir = tmp_path_factory.mktemp("tfds")
    Smalldigits(data_dir=data_dir, file_format="array_record").download_and_prepare()
    return str(data_dir)


def small_digits():
    """Returns the vendored digits as stored: pixels [N, 8, 8] uint8 in 0..240 and labels [N]."""
    with np.load(Path(jaxgan.data.__file__).with_name("optdigits.npz")) as file:
        return file["images"] * np.uint8(15), file["labels"].astype(int)
