"""From a SavedModel to a smaller or faster one, with the figures of both side by side."""
