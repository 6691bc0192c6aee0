"""``nextrade tail``: what the exchange does, as it happens, a line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..platform.settings import read_settings
from .config import config_option

if TYPE_CHECKING:
    from ..service.gateway import Feed
    from ..service.gateway.facts import Wanted
    from ..service.gateway.opening import Bus

_IDLE_S = 1.0
_STEP_S = 0.2


def _read_start(_ctx: click.Context, _option: click.Parameter, value: str) -> str | int:
    if value in ("first", "next"):
        return value
    if not value.isdecimal() or not 1 <= int(value) < 2**63:
        raise click.BadParameter(f"{value!r} is not first, next, or the number of a batch")
    return int(value)


@click.command(
    "tail",
    short_help="Follow the events of the running exchange.",
    help="""Follow the events of the running exchange, a line each: time, market, event, order,
    price x quantity, and what there is beside.

    With --ledger it is what happens to balances outside the matching instead: deposits,
    withdrawals (hold, capture or refund) and transfers, with the bucket that made each change
    and its number there. The time is then that at which a relay published it.

    Events come from the streams in RabbitMQ, each once; what is missing in a stream is said in
    its place on standard error. Ctrl-C ends it.

    Examples:

    \b
        nextrade tail
        nextrade tail --from first --no-follow --trades
        nextrade tail --market BTC-USDT --account 7 --json
        nextrade tail --ledger --from first --no-follow
    """,
)
@click.option(
    "--from",
    "start",
    callback=_read_start,
    default="next",
    show_default=True,
    metavar="WHERE",
    help="first (what the stream still has), next (from now on), or the number of a batch.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many events.")
@click.option(
    "--follow/--no-follow",
    default=True,
    help="Wait for more, or end when nothing came for a second.  [default: follow]",
)
@click.option("--trades", is_flag=True, help="Trades only.")
@click.option("--market", "markets", multiple=True, metavar="NAME", help="This market only.")
@click.option(
    "--account",
    "accounts",
    type=click.IntRange(0, 2**32 - 1),
    multiple=True,
    metavar="NUMBER",
    help="What touches this account only.",
)
@click.option(
    "--partition",
    "partitions",
    type=click.IntRange(0),
    multiple=True,
    metavar="P",
    help="This partition only.",
)
@click.option("--ledger", is_flag=True, help="Deposits, withdrawals and transfers.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as JSON.")
@config_option
def tail_command(
    start: str | int,
    count: int | None,
    follow: bool,
    trades: bool,
    markets: tuple[str, ...],
    accounts: tuple[int, ...],
    partitions: tuple[int, ...],
    ledger: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Open, follow, print."""
    if ledger:
        if isinstance(start, int) or trades or markets or partitions:
            raise click.UsageError(
                "--ledger goes with --account, --count, --from first or next, --follow and --json"
            )
        from .tail_ledger import follow_ledger

        follow_ledger(config, start, count, frozenset(accounts), follow=follow, as_json=as_json)
        return
    from ..service.gateway.facts import Wanted
    from ..service.gateway.opening import Bus

    bus = Bus(read_settings(config))
    numbers = frozenset(bus.listings.market(name) for name in markets)
    wanted = Wanted(
        trades,
        numbers if markets else None,
        frozenset(accounts) if accounts else None,
    )
    followed = set(partitions or bus.listings.partitions)
    if unknown := followed - set(bus.listings.partitions):
        raise click.UsageError(f"there is no partition {min(unknown)}")
    if markets:
        followed &= {bus.listings.listings[number].partition for number in numbers}
    batch = start if isinstance(start, int) else None
    try:
        with bus.feed(
            tuple(sorted(followed)), "next" if start == "next" else "first", batch
        ) as feed:
            from_now = start == "next"
            _print(bus, feed, wanted, count, from_now=from_now, follow=follow, as_json=as_json)
    except KeyboardInterrupt:
        return  # how one stops looking


def _print(
    bus: Bus,
    feed: Feed,
    wanted: Wanted,
    count: int | None,
    *,
    from_now: bool,
    follow: bool,
    as_json: bool,
) -> None:
    from ..service.gateway.facts import ArrivalNames, facts_of

    known = bus.known(from_now=from_now)
    names = ArrivalNames()
    left = count
    while True:
        for one in feed.news(_STEP_S if follow else _IDLE_S):
            if one.message is None:
                click.echo(f"Note: {one.trouble}.", err=True)
                continue
            for fact in facts_of(known.of(one.message), one.message, wanted, names):
                click.echo(json.dumps(fact) if as_json else line_of(fact))
                if left is not None:
                    left -= 1
                    if not left:
                        return
        if not follow:
            return


def line_of(fact: dict[str, Any]) -> str:
    """An event as one line."""
    if "version" in fact:
        return f"{fact['time']} partition {fact['partition']} LISTINGS  version {fact['version']}"
    words = [fact["time"], fact["market"], f"{fact['event']:<9}"]
    if "order" in fact:
        words.append(f"order {fact['order']}")
    if "client_order_id" in fact:
        words.append(f"client_order_id {fact['client_order_id']}")
    if "account" in fact:
        words.append(f"account {fact['account']}")
    words += [fact[name] for name in ("side",) if name in fact]
    if "price" in fact or "quantity" in fact:
        words.append(f"{fact.get('price', 'any price')} x {fact.get('quantity', '0')}")
    if "leaves" in fact:
        words.append(f"leaves {fact['leaves']}")
    if "maker" in fact:
        words.append(f"maker {fact['maker']} account {fact['maker_account']}")
    words += [fact[name] for name in ("reason",) if name in fact]
    return " ".join(words).rstrip()
