"""Mistakes in a configuration, as the user reads them: all at once, one line each."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from infra.errors import ServestackError

NAMESPACE: Final = "servestack"
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where it is, what is wrong by which rule, and what to do instead."""

    file: str
    key: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.rule}. {self.remedy}"


class ConfigError(ServestackError):
    """A configuration that cannot be taken; `problems` holds every mistake that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A mistake at a place inside the configuration, before it is known which file that is."""

    at: tuple[str, ...]
    rule: str
    remedy: str

    def is_within(self, place: Sequence[str]) -> bool:
        """Tell whether this is about the place or anything below it."""
        return self.at[: len(place)] == tuple(place)

    def in_file(self, file: str) -> Problem:
        """Name the file and the key as `pulumi config` does."""
        key = f"{NAMESPACE}:{'.'.join(shown(part) for part in self.at)}"
        return Problem(file=file, key=key, rule=self.rule, remedy=self.remedy)


def shown(value: object) -> str:
    """Show what was written, shortened, on one line and without a terminal's control codes."""
    is_plain = isinstance(value, str) and value.isprintable() and value != ""
    text = str(value) if is_plain else json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def near(word: object, known: Iterable[str]) -> str | None:
    """Find what was probably meant."""
    matches = difflib.get_close_matches(str(word).lower(), list(known), n=1)
    return matches[0] if matches else None
