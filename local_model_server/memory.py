"""Gives a dropped version's memory back, which neither Python nor glibc does by itself at once."""

import ctypes
import gc


def forget_start_up() -> None:
    """Leave what start-up made, TensorFlow above all, out of every later collection.

    A collection holds up requests; without this each would walk TensorFlow's million objects.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Collect the cycles that a graph is made of, and return free pages to the system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return  # Not glibc; then its own habits must do.
