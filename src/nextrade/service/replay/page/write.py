"""One HTML file of all: figures as tables, pictures as plotly.js draws them, and plotly.js itself.

The page asks nothing of any network: everything is inside, and a content security policy
forbids the rest, also to run any script but the three of the page, which are named by
their digests. The same data make the same bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from ....errors import MissingExtra
from ..latency import LatencyHistogram
from ..series import Series
from ..wording import Sections
from ..writers.new_file import NewFile
from .agreement import Agreement
from .bars import agreement_picture, latency_picture
from .market import Picture, market_pictures
from .script import SCRIPT
from .style import CSS

__all__ = ["MOST_MARKETS", "write_page"]

MOST_MARKETS = 6
"""A page of more would be slow to open; it says that the others are left out."""


def write_page(
    path: str | Path,
    sections: Sections,
    series: Sequence[tuple[str, Series]],
    *,
    title: str,
    price_decimals: int = 0,
    qty_decimals: int = 0,
    price_unit: str = "",
    qty_unit: str = "",
    latency: LatencyHistogram | None = None,
    agreement: Sequence[Agreement] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write the page. It appears under its name only when it is complete.

    ``sections`` are headed rows of text (``wording.sections_of`` makes them), ``series`` the
    markets by name, the first six of which are drawn. ``latency`` and ``agreement`` are
    those of the whole replay; without them those pictures are left out, and a market's own
    latency is drawn with the market. Raises MissingExtra if plotly is not installed,
    DataError if the file cannot be written.
    """
    library = _plotly_js()
    price, qty = (price_decimals, price_unit), (qty_decimals, qty_unit)
    figures: list[dict[str, Any]] = []
    body = [_head(title, [name for name, _ in series[:MOST_MARKETS]])]
    body.append(_cards(sections))
    body += [f'<p class="notes">{escape(note)}</p>' for note in notes]
    whole: list[Picture] = []
    if any(row.total for row in agreement):
        whole.append(agreement_picture([row for row in agreement if row.total]))
    if latency is not None and latency.count:
        whole.append(latency_picture(latency))
    body += _placed(whole, "", figures)
    for number, (name, one) in enumerate(series[:MOST_MARKETS]):
        body.append(f'<h2 id="market-{number}">{escape(name)}</h2>')
        drawn = market_pictures(one, price, qty)
        if not drawn:
            body.append(f"<p>{_nothing(one)}</p>")
        if one.latency.count:
            drawn.append(latency_picture(one.latency))
        body += _placed(drawn, str(number), figures)
    if not series:
        body.append("<p>Nothing to draw: no market was recorded.</p>")
    if len(series) > MOST_MARKETS:
        left = len(series) - MOST_MARKETS
        body.append(f"<p>{left:,} more markets are left out of this page.</p>")
    data = json.dumps(figures, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    with NewFile(Path(path)) as file:
        for part in _document(title, "\n".join(body), data, library):
            file.put(part.encode("utf-8", "replace"))


def _plotly_js() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtra(
            "plotly is not installed; install it with: pip install 'nextrade[report]'"
        ) from error
    library: str = get_plotlyjs()
    return library


def _document(title: str, body: str, data: str, library: str) -> list[str]:
    digests = " ".join(f"'sha256-{_digest(text)}'" for text in (library, SCRIPT))
    policy = (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n",
        body,
        f'\n<script type="application/json" id="figures">{data}</script>\n<script>',
        library,
        f"</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
    ]


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode("ascii")


def _head(title: str, markets: list[str]) -> str:
    said = f"<h1>{escape(title)}</h1>\n<noscript><p>The pictures of this page are drawn by a "
    said += "script that is part of it. Allow scripts to see them.</p></noscript>"
    if len(markets) > 1:
        links = "".join(
            f'<a href="#market-{number}">{escape(name)}</a>' for number, name in enumerate(markets)
        )
        said += f"\n<nav>{links}</nav>"
    return said


def _cards(sections: Sections) -> str:
    said = []
    for heading, rows in sections:
        lines = "".join(_row(what, much) for what, much in rows)
        said.append(
            f'<section class="card"><h3>{escape(heading)}</h3><table>{lines}</table></section>'
        )
    return f'<div class="cards">{"".join(said)}</div>' if said else ""


def _row(what: str, much: str) -> str:
    if not what:
        return f'<tr><td colspan="2">{escape(much)}</td></tr>'
    return f"<tr><th>{escape(what)}</th><td>{escape(much)}</td></tr>"


def _placed(pictures: list[Picture], group: str, figures: list[dict[str, Any]]) -> list[str]:
    """The places of pictures in the page; the pictures themselves are put into ``figures``."""
    said = []
    for picture in pictures:
        name = f"{picture.name}-{group}" if group else picture.name
        joined = f"market-{group}" if picture.over_time else ""
        figures.append({"id": name, "group": joined, **picture.figure})
        height = picture.figure["layout"]["height"]
        said.append(
            f'<h3>{escape(picture.heading)}</h3>\n<p class="caption">{escape(picture.caption)}</p>'
            f'\n<div class="picture" id="{name}" style="min-height:{height}px"></div>'
        )
    return said


def _nothing(series: Series) -> str:
    if series.trades or series.depth().levels["qty_lots"].any():
        return "Nothing to draw: all that happened carries one and the same time."
    return "Nothing to draw: there were no trades, and the book stayed empty."
