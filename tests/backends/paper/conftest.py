"""Settings of the torch tests."""

from tests.diffusion.conftest import one_thread  # noqa: F401 (a fixture)
