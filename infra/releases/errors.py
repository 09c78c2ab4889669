"""What ends a command with exit code 1: the operation failed. Everything else refuses, with 2."""

from infra.errors import ServestackError


class OperationFailedError(ServestackError):
    """What was asked for was sound, but it did not come about; the message says why."""


class UpdateRunningError(OperationFailedError):
    """Somebody else changes the stack right now."""
