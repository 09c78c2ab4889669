"""How the engine marks a secret in what it writes down, and what we show instead of one."""

from typing import Final

SECRET: Final = "[secret]"  # noqa: S105 - what is shown instead of one
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark, not a secret
