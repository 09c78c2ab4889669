"""Serving: one package per target, and the settings that they share."""
