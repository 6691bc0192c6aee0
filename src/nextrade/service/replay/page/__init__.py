"""A replay as one self-contained HTML page with pictures, drawn in the browser by plotly.js."""

from .agreement import Agreement
from .write import MOST_MARKETS, write_page

__all__ = ["MOST_MARKETS", "Agreement", "write_page"]
