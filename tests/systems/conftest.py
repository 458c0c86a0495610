"""Networks begin and answer in one program each, as in `tests/networks`."""

from tests.networks.conftest import compiled  # noqa: F401
