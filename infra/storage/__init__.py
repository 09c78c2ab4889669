"""The model bucket, one shape for every platform."""
