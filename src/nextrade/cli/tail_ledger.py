"""``nextrade tail --ledger``: deposits, withdrawals and transfers, as they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from ..platform.settings import read_settings

if TYPE_CHECKING:
    from ..service.gateway.feed import Reader
    from ..service.gateway.opening import Bus

_IDLE_S = 1.0
_STEP_S = 0.2


def follow_ledger(
    config: Path | None,
    start: str,
    count: int | None,
    accounts: frozenset[int],
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Open, follow, print."""
    from ..service.gateway.opening import Bus

    bus = Bus(read_settings(config))
    try:
        with bus.ledger_reader(cast(Literal["first", "next"], start)) as reader:
            _print(bus, reader, count, accounts, follow=follow, as_json=as_json)
    except KeyboardInterrupt:
        return  # how one stops looking


def _print(
    bus: Bus,
    reader: Reader,
    count: int | None,
    accounts: frozenset[int],
    *,
    follow: bool,
    as_json: bool,
) -> None:
    from ..service.gateway.ledger_feed import change_facts, ledger_news
    from ..service.gateway.ledger_follower import LedgerFollower

    follower, left = LedgerFollower(), count
    while True:
        for one in ledger_news(reader, follower, _STEP_S if follow else _IDLE_S):
            if one.message is None:
                click.echo(f"Note: {one.trouble}.", err=True)
                continue
            for fact in change_facts(bus.listings, one.message):
                touched = {fact.get(name) for name in ("account", "from_account", "to_account")}
                if accounts and not accounts & touched:
                    continue
                click.echo(json.dumps(fact) if as_json else ledger_line(fact))
                if left is not None:
                    left -= 1
                    if not left:
                        return
        if not follow:
            return


def ledger_line(fact: dict[str, Any]) -> str:
    """A change as one line."""
    words = [fact["time"], f"bucket {fact['bucket']} #{fact['sequence']}", f"{fact['event']:<13}"]
    words += [f"account {fact['account']}", f"{fact['amount']} {fact['asset']}"]
    words += [
        f"{told} account {fact[name]}"
        for name, told in (("from_account", "from"), ("to_account", "to"))
        if name in fact
    ]
    return " ".join([*words, fact["reference"]])
