"""Serving by processes on this machine."""
