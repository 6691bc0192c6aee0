"""Databento files made of a few records, as CSV and as DBN, and what they ought to say."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nextrade.service.replay.messages import Action, Flag
from nextrade.service.replay.readers.source import BadRecords, Recording

LAST, SNAPSHOT = 128, 32
UNDEFINED_PRICE = 2**63 - 1
ALL_COLUMNS = [
    "ts_recv",
    "ts_event",
    "rtype",
    "publisher_id",
    "instrument_id",
    "action",
    "side",
    "price",
    "size",
    "channel_id",
    "order_id",
    "flags",
    "ts_in_delta",
    "sequence",
    "symbol",
]
START_NS = 1_752_739_503_360_842_448
"""2025-07-17T08:05:03.360842448Z."""


class Row(NamedTuple):
    """One record; times count from START_NS, prices are in units of 1e-9."""

    action: str
    side: str
    price: int | None
    size: int
    order_id: int
    flags: int = LAST
    ts_event: int = 0
    sequence: int = 0
    instrument: int = 7
    ts_recv: int = 0


def iso(nanoseconds: int) -> str:
    """A time as Databento writes it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def pretty(price: int) -> str:
    """A price with nine decimals."""
    return f"{'-' if price < 0 else ''}{abs(price) // 10**9}.{abs(price) % 10**9:09d}"


def csv_text(
    rows: Iterable[Row],
    columns: Sequence[str] = ALL_COLUMNS,
    *,
    raw_prices: bool = False,
    raw_times: bool = False,
) -> str:
    """The records as CSV with these columns."""
    lines = [",".join(columns)]
    for row in rows:
        price = "" if row.price is None else pretty(row.price)
        if raw_prices:
            price = str(UNDEFINED_PRICE if row.price is None else row.price)
        time = str if raw_times else iso
        fields = row._asdict() | {
            "price": price,
            "ts_event": time(START_NS + row.ts_event),
            "ts_recv": time(START_NS + row.ts_recv),
            "rtype": 160,
            "publisher_id": 2,
            "instrument_id": row.instrument,
            "channel_id": 0,
            "ts_in_delta": 1,
            "symbol": f"SYM{row.instrument}",
            "": "0",
        }
        lines.append(",".join(str(fields[name]) for name in columns))
    return "\n".join(lines) + "\n"


def write_csv(path: Path, rows: Iterable[Row], **how: Any) -> Path:
    """Write the records as CSV."""
    path.write_text(csv_text(rows, **how))
    return path


class _Interval(NamedTuple):
    start_date: datetime.date
    end_date: datetime.date
    symbol: str


class _Mapping(NamedTuple):
    raw_symbol: str
    intervals: list[_Interval]


def dbn_header(
    version: int = 3, schema: str = "mbo", instruments: Iterable[int] = (7,), **more: Any
) -> bytes:
    """The start of a DBN file, written by the publisher's package."""
    import databento_dbn as dbn

    day = datetime.date(2025, 7, 17)
    symbols = [f"SYM{number}" for number in instruments]
    return bytes(
        dbn.Metadata(
            dataset="XNAS.ITCH",
            start=START_NS,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_out=dbn.SType.INSTRUMENT_ID,
            schema=dbn.Schema.from_str(schema),
            symbols=symbols,
            partial=[],
            not_found=[],
            mappings=[
                _Mapping(name, [_Interval(day, day + datetime.timedelta(1), name[3:])])
                for name in symbols
            ],
            version=version,
            **more,
        )
    )


def dbn_record(row: Row, **more: Any) -> bytes:
    """One record, written by the publisher's package."""
    import databento_dbn as dbn

    return bytes(
        dbn.MBOMsg(
            publisher_id=2,
            instrument_id=row.instrument,
            ts_event=START_NS + row.ts_event,
            order_id=row.order_id,
            price=UNDEFINED_PRICE if row.price is None else row.price,
            size=row.size,
            action=dbn.Action.from_str(row.action),
            side=dbn.Side.from_str(row.side),
            ts_recv=START_NS + row.ts_recv,
            flags=row.flags,
            channel_id=0,
            ts_in_delta=1,
            sequence=row.sequence,
            **more,
        )
    )


def dbn_bytes(rows: Sequence[Row], version: int = 3) -> bytes:
    """The records as a DBN file."""
    instruments = sorted({row.instrument for row in rows})
    return dbn_header(version, instruments=instruments) + b"".join(map(dbn_record, rows))


def read(recording: Recording) -> npt.NDArray[np.void]:
    """All messages of a recording."""
    parts = [part.messages for part in recording.parts()]
    return np.concatenate(parts) if parts else np.zeros(0)


def brief(messages: npt.NDArray[np.void]) -> list[tuple[str, int, str]]:
    """Action, order and flags of each message, in words."""
    return [
        (
            Action(message["action"]).name,
            int(message["order_id"]),
            "|".join(flag.name or "" for flag in Flag(int(message["flags"]))),
        )
        for message in messages
    ]


def strict() -> BadRecords:
    """The first bad record ends the reading."""
    return BadRecords()


def expected_events(rows: Sequence[Row]) -> list[set[Flag]]:
    """The flags of each record by the rules in words, one record after the other.

    For records none of which is an R or of a snapshot, and all of which have flags.
    """
    found: list[set[Flag]] = [set() for _ in rows]
    events: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        event = events.setdefault(row.instrument, [])
        event.append(number)
        run = [number]
        while run[0] and _same_run(rows[run[0] - 1], row):
            run.insert(0, run[0] - 1)
        traded = any(rows[before].action in "TF" for before in run)
        more = number + 1 < len(rows) and _same_run(row, rows[number + 1])
        if row.flags & LAST and not (traded and more):
            found[number].add(Flag.LAST)
            _read_event(rows, event, found)
            event.clear()
    for event in events.values():
        _read_event(rows, event, found)
    return found


def _same_run(one: Row, other: Row) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("ts_event", "sequence", "instrument")
    )


def _read_event(rows: Sequence[Row], event: Sequence[int], found: list[set[Flag]]) -> None:
    trade: Row | None = None
    hit: set[int] = set()
    for position, number in enumerate(event):
        row = rows[number]
        if row.action == "T":
            trade = row
            later = [rows[other].action + rows[other].side for other in event[position + 1 :]]
            while later and later[0] == "TN" and row.side == "N":
                del later[0]
            until = next((n for n, what in enumerate(later) if what[0] == "T"), len(later))
            if row.side == "N" and any(what[0] == "F" for what in later[:until]):
                found[number].add(Flag.AUCTION)
        elif row.action == "F":
            found[number].add(Flag.REPORT)
            if trade is not None and trade.side == "N":
                found[number].add(Flag.AUCTION)
            elif trade is not None and (
                trade.side == row.side or (row.order_id and trade.order_id == row.order_id)
            ):
                found[number].add(Flag.AGGRESSOR)
                continue
            hit.add(row.order_id)
        elif row.action in "CM" and row.order_id in hit:
            found[number].add(Flag.RESTATES)
