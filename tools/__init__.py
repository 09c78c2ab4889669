"""What installs the engine and the test servers, pinned."""
