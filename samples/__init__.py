"""Sample models that train in seconds, for a first try and for tests."""
