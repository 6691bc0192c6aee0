"""The page of a replay without a browser: what is in the file and in its figures."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextrade.dtypes import DEPTH_DTYPE
from nextrade.errors import DataError
from nextrade.service.replay.latency import LatencyHistogram
from nextrade.service.replay.page import MOST_MARKETS, Agreement, write_page
from nextrade.service.replay.page.packed import bytes_of, packed
from nextrade.service.replay.series import Series
from nextrade.tables import TRADE_DTYPE

NOON_NS = 43_200 * 10**9
IN_2025_NS = 1_750_000_000 * 10**9


def market(
    start_ns: int = NOON_NS, step_ns: int = 10**9, bid: int = 1_000_000, count: int = 300
) -> Series:
    """A quiet market: a bid and an ask 200 ticks apart that rise, four levels, some trades."""
    series = Series(levels=4)
    at = np.arange(count, dtype=np.int64)
    depth = np.zeros((count, 2, 4), dtype=DEPTH_DTYPE)
    for level in range(4):
        depth["price_ticks"][:, 0, level] = bid + 100 * (at // 10) - 100 * level
        depth["price_ticks"][:, 1, level] = bid + 200 + 100 * (at // 10) + 100 * level
    depth["qty_lots"] = 10 + at[:, np.newaxis, np.newaxis] % 7
    series.add_depth(start_ns + at * step_ns, depth)
    trades = np.zeros(count, dtype=TRADE_DTYPE)
    trades["timestamp_ns"] = start_ns + at * step_ns
    trades["price_ticks"], trades["qty_lots"] = bid + 100 * (at // 10), 3
    trades["taker_side"] = at % 2
    series.add_trades(trades)
    return series


def with_stubs(series: Series, start_ns: int = NOON_NS) -> Series:
    """The same market after a while of stub quotes on both sides."""
    stubs = np.zeros((40, 2, 4), dtype=DEPTH_DTYPE)
    stubs["price_ticks"][:, 0, 0], stubs["price_ticks"][:, 1, 0] = 100, 1_999_999_900
    stubs["qty_lots"][:, :, 0] = 1
    series.add_depth(start_ns - np.arange(40, 0, -1, dtype=np.int64) * 10**9, stubs)
    return series


def figures(path: Path) -> dict[str, dict[str, Any]]:
    """The figures of a page by their names."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', read(path))
    assert found
    return {figure["id"]: figure for figure in json.loads(found[1])}


def read(path: Path) -> str:
    """The text of a page."""
    return path.read_text(encoding="utf-8")


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    """The part of a figure that the legend calls so."""
    return next(one for one in figure["data"] if one.get("name") == name)


class Attributes(HTMLParser):
    """Every tag and attribute; what stands inside of scripts and styles is none."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [(name, value or "") for name, value in attrs]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything that there can be on it."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    latency = LatencyHistogram()
    latency.add(np.array([100, 200, 300, 10**6], dtype=np.int64))
    write_page(
        path,
        [("Replay", [("trades", "300")])],
        [("ABC", market())],
        title="All",
        price_decimals=4,
        price_unit="USD",
        latency=latency,
        agreement=[Agreement("orders", 99_999, 0, 1)],
    )
    return path


def test_every_figure_is_one_that_plotly_accepts(page: Path) -> None:
    """plotly's own schema knows every property that is used."""
    go = pytest.importorskip("plotly.graph_objects")
    drawn = figures(page)

    assert list(drawn) == [
        "agreement", "latency", "price-0", "volume-0", "depth-0", "spread-0", "imbalance-0",
    ]  # fmt: skip
    for figure in drawn.values():
        plain = json.loads(re.sub(r'"@\w+"', '"#123456"', json.dumps(figure)))
        go.Figure({"data": plain["data"], "layout": plain["layout"]})


def test_nothing_on_the_page_points_elsewhere(page: Path) -> None:
    """No attribute and no style sheet names an address; a policy forbids what might."""
    text = read(page)
    found = Attributes(text)
    sheet = text.split("<style>", 1)[1].split("</style>", 1)[0]

    assert not [value for _, value in found.values if re.search(r"https?:|//", value)]
    assert "url(" not in sheet
    assert "@import" not in sheet
    assert any("default-src 'none'" in value for _, value in found.values)
    assert found.tags.count("script") == 3
    assert {"noscript", "title", "meta"} <= set(found.tags)
    assert ("charset", "utf-8") in found.values


