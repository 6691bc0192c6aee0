"""The report of a replay, from what it kept for its markets and added up over them."""

from __future__ import annotations

import hashlib
from collections import Counter

from ..._book import OrderBook
from ...enums import TradingState
from .compare import Agreement
from .latency import LatencyHistogram
from .markets import AnyLane, Market, Markets
from .match_lane import MatchLane
from .readers import Source
from .report import Check, MarketFigures, Report
from .totals import Totals


def latency_figures(histogram: LatencyHistogram) -> dict[str, int]:
    """Percentiles of the time that single commands took, in nanoseconds."""
    if not histogram.count:
        return {}
    figures = {
        name: int(histogram.percentile(q))
        for name, q in (("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9))
    }
    return {"samples": histogram.count, **figures, "max": int(histogram.max)}


def market_figures(name: str, market: Market) -> MarketFigures:
    """One market at the end of a replay."""
    book = market.lane.engine.book
    top = book.top()
    return MarketFigures(
        name=name,
        trades=market.trades,
        volume_lots=market.volume_lots,
        resting_orders=len(book),
        best_bid=top.bid_ticks,
        best_ask=top.ask_ticks,
        last_price=book.last_price,
        state=TradingState(book.state).name,
        state_hash=book.state_hash(),
    )


def joint_hash(markets: list[MarketFigures]) -> int:
    """One hash over all books: that of the only one, or of the names with their hashes."""
    if len(markets) == 1:
        return markets[0].state_hash
    digest = hashlib.blake2b(digest_size=8)
    for market in sorted(markets, key=lambda market: market.name):
        digest.update(f"{market.name}\0{market.state_hash:016x}\n".encode())
    return int.from_bytes(digest.digest(), "big")


def joined_checks(lists: list[list[Check]]) -> list[Check]:
    """The checks of all markets, those of one name added up."""
    rows: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    notes: dict[str, list[str]] = {}
    for checks in lists:
        for check in checks:
            rows[check.name] += check.rows
            wrong[check.name] += check.wrong
            notes.setdefault(check.name, [])
            if check.note:
                notes[check.name].append(check.note)
    return [Check(name, rows[name], wrong[name], "; ".join(notes[name][:3])) for name in rows]


def report_of(
    source: Source, mode: str, markets: Markets, totals: Totals, *, ended: bool
) -> Report:
    """The figures of a replay so far."""
    tally = totals.tally
    kept = markets.by_number
    busiest = sorted(kept, key=lambda number: (-kept[number].volume_lots, number))
    figures = [market_figures(markets.name(number), kept[number]) for number in busiest]
    only = figures[0] if len(figures) == 1 else None
    lanes = [kept[number].lane for number in sorted(kept)]
    matched = [lane for lane in lanes if isinstance(lane, MatchLane)]
    placed = sum(market.incoming.placed for market in kept.values() if market.incoming)
    messages = totals.messages - placed
    return Report(
        path=str(source.path),
        format_name=source.format_name,
        mode=mode,
        messages=messages,
        commands=tally.commands,
        commands_by_kind=tally.commands_by_kind(),
        rejected_by_reason=tally.rejected_by_reason(),
        events=tally.events,
        events_by_kind=tally.events_by_kind(),
        trades=tally.trades,
        volume_lots=tally.volume_lots,
        notional=tally.notional,
        vwap_ticks=tally.vwap_ticks,
        resting_orders=sum(market.resting_orders for market in figures),
        best_bid=None if only is None else only.best_bid,
        best_ask=None if only is None else only.best_ask,
        last_price=None if only is None else only.last_price,
        state="/".join(sorted({market.state for market in figures})) or "OPEN",
        state_hash=joint_hash(figures) if figures else OrderBook().state_hash(),
        engine_seconds=sum(lane.engine.seconds for lane in lanes),
        total_seconds=totals.seconds,
        remarks=tuple(_remarks(source, list(kept.values()), matched)),
        checks=tuple(_checks(lanes)),
        markets=tuple(figures),
        spread=totals.spread.figures(),
        latency_ns=latency_figures(totals.latency),
        put_right=sum(lane.put_right for lane in matched),
        price_decimals=getattr(source, "price_decimals", 0),
        qty_decimals=getattr(source, "qty_decimals", 0),
        stopped_at=None
        if ended
        else f"{messages or tally.commands:,} records, place {totals.place:,}",
    )


def _checks(lanes: list[AnyLane]) -> list[Check]:
    """What was compared, over all markets."""
    agreement = Agreement()
    for lane in lanes:
        if isinstance(lane, MatchLane):
            agreement.merge(lane.agreement)
    return agreement.checks() + joined_checks([lane.checks() for lane in lanes])


def _remarks(source: Source, markets: list[Market], matched: list[MatchLane]) -> list[str]:
    said = []
    starters = sum(market.starters for market in markets)
    if starters:
        said.append(
            f"{starters:,} orders rested before the recording starts; a first pass found them"
            " by what later happened to them"
        )
    made_up = sum(lane.unseen.count for lane in matched)
    if made_up:
        said.append(
            f"{made_up:,} orders were made up for what recorded levels show and no message explains"
        )
    return said + source.remarks()
