"""What an exception of others says went wrong, in one line: TensorFlow's, and the file system's."""

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Final

_NUMBERED: Final = re.compile(r"\[Errno -?\d+\] ([^:]+)")


def reason_line(error: Exception) -> str:
    """Pick the line that says what is wrong: in TensorFlow's errors it stands before the node."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    for line, following in pairwise(lines):
        if following.lstrip().startswith("[["):
            return line
    return lines[0] if lines else type(error).__name__


def unwritten(error: OSError, place: Path) -> str:
    """Say which file could not be written and why; `place` where the error names none."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        # Of a whole tree, which goes on after the first: that one tells why.
        _, target, said = error.args[0][0]
        numbered = _NUMBERED.search(str(said))
        return f"{target}: {numbered[1] if numbered else said}"
    # Of a copy the first name is what was read.
    return f"{error.filename2 or error.filename or place}: {error.strerror or error}"