def test_the_same_data_make_the_same_bytes(tmp_path: Path) -> None:
    """Two pages of one market do not differ, so a page can be compared with an older one."""
    for name in ("one.html", "two.html"):
        write_page(tmp_path / name, [], [("ABC", market())], title="All")

    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_prices_are_the_exact_decimals(page: Path) -> None:
    """A tick of 1e-4 is divided once and shown without the zeros that all prices end in."""
    bids = bytes_of(trace(figures(page)["price-0"], "best bid")["y"])
    trades = trace(figures(page)["price-0"], "trades")

    assert bids[0] == 100.0
    assert bids[-1] == 100.29
    assert "%{y:,.2f}" in trades["hovertemplate"]
    assert figures(page)["price-0"]["layout"]["yaxis"]["title"]["text"] == "price (USD)"


@pytest.mark.parametrize(
    ("start_ns", "step_ns", "title", "kind"),
    [
        (NOON_NS, 10**9, "time of day", "date"),
        (IN_2025_NS, 10**9, "time (UTC)", "date"),
        (NOON_NS, 1000, "microseconds after the first message", None),
    ],
)
def test_the_time_axis_is_what_the_recording_tells(
    tmp_path: Path, start_ns: int, step_ns: int, title: str, kind: str | None
) -> None:
    """Nanoseconds of a day, since 1970, or too few for a clock: each is labelled as what it is."""
    write_page(tmp_path / "p.html", [], [("ABC", market(start_ns, step_ns))], title="t")
    axes = [figure["layout"]["xaxis"] for figure in figures(tmp_path / "p.html").values()]
    end_ns = start_ns + 299 * step_ns

    assert len(axes) == 5
    for axis in axes:
        assert axis["title"]["text"] == title
        assert axis.get("type") == kind
        expected = [start_ns / 1e6, end_ns / 1e6] if kind else [0, (end_ns - start_ns) / 1e3]
        assert axis["range"] == expected


def test_stub_quotes_do_not_squash_the_pictures(tmp_path: Path) -> None:
    """Quotes at almost nothing and at a fortune leave the axes where the market was."""
    for name, series in (("without", market()), ("with", with_stubs(market()))):
        write_page(tmp_path / name, [], [("ABC", series)], title="t")
    for picture in ("price-0", "depth-0", "spread-0"):
        low, high = figures(tmp_path / "with")[picture]["layout"]["yaxis"]["range"]
        plain = figures(tmp_path / "without")[picture]["layout"]["yaxis"]["range"]
        assert low >= plain[0] - 2_000, picture
        assert high <= plain[1] + 2_000, picture
    assert "Quotes far from the market lie outside" in read(tmp_path / "with")
    assert "lie outside" not in read(tmp_path / "without").split("<script>", 1)[0]


def test_hours_of_wide_quotes_do_not_squash_the_pictures(tmp_path: Path) -> None:
    """A third of the time with a spread of fifty times the usual leaves the price axis alone."""
    series = market()
    early = np.zeros((3, 2, 4), dtype=DEPTH_DTYPE)
    early["price_ticks"][:, 0, 0], early["price_ticks"][:, 1, 0] = 995_000, 1_005_000
    early["qty_lots"][:, :, 0] = 1
    series.add_depth(NOON_NS - np.array([140, 70, 1]) * 10**9, early)
    write_page(tmp_path / "p.html", [], [("ABC", series)], title="t")

    low, high = figures(tmp_path / "p.html")["price-0"]["layout"]["yaxis"]["range"]
    assert low > 999_000
    assert high < 1_004_000


@pytest.mark.parametrize("late", [False, True])
def test_a_long_silence_at_an_end_is_left_out(tmp_path: Path, late: bool) -> None:
    """A starting book from hours before, or a last word hours after, does not take the axis."""
    series, moved = market(), 20_000 * 10**9 * (1 if late else -1)
    samples = market(count=1).depth()
    series.add_depth(samples.timestamp_ns + moved, samples.levels)
    write_page(tmp_path / "p.html", [], [("ABC", series)], title="t")

    expected = [NOON_NS / 1e6, (NOON_NS + 299 * 10**9) / 1e6]
    assert figures(tmp_path / "p.html")["volume-0"]["layout"]["xaxis"]["range"] == expected
    assert "Idle time at an end is left out" in read(tmp_path / "p.html")


def test_a_trade_far_away_is_named_if_it_is_outside(tmp_path: Path) -> None:
    """A single trade at a thousandth of the price does not squash the picture, but is told of."""
    series = market()
    odd = np.zeros(1, dtype=TRADE_DTYPE)
    odd["timestamp_ns"], odd["price_ticks"], odd["qty_lots"] = NOON_NS, 1_000, 1
    series.add_trades(odd)
    write_page(tmp_path / "p.html", [], [("ABC", series)], title="t")

    low, _ = figures(tmp_path / "p.html")["price-0"]["layout"]["yaxis"]["range"]
    assert low > 990_000
    assert "the lowest was at 1,000" in read(tmp_path / "p.html")


