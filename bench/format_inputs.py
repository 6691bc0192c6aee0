"""The files that ``bench.formats`` reads: made of generated flow, or recorded ones of a folder."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from nextrade import generate
from nextrade.service.replay import open_writer

from .feeds import closed, messages_of_flow, repeated, spread_over_markets, write_itch

__all__ = ["RECORDED_MODES", "Input", "generated_inputs", "large_inputs", "recorded_inputs"]

RECORDED_MODES = ("rebuild", "match", "guided")
MARKETS = 5_000
COPIES = 100


class Input(NamedTuple):
    """One file and the modes in which it is measured."""

    name: str
    path: Path
    modes: tuple[str, ...]


_RECORDED = (
    ("lobster", "lobster", "*message_50.csv.gz"),
    ("databento-csv ES", "databento", "ESH4*.csv.gz"),
    ("databento-csv ARL", "databento", "ARL*mbo.csv.gz"),
    ("itch (constructed)", "itch", "*ITCH_50*"),
    ("pitch", "cboe_pitch", "pitch*.gz"),
    ("b3", "b3", "*.csv.gz"),
    ("bitstamp", "bitstamp", "*.log.gz"),
)
"""What each recorded format is called, and where a folder of recorded files has it."""


def generated_inputs(folder: Path, records: int) -> Iterator[Input]:
    """Flows in all native formats, and feeds of one market and of thousands."""
    flow = generate("calm", records)
    for ending in ("npy", "parquet", "csv"):
        path = folder / f"flow.{ending}"
        with open_writer(path) as writer:
            writer.write(flow)
        yield Input(ending, path, ("flow",))
    messages = messages_of_flow("calm", records)
    path = folder / "one.itch"
    write_itch(path, [messages])
    yield Input("itch, one market", path, RECORDED_MODES)
    markets = min(MARKETS, max(records // 200, 2))
    path = folder / "many.itch"
    write_itch(path, [spread_over_markets(messages, markets)])
    yield Input(f"itch, {markets:,} markets", path, ("rebuild", "match"))


def recorded_inputs(data: Path, folder: Path) -> Iterator[Input]:
    """The recorded files that the folder has, and its futures as DBN."""
    for name, part, pattern in _RECORDED:
        for path in sorted((data / part).glob(pattern))[:1]:
            yield Input(name, path, RECORDED_MODES)
            if name == "databento-csv ES":
                binary = folder / "futures.dbn"
                if write_dbn(path, binary):
                    yield Input("databento-dbn ES", binary, RECORDED_MODES)


def write_dbn(csv: Path, path: Path) -> bool:
    """A Databento CSV file as DBN, by the publisher's package; False if it is not installed."""
    try:
        dbn: Any = import_module("databento_dbn")
    except ImportError:
        return False
    metadata = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=0,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.MBO,
        symbols=["ES"],
        partial=[],
        not_found=[],
        mappings=[],
    )
    with gzip.open(csv, "rt") as lines, path.open("wb") as out:
        out.write(bytes(metadata))
        names = next(lines).rstrip().split(",")
        for line in lines:
            row = dict(zip(names, line.rstrip().split(","), strict=True))
            units, decimals = row["price"].split(".")
            record = dbn.MBOMsg(
                publisher_id=1,
                instrument_id=1,
                ts_event=int(row["ts_event"]),
                order_id=int(row["order_id"]),
                price=int(units + decimals.ljust(9, "0")),
                size=int(row["size"]),
                action=dbn.Action.from_str(row["action"]),
                side=dbn.Side.from_str(row["side"]),
                ts_recv=int(row["ts_recv"]),
                flags=int(row["flags"]),
                channel_id=0,
                sequence=int(row["sequence"]),
            )
            out.write(bytes(record))
    return True


def large_inputs(folder: Path, records: int) -> Iterator[Input]:
    """Files a hundred times as long, one after the other: each is removed before the next.

    Each copy has ids and times of its own and leaves no order open, so that nothing but the
    length of the file grows.
    """
    messages = closed(messages_of_flow("calm", records))
    dealt = spread_over_markets(messages, max(records // 200, 2))
    for name, base in (("itch, one market", messages), ("itch, many markets", dealt)):
        path = folder / "large.itch"
        write_itch(path, repeated(base, COPIES))
        yield Input(name, path, ("rebuild", "match"))
        path.unlink()
    flow = generate("calm", records)
    every_order = int(flow["order_id"].max()) + 1
    for ending in ("npy", "csv"):
        path = folder / f"large.{ending}"
        if shutil.disk_usage(folder).free < records * COPIES * 200:
            continue
        with open_writer(path) as writer:
            for copy in range(COPIES):
                again = flow.copy()
                again["order_id"] += again["order_id"].dtype.type(copy * every_order)
                again["timestamp_ns"] += copy * int(flow["timestamp_ns"].max())
                writer.write(again)
                ends = flow[:1].copy()
                ends["kind"], ends["timestamp_ns"] = 5, again["timestamp_ns"][-1]
                ends["order_id"] = ends["price_ticks"] = ends["qty_lots"] = 0
                writer.write(ends)
        yield Input(ending, path, ("flow",))
        path.unlink()
