"""A month's cost as a range, from usage and prices. Pure; it claims no more than it knows.

What has no price is named and left out of the sum, and the sum says that it is a part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from infra.config.sections.cost import CostConfig
from infra.cost.table import PriceTable
from infra.cost.usage import Resources, Usage, usages

# The clouds' own convention: a year's hours by twelve.
HOURS_PER_MONTH: Final = 730
_NOT_ESTIMATED: Final = (
    "load balancers, addresses, NAT, disks, logs, metrics, keys, requests to the bucket, traffic "
    "between zones, taxes and discounts"
)


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """One thing's part of the month; None where the price, or the number, is not known."""

    what: str
    price: str
    unit_usd: float | None
    least_usd: float | None
    most_usd: float | None

    @property
    def is_known(self) -> bool:
        """Tell whether it counts."""
        return self.least_usd is not None and self.most_usd is not None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A month, from the least to the most that autoscaling allows."""

    lines: tuple[CostLine, ...]
    assumptions: tuple[str, ...]

    @property
    def least_usd(self) -> float:
        """Add up what is known, at the least."""
        return sum(line.least_usd or 0.0 for line in self.lines if line.is_known)

    @property
    def most_usd(self) -> float:
        """Add up what is known, at the most."""
        return sum(line.most_usd or 0.0 for line in self.lines if line.is_known)

    @property
    def unknown(self) -> tuple[CostLine, ...]:
        """Give what has no price."""
        return tuple(line for line in self.lines if not line.is_known)

    def __str__(self) -> str:
        if self.unknown and not any(line.is_known for line in self.lines):
            return "unknown"
        amount = _range(self.least_usd, self.most_usd)
        return f"{amount} and {len(self.unknown)} unknown" if self.unknown else amount


def estimate(
    resources: Resources, config: CostConfig, *, cloud: str, region: str, bucket_count: int
) -> Estimate:
    """Estimate what the resources cost in a month."""
    table = PriceTable(config.prices)
    lines = [_line(usage, table) for usage in usages(resources, region=region)]
    lines += _amounts(config, table, cloud=cloud, region=region, has_bucket=bucket_count > 0)
    return Estimate(
        lines=tuple(lines), assumptions=tuple(_assumptions(config, lines, table, bucket_count))
    )


def _line(usage: Usage, table: PriceTable) -> CostLine:
    price = table.find(usage.price)
    if price is None or usage.least is None or usage.most is None:
        return CostLine(
            what=usage.what,
            price=usage.price,
            unit_usd=price.usd if price else None,
            # None of a thing costs nothing, whatever its price.
            least_usd=0.0 if usage.least == 0 == usage.most else None,
            most_usd=0.0 if usage.least == 0 == usage.most else None,
        )
    return CostLine(
        what=usage.what,
        price=usage.price,
        unit_usd=price.usd,
        least_usd=price.usd * usage.least * HOURS_PER_MONTH,
        most_usd=price.usd * usage.most * HOURS_PER_MONTH,
    )


def _amounts(
    config: CostConfig, table: PriceTable, *, cloud: str, region: str, has_bucket: bool
) -> Iterator[CostLine]:
    """Give what is billed by the gigabyte, as far as the configuration says how many there are."""
    if has_bucket and config.stored_gb is not None:
        yield _gigabytes("storage", f"{cloud}/{region}/stored-gb", config.stored_gb, table)
    if config.egress_gb is not None:
        yield _gigabytes("egress", f"{cloud}/{region}/egress-gb", config.egress_gb, table)


def _gigabytes(what: str, name: str, gigabytes: int, table: PriceTable) -> CostLine:
    price = table.find(name)
    usd = 0.0 if gigabytes == 0 else None if price is None else price.usd * gigabytes
    return CostLine(
        what=f"{what} of {gigabytes} GB",
        price=name,
        unit_usd=price.usd if price else None,
        least_usd=usd,
        most_usd=usd,
    )


def _assumptions(
    config: CostConfig, lines: Sequence[CostLine], table: PriceTable, bucket_count: int
) -> Iterator[str]:
    yield f"{HOURS_PER_MONTH} hours a month, from the fewest to the most nodes and replicas"
    days = sorted(_days(lines, table))
    if days:
        span = str(days[0]) if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
        yield f"list prices on demand, read on {span}"
    if bucket_count and config.stored_gb is None:
        yield "storage is not estimated; servestack:cost.stored_gb says how much there is"
    if config.egress_gb is None:
        yield "egress is not estimated; servestack:cost.egress_gb says how much there is"
    yield f"not estimated: {_NOT_ESTIMATED}"


def _days(lines: Sequence[CostLine], table: PriceTable) -> Iterator[date]:
    for line in lines:
        price = table.find(line.price)
        if price is not None and price.read is not None:
            yield price.read


def _range(least: float, most: float) -> str:
    low, high = rounded(least), rounded(most)
    return f"{low} USD" if low == high else f"{low} to {high} USD"


def rounded(usd: float) -> str:
    """Write an amount with two digits that count: an estimate knows no more."""
    if usd < 10:  # noqa: PLR2004 - where whole dollars would say too little
        return f"{usd:.2g}" if usd else "0"
    magnitude = 10 ** (len(str(int(usd))) - 2)
    return f"{round(usd / magnitude) * magnitude:,}"
