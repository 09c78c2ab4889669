"""Clusters, their pools of nodes, and what is known of machines and accelerators."""
