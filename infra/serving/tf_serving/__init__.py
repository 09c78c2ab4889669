"""Serving by TF Serving on Kubernetes: an existing cluster, GKE and EKS alike."""
