"""From a trained model to an immutable, verified version in a bucket.

Imports neither Pulumi nor infra, so that a training image can carry it alone. Nothing here imports
TensorFlow at module level: a preview reads manifests through this package and must stay fast.
"""
