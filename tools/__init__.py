"""What installs the engine, the test servers and the cluster for tests, pinned."""
