"""The page of a replay, opened in a real browser: drawn in full, without a word to a network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextrade
from nextrade import OrderBook
from nextrade.dtypes import DEPTH_DTYPE
from nextrade.service.replay.page import Agreement, write_page
from nextrade.service.replay.series import Series

from ..browser import Browser

HOSTILE = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
DRAWN = "document.documentElement.dataset.drawn"
OVER_TIME = ("price", "volume", "depth", "spread", "imbalance")

LOOK = """[...document.querySelectorAll(".picture")].map((div) => {
  const box = div.getBoundingClientRect();
  return {
    id: div.id,
    failed: div.classList.contains("failed"),
    surfaces: div.querySelectorAll("svg.main-svg").length,
    expected: (div.data || []).length,
    lines: div.querySelectorAll(".scatterlayer .trace").length,
    bars: div.querySelectorAll(".barlayer .point path").length,
    maps: div.querySelectorAll(".heatmaplayer image").length,
    x: box.left + scrollX, y: box.top + scrollY, width: box.width, height: box.height,
    texts: [...div.querySelectorAll("text")].map((text) => text.textContent),
  };
})"""


def watched(model: str, commands: int) -> Series:
    """A generated flow through a book, looked at after every hundred commands."""
    series, book = Series(), OrderBook()
    for part in np.array_split(nextrade.generate(model, commands), commands // 100):
        series.add_trades(nextrade.trades(book.process(part)))
        depth = np.zeros((1, 2, series.levels), dtype=DEPTH_DTYPE)
        for side, levels in enumerate(book.depth(series.levels)):
            depth[0, side, : len(levels)] = levels
        series.add_depth(part["timestamp_ns"][-1:].astype(np.int64), depth)
    return series


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a generated day, with names that would like to be markup."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    series = watched("day", 60_000)
    latency = np.random.default_rng(5).lognormal(6, 1, 20_000).astype(np.int64)
    series.add_latency(latency)
    write_page(
        path,
        [("Replay", [(HOSTILE, HOSTILE), ("", HOSTILE)])],
        [(HOSTILE, series), ("empty", Series())],
        title=HOSTILE,
        latency=series.latency,
        agreement=[Agreement(HOSTILE, 90, 8, 2)],
        price_unit=HOSTILE,
        qty_unit=HOSTILE,
        notes=[HOSTILE],
    )
    return path


def looked(browser: Browser) -> dict[str, dict[str, Any]]:
    """What stands in the place of each picture, by its name."""
    return {picture["id"]: picture for picture in browser.evaluate(LOOK)}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (800, False), (1280, True)])
def test_every_picture_is_drawn_and_nothing_is_asked_of_a_network(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    """In wide and narrow windows, light and dark, all pictures show their data in many colours."""
    browser.open(page, width, DRAWN, dark)
    pictures = looked(browser)

    names = [*(f"{name}-0" for name in OVER_TIME), "latency", "latency-0", "agreement"]
    assert sorted(pictures) == sorted(names)
    assert browser.evaluate(DRAWN) == str(len(names))
    for name, picture in pictures.items():
        assert not picture["failed"], name
        assert picture["surfaces"] >= 2, name
        assert picture["expected"] >= 1, name
        assert 0.9 * width - 40 <= picture["width"] <= width, name
        area = {key: picture[key] for key in ("x", "y", "width", "height")}
        colours, commonest = browser.colours(area)
        assert colours > 40, (name, colours)
        assert commonest < 0.99, (name, commonest)
    assert pictures["price-0"]["lines"] == pictures["price-0"]["expected"] >= 3
    assert pictures["spread-0"]["lines"] == pictures["spread-0"]["expected"] >= 1
    assert pictures["imbalance-0"]["lines"] == 2
    assert pictures["latency"]["lines"] == pictures["latency-0"]["lines"] == 1
    assert pictures["volume-0"]["bars"] >= 100
    assert pictures["agreement"]["bars"] == 3
    assert pictures["depth-0"]["maps"] == 1

    assert browser.complaints == []
    assert browser.requests[0] == page.as_uri()
    assert [url for url in browser.requests[1:] if not url.startswith(("data:", "blob:"))] == []


def test_names_are_text_and_never_run(browser: Browser, page: Path) -> None:
    """A name that is markup is shown as it is, in the headings, the tables and the pictures."""
    browser.open(page, 1280, DRAWN)

    assert browser.evaluate("document.title") == HOSTILE
    named = "h1, h2, th, td, p.notes, nav a"
    shown = browser.evaluate(
        f"[...document.querySelectorAll('{named}')].map((element) => element.textContent)"
    )
    assert shown.count(HOSTILE) == 7
    assert browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    pictures = looked(browser)
    assert HOSTILE in pictures["agreement"]["texts"]
    assert f"price ({HOSTILE})" in pictures["price-0"]["texts"]
    assert any(HOSTILE in text for text in pictures["depth-0"]["texts"])


def test_zooming_one_picture_zooms_the_others_of_its_market(browser: Browser, page: Path) -> None:
    """The time axes of a market stay the same."""
    browser.open(page, 1280, DRAWN)
    wanted = ["1970-01-01 09:30:01", "1970-01-01 09:30:02"]
    said = json.dumps(wanted)
    moved = browser.evaluate(
        f"""(async () => {{
          await Plotly.relayout(document.getElementById("price-0"), {{ "xaxis.range": {said} }});
          await new Promise((done) => setTimeout(done, 500));
          return {json.dumps(OVER_TIME)}.map((name) =>
            document.getElementById(name + "-0").layout.xaxis.range);
        }})()"""
    )

    assert moved == [wanted] * len(OVER_TIME)


def test_an_empty_replay_is_a_page_that_says_so(browser: Browser, tmp_path: Path) -> None:
    """Without trades and orders there is nothing to draw, and no error either."""
    path = tmp_path / "empty.html"
    write_page(path, [], [("quiet", Series())], title="nothing")
    browser.open(path, 1280, DRAWN)

    assert looked(browser) == {}
    assert "no trades, and the book stayed empty" in browser.evaluate("document.body.textContent")
    assert browser.complaints == []


def test_the_browser_notices_what_these_tests_look_for(browser: Browser, tmp_path: Path) -> None:
    """A page that asks a network, complains and is blank is seen to do so."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<p>.</p><img src='http://nextrade.invalid/a.png'><script>console.error('no')</script>"
    )
    browser.open(path, 800, "true")

    assert "http://nextrade.invalid/a.png" in browser.requests
    assert any("'no'" in complaint for complaint in browser.complaints)
    colours, commonest = browser.colours({"x": 0, "y": 200, "width": 600, "height": 400})
    assert (colours, commonest) == (1, 1.0)
