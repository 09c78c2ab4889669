"""What holds for all tests."""

from hypothesis import settings

# A busy machine is no fault of the code under test; figures are taken in benchmarks/.
settings.register_profile("servestack", deadline=None)
settings.load_profile("servestack")
