"""A Kubernetes cluster for tests: the real control plane, nodes that are none, and a real node."""
