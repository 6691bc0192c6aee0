"""``nextrade submit``: orders from a file or a pipe into the queues of the exchange."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import NexTradeError
from ..platform.settings import read_settings
from .config import config_option
from .failures import DataFailure

if TYPE_CHECKING:
    from ..service.gateway.awaiting import Outcome
    from ..service.gateway.opening import Bus
    from ..service.gateway.sending import Piece

_MOST_RATE = 10_000_000
_MOST_FRAME = 4096


@click.command(
    "submit",
    short_help="Send orders to the running exchange.",
    help="""Send orders to the running exchange: to RabbitMQ, where the workers take them.

    FILE is a file of commands as nextrade generate writes them (.npy, .csv, .parquet), or lines
    in words, one JSON object each; - reads such lines from standard input, as they come. A line
    that says nothing else places an order; "do" names another command. Times are given by the
    workers, whatever the file says. An order without an id gets one.

    A line may give an order a client_order_id, which no other order of its account has while it is
    open and for 24 hours: sent again, the order is refused and does not run twice. A cancel, reduce
    or replace may name its order so.

    The summary says how many commands the broker has confirmed, and how fast. With --wait the
    events are followed until each command has its outcome.

    Exit codes: 1 if anything was left unconfirmed, or with --wait without an outcome.

    Lines in words:

    \b
        {"account": 1, "market": "BTC-USDT", "side": "buy", "price": "100", "quantity": "2"}
        {"do": "cancel", "account": 1, "market": "BTC-USDT", "order_id": 17}
        {"do": "cancel", "account": 1, "market": "BTC-USDT", "client_order_id": "a-1"}

    Examples:

    \b
        nextrade submit orders.jsonl --wait
        nextrade submit day.npy --new-ids --rate 5000
    """,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--frame-size",
    type=click.IntRange(1, _MOST_FRAME),
    default=_MOST_FRAME,
    show_default=True,
    metavar="N",
    help="Commands of one message at most.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, _MOST_RATE),
    metavar="N",
    help="Send so many commands a second; without, as fast as they are confirmed.",
)
@click.option("--wait", is_flag=True, help="Wait for the outcome of each command.")
@click.option(
    "--patience",
    type=click.FloatRange(0.1, 86_400),
    default=60.0,
    show_default=True,
    metavar="S",
    help="With --wait: give up when nothing came for so many seconds.",
)
@click.option(
    "--new-ids",
    is_flag=True,
    help="Give every order a new id, and what the file does with it later too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@config_option
def submit_command(
    file: Path,
    frame_size: int,
    rate: int | None,
    wait: bool,
    patience: float,
    new_ids: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Read, send, wait, sum up."""
    from ..service.gateway.awaiting import Awaiting
    from ..service.gateway.opening import Bus
    from ..service.gateway.sending import Sent, send_all
    from .progress import late_bar
    from .submit_summary import print_json, print_summary

    bus = Bus(read_settings(config))
    sent, outcome, troubles = Sent(), None, []
    with ExitStack() as stack:
        awaiting = None
        if wait:  # before anything is sent, or its events would be missed
            feed = stack.enter_context(bus.feed(bus.listings.partitions, "next"))
            awaiting = stack.enter_context(Awaiting(feed, bus.number))
        try:
            with (
                bus.gateway(most_commands=frame_size) as gateway,
                late_bar("submit") as show,
            ):
                pieces = _pieces(bus, file, new_ids=new_ids)
                send_all(gateway, pieces, sent, rate=rate, progress=show)
            if awaiting is not None:
                outcome = awaiting.wait(sent, patience)
        finally:
            # What was done is said also if a line cannot be read, or on Ctrl-C.
            if awaiting is not None:
                outcome = outcome or awaiting.so_far(sent)
                troubles = [*awaiting.troubles, *_duplicates(bus, outcome)]
            (print_json if as_json else print_summary)(str(file), sent, outcome, troubles)
    if outcome is not None and (stale := outcome.rejected["STALE_LISTINGS"]):
        click.echo(
            f"Note: {stale:,} commands counted in a tick or lot that the market has no longer: it"
            " was changed meanwhile. Run this again, and they are read by the present listings.",
            err=True,
        )
    if sent.unconfirmed:
        lost = sum(sent.unconfirmed.values())
        raise DataFailure(f"{lost:,} commands were not confirmed: {sent.faults[0]}")
    if outcome is not None and outcome.missing:
        raise DataFailure(f"{outcome.missing:,} commands have no outcome yet")


def _duplicates(bus: Bus, outcome: Outcome) -> list[str]:
    """Which order has the client order id of each that was refused for it, the first few."""
    refused = outcome.duplicates
    if not refused:
        return []
    try:
        kept = bus.client_orders([one.account for one in refused], [one.text for one in refused])
    except NexTradeError as error:
        return [f"which orders have these client order ids is not known: {error}"]
    return [
        f"order {one.order} of account {one.account} was refused: "
        + (f"order {order} has" if order else "another order had")
        + f" the client order id {one.text.decode()}"
        for one, order in zip(refused, kept["order"].tolist(), strict=True)
    ]


def _pieces(bus: Bus, file: Path, *, new_ids: bool) -> Iterator[Piece]:
    from ..service.gateway.sending import NewIds, pieces_of_file, pieces_of_lines

    if str(file) == "-":
        pieces = pieces_of_lines(bus.listings, sys.stdin.buffer, "standard input")
    else:
        pieces = pieces_of_file(bus.listings, file)
    renew = NewIds(bus.ids).renew if new_ids else None
    for piece in pieces:
        yield piece if renew is None else piece._replace(commands=renew(piece.commands))
