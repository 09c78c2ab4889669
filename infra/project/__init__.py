"""The project or account that a stack lives in: what has to be switched on there."""
