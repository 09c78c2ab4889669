"""A drop-in for `tensorflow_model_server` on one machine, over TensorFlow's own runtime."""
