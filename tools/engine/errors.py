"""What goes wrong while the engine is looked for; each message is for the user, remedy included."""


class EngineError(Exception):
    """There is no engine to run with, or it cannot be told which."""


class WayClosedError(Exception):
    """One way to the engine does not work here; the message is the reason, others may be tried."""
