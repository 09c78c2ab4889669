"""Serving by Amazon SageMaker."""
