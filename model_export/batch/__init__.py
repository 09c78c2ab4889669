"""Predictions for a whole file: read, asked for in batches, written in order, resumed."""
