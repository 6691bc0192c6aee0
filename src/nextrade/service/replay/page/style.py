"""How the page looks: its style sheet, its colours and the measures that pictures share.

Blue for who buys and orange for who sells are told apart by every kind of colour vision
(from Paul Tol's scheme "vibrant"). What begins with ``@`` is the name of a colour that
depends on the reader's light or dark scheme; the script on the page puts it in.
"""

BUY, SELL, OTHER = "#0077bb", "#ee7733", "#aa3377"
RIGHT, CLOSE, WRONG = "#009988", "#ee7733", "#cc3311"
INK, QUIET, GRID = "@ink", "@quiet", "@grid"


def faded(colour: str, share: float) -> str:
    """A colour that lets the background through: ``share`` 1 is opaque.

    >>> faded("#0077bb", 0.5)
    'rgba(0,119,187,0.5)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


CSS = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2933; --quiet: #5f6c7b;
  --grid: #d9dee4; --card: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ec;
  --quiet: #9aa5b1; --grid: #333c47; --card: #1d232a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 28px 48px; max-width: 1320px; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 0; padding-top: 12px; border-top: 2px solid var(--grid);
  overflow-wrap: anywhere; }
h3 { font-size: 16px; margin: 28px 0 0; }
nav { margin: 8px 0 0; } nav a { margin-right: 14px; overflow-wrap: anywhere; }
a { color: inherit; }
p { margin: 4px 0; max-width: 140ch; } p.caption, p.notes { color: var(--quiet); font-size: 14px; }
.cards { columns: 3 300px; column-gap: 16px; margin-top: 18px; }
.card { break-inside: avoid; background: var(--card); border-radius: 8px; padding: 12px 16px 10px;
  margin: 0 0 16px; }
.card h3 { margin: 0 0 6px; font-size: 13px; text-transform: uppercase; letter-spacing: .05em;
  color: var(--quiet); }
.card table { border-collapse: collapse; width: 100%; font-size: 14px; }
.card th { font-weight: normal; text-align: left; white-space: pre-wrap; vertical-align: top;
  padding: 1px 12px 1px 0; }
.card td { text-align: right; padding: 1px 0; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; vertical-align: top; }
.card td:only-child { text-align: left; }
.picture { width: 100%; margin-top: 4px; }
.failed { color: #cc3311; padding: 12px 0; }
noscript p { padding: 12px 16px; border: 2px solid #ee7733; border-radius: 8px; }
@media (max-width: 900px) { body { padding: 16px 14px 32px; } .cards { columns: 2 280px; } }
@media print { .modebar { display: none; } }
"""

LEFT, RIGHT_EDGE = 84, 24
"""Margins of every picture in pixels, so that the time axes of a market stand below each other."""
