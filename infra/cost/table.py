"""The table of prices: the file beside this one, and what a stack says that it pays itself."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

PRICES_FILE: Final = Path(__file__).with_name("prices.toml")
OWN: Final = "this stack's configuration"


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one unit costs; `read` is the day on which the source said so."""

    name: str
    usd: float
    source: str
    read: date | None


class PriceTable:
    """Known prices by name; what is not known is not there."""

    def __init__(self, own: Mapping[str, float] | None = None) -> None:
        self._prices = dict(_published())
        for name, usd in (own or {}).items():
            self._prices[name] = Price(name=name, usd=usd, source=OWN, read=None)

    def find(self, name: str) -> Price | None:
        """Give a price, or nothing where it is not known."""
        return self._prices.get(name)

    @property
    def all(self) -> list[Price]:
        """Give every price, by name."""
        return [self._prices[name] for name in sorted(self._prices)]


@cache
def _published() -> Mapping[str, Price]:
    document = tomllib.loads(PRICES_FILE.read_text(encoding="utf-8"))
    sources = document["source"]
    return {
        name: Price(
            name=name,
            usd=float(entry["usd"]),
            source=sources[entry["source"]]["page"],
            read=date.fromisoformat(sources[entry["source"]]["read"]),
        )
        for unit in ("hour", "month")
        for name, entry in document.get(unit, {}).items()
    }
