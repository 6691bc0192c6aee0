"""What a replay writes and rebuilds, held against the truth: trades, events, levels, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextrade.enums import EventKind
from nextrade.service.replay.outputs import Outputs, Wanted
from nextrade.service.replay.run import Replay

from .recorder import lobster, nasdaq_mbo
from .recorder.formats import FORMATS, LOBSTER, NASDAQ, Format
from .recorder.market import Session, play
from .recorder.truth import Trade
from .replaying import run

REQUESTS = 250


def written(
    form: Format, session: Session, folder: Path, mode: str, **settings: object
) -> tuple[Replay, dict[str, np.ndarray]]:
    """A replay with all its tables written and read again."""
    path = form.write(session, folder, 0)
    replay = Replay(path, mode=mode, **settings)  # type: ignore[arg-type]
    paths = {what: folder / f"{what}.npy" for what in ("trades", "events", "depth")}
    with Outputs(Wanted(**paths), replay) as outputs:
        for step in replay:
            outputs.add(step)
        outputs.finish(replay.report())
    return replay, {what: np.load(path) for what, path in paths.items()}


@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("mode", ["match", "guided"])
def test_the_tables_of_trades_are_the_true_ones(form: Format, mode: str, tmp_path: Path) -> None:
    """Makers, prices, quantities, sides and times, in order, of each market; events as well."""
    session = play(3, form.manners, REQUESTS, before=form.before)
    replay, tables = written(form, session, tmp_path, mode)

    names = [replay.market_name(number) for number in range(len(session.markets))]
    for market in session.markets:
        number = names.index(session.manners.markets[market.number])
        rows = tables["trades"][tables["trades"]["market"] == number]
        columns = ("timestamp_ns", "taker_side", "maker_id", "price_ticks", "qty_lots")
        found = zip(*(rows[column].tolist() for column in columns), strict=True)
        assert [Trade(*row) for row in found] == form.trades(session, market.number)
        assert rows["trade_index"].tolist() == list(range(1, len(rows) + 1))

        events = tables["events"][tables["events"]["market"] == number]
        events = events[events["kind"] == EventKind.TRADE]
        for one, other in (("maker_id", "maker_id"), ("order_id", "taker_id"), ("place", "place")):
            assert events[one].tolist() == rows[other].tolist()


@pytest.mark.parametrize("mode", ["rebuild", "match", "guided"])
def test_the_table_of_levels_is_the_true_one(mode: str, tmp_path: Path) -> None:
    """The levels after each message are those that the exchange showed, but in an engine for the
    moments at which an aggressive order is half-way."""
    session = play(4, lobster.MANNERS, REQUESTS)
    lines = lobster.record(session)
    _, tables = written(LOBSTER, session, tmp_path, mode, sample_every="1", levels=lines.levels)
    depth = tables["depth"]

    assert depth["place"].tolist() == list(range(1, len(lines.rows) + 1))
    done = [at for at in range(len(lines.of)) if mode == "rebuild" or lines.is_whole(at)]
    assert len(done) > REQUESTS // 2
    for at in done:
        shown = [int(field) for field in lines.rows[at].split(",")]
        for level in range(lines.levels):
            ask_price, ask_lots, bid_price, bid_lots = shown[4 * level : 4 * level + 4]
            row = depth[at]
            for side, price, lots in (("ask", ask_price, ask_lots), ("bid", bid_price, bid_lots)):
                wanted = (price if lots else 0, lots)
                name = f"{side}_{{}}_{level + 1}"
                assert (
                    int(row[name.format("price_ticks")]),
                    int(row[name.format("qty_lots")]),
                ) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_row_of_a_lobster_book_is_reported_alone(seed: int, tmp_path: Path) -> None:
    """A quantity that is off by one: the row is wrong, and the steps to it and from it."""
    session = play(seed, lobster.MANNERS, REQUESTS)
    path = LOBSTER.write(session, tmp_path, 0)
    beside = path.with_name(path.name.replace("message", "orderbook"))
    rows = beside.read_text().splitlines()
    for at in (50, 120):
        fields = rows[at].split(",")
        fields[1] = str(int(fields[1]) + 1)
        rows[at] = ",".join(fields)
    beside.write_text("\n".join(rows) + "\n")

    assert run(path, "rebuild").wrong() == {
        "one step on the recorded book": 4,
        "rebuilt book: best level": 2,
        "rebuilt book: best 5 levels": 2,
    }


def test_a_damaged_row_of_databento_levels_is_reported_alone(tmp_path: Path) -> None:
    """The fourth bid of one row has an order too many: the row is wrong from there on down."""
    session = play(6, nasdaq_mbo.MANNERS, REQUESTS)
    path = NASDAQ.write(session, tmp_path, 0)
    beside = path.with_name(path.name.replace("mbo", "mbp10"))
    rows = beside.read_text().splitlines()
    column = rows[0].split(",").index("bid_ct_03")
    at = next(n for n, row in enumerate(rows[1:], 1) if row.split(",")[column] != "0")
    fields = rows[at].split(",")
    fields[column] = str(int(fields[column]) + 1)
    rows[at] = ",".join(fields)
    beside.write_text("\n".join(rows) + "\n")

    assert run(path, "rebuild").wrong() == {
        "rebuilt book: best 5 levels": 1,
        "rebuilt book: best 10 levels": 1,
    }
