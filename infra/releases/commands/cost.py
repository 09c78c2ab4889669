"""`servestack cost`: a month's cost, estimated from what is deployed or would be."""

from dataclasses import asdict

import click

from infra.cost.estimate import Estimate
from infra.cost.table import OWN, PriceTable
from infra.releases.commands.answers import open_stack, print_json
from infra.releases.commands.options import JSON, STACK
from infra.releases.report import make_report
from infra.releases.session import RefusedError
from infra.releases.tables import table


@click.command()
@STACK
@click.option("--deployed", is_flag=True, help="Of what is deployed, not of what the file says.")
@click.option("--prices", is_flag=True, help="List the known prices, with their sources, and end.")
@JSON
def command(*, stack: str, deployed: bool, prices: bool, as_json: bool) -> None:
    """Estimate what the stack costs in a month, from its fewest to its most replicas and nodes.

    Prices are those of a dated table; what it does not know is called unknown, and left out.
    """
    session = open_stack(stack)
    config = session.read().config
    if prices:
        _list_prices(PriceTable(config.cost.prices), as_json=as_json)
        return
    if not session.engine.is_created:
        raise RefusedError(
            f"Stack {stack} was never made where its state lives, so nothing can be previewed. To "
            f"make it, and bring nothing up yet: ./scripts/pulumi stack init {stack} "
            "(docs/state-backend.md)"
        )
    if deployed:
        preview, resources = None, session.engine.resources()
    else:
        preview, resources = session.engine.preview(), None
        if preview.errors:
            raise RefusedError("\n".join(preview.errors))
    report = make_report(
        stack, before=config, after=config, preview=preview, before_resources=resources
    )
    estimated = report.cost_before if deployed else report.cost_after
    if estimated is None:
        raise RefusedError(
            f"Nothing is billed by the platform of stack {stack}, {config.platform}."
        )
    if as_json:
        print_json({**asdict(estimated), "unknown": [line.what for line in estimated.unknown]})
    else:
        _show(estimated)


def _show(estimated: Estimate) -> None:
    rows = [
        [
            line.what,
            line.price,
            "unknown" if line.least_usd is None else f"{line.least_usd:.0f}",
            "unknown" if line.most_usd is None else f"{line.most_usd:.0f}",
        ]
        for line in estimated.lines
    ]
    click.echo(table(["WHAT", "PRICE", "USD AT LEAST", "USD AT MOST"], rows))
    click.echo(f"\nA month: {estimated}")
    for assumption in estimated.assumptions:
        click.echo(f"  {assumption}")


def _list_prices(known: PriceTable, *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(price) for price in known.all])
        return
    rows = [
        [price.name, f"{price.usd:g}", str(price.read or "-"), price.source] for price in known.all
    ]
    click.echo(table(["PRICE", "USD", "READ ON", "SOURCE"], rows))
    click.echo(f"\nYour own prices are marked: {OWN}", err=True)
