"""The one root of every mistake that we report to a user by message, never by traceback."""


class ServestackError(Exception):
    """Something the user can act on; `str(error)` is the whole message, remedy included."""
