"""What goes wrong while the engine is looked for; each message is for the user, remedy included."""


class EngineError(Exception):
    """There is no engine to run with."""

    exit_code = 1


class EngineUsageError(EngineError):
    """What the user asked for makes no sense."""

    exit_code = 2


class WayClosedError(Exception):
    """One way to the engine does not work here; the message is the reason, others may be tried."""
