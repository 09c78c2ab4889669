"""Predictions over the wire: endpoints, what goes out to them and what comes back."""
