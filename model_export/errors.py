"""The one root of every mistake that `model-export` reports by message, never by traceback."""


class ModelExportError(Exception):
    """Something the user can act on; `str(error)` is the whole message, remedy included."""