def test_depth_shows_each_level_at_its_price_and_time(page: Path) -> None:
    """The map's quantities are those of the book: bids negative shades, offers positive."""
    map_ = figures(page)["depth-0"]["data"][0]
    prices, shades, lots = (bytes_of(map_[name]) for name in ("y", "z", "customdata"))
    column = shades[:, 0]

    # The first of 480 columns ends 0.6 s in: the book of the first sample, quantity 10.
    assert prices[column < 0].round(2).tolist() == [99.97, 99.98, 99.99, 100.0]
    assert prices[column > 0].round(2).tolist() == [100.02, 100.03, 100.04, 100.05]
    assert lots[column != 0, 0].tolist() == [10] * 8


def test_volume_is_all_that_was_traded(page: Path) -> None:
    """The bars of both sides sum up to the trades."""
    bars = {one["name"]: bytes_of(one["y"]).sum() for one in figures(page)["volume-0"]["data"]}

    assert bars == {"buyers took": 450, "sellers took": 450}


def test_imbalance_of_an_even_book_is_zero(page: Path) -> None:
    """As much bid as offered: neither curve leaves the middle."""
    for curve in figures(page)["imbalance-0"]["data"]:
        assert not bytes_of(curve["y"]).any()


def test_almost_all_is_not_shown_as_all(page: Path) -> None:
    """One of a hundred thousand that differs is neither rounded away nor left out."""
    exact = trace(figures(page)["agreement"], "exact")

    assert exact["text"] == ["99.99 %"]
    assert "99,999 of 100,000 exact" in read(page)


def test_an_empty_market_and_one_at_a_standstill_say_so(tmp_path: Path) -> None:
    """Nothing happened, or all at one time: there is no picture, but a sentence."""
    still = market(step_ns=0)
    write_page(tmp_path / "p.html", [], [("quiet", Series()), ("still", still)], title="t")
    text = read(tmp_path / "p.html")

    assert "no trades, and the book stayed empty" in text
    assert "one and the same time" in text
    assert figures(tmp_path / "p.html") == {}


def test_trades_alone_and_quotes_alone_are_drawn(tmp_path: Path) -> None:
    """A recording without a book has prices and volume; one without trades has no volume."""
    full, trades, book = market(), Series(levels=4), Series(levels=4)
    candles, samples = full.candles(), full.depth()
    made = np.zeros(300, dtype=TRADE_DTYPE)
    made["timestamp_ns"], made["price_ticks"] = candles.timestamp_ns, candles.close_ticks
    made["qty_lots"] = 1
    trades.add_trades(made)
    book.add_depth(samples.timestamp_ns, samples.levels)
    write_page(tmp_path / "p.html", [], [("t", trades), ("b", book)], title="t")

    assert list(figures(tmp_path / "p.html")) == [
        "price-0", "volume-0", "price-1", "depth-1", "spread-1", "imbalance-1",
    ]  # fmt: skip


def test_more_markets_than_fit_are_counted(tmp_path: Path) -> None:
    """The page draws six and says how many it leaves out."""
    many = [(f"M{number}", market(count=20)) for number in range(MOST_MARKETS + 2)]
    write_page(tmp_path / "p.html", [], many, title="t")

    assert "2 more markets are left out" in read(tmp_path / "p.html")
    assert len(figures(tmp_path / "p.html")) == 5 * MOST_MARKETS


def test_prices_near_the_greatest_are_drawn(tmp_path: Path) -> None:
    """A price beyond what a double holds exactly is no reason to fail."""
    write_page(tmp_path / "p.html", [], [("big", market(bid=2**61))], title="t")

    assert "price-0" in figures(tmp_path / "p.html")


def test_a_page_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    """A folder that is not there is told as such."""
    with pytest.raises(DataError, match="absent"):
        write_page(tmp_path / "absent" / "p.html", [], [], title="t")


@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "i4", "u1"])
def test_packed_numbers_come_back(kind: str) -> None:
    """Arrays of one and two dimensions are the same after packing."""
    values = np.arange(6).astype(kind)

    assert bytes_of(packed(values)).tolist() == values.tolist()
    assert bytes_of(packed(values.reshape(2, 3))).tolist() == values.reshape(2, 3).tolist()
    assert packed(np.array([2**40]))["dtype"] == "f8"
