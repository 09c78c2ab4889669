"""The mistakes that `model-export` reports by message, never by traceback."""


class ModelExportError(Exception):
    """Something the user can act on; `str(error)` is the whole message, remedy included."""


class RefusedError(ModelExportError):
    """The request itself is at fault: asked again in the same words, it is refused again."""


class BucketMissingError(RefusedError):
    """There is no such bucket."""
