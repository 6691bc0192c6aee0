"""docs/reference/settings.md says of each setting what the code says."""

import re

from nextrade.platform.settings import SECTIONS, TABLES, keys, read_default, variable
from nextrade.service.listings_file import ASSET_KEYS, MARKET_KEYS

from .tree import ROOT


def section(name: str) -> str:
    """The text of one section of the page."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    return page.split(f"\n## [{name}]\n")[1].split("\n## ")[0]


def rows(name: str) -> list[list[str]]:
    """The cells of each row of a section's table, without its head."""
    lines = [line for line in section(name).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_each_setting_has_its_row() -> None:
    """Key, what fits, default, variable and meaning are those of the code, in its order."""
    default = read_default()
    for name in SECTIONS:
        expected = []
        for key, (kind, meaning) in keys(name).items():
            value = kind.toml(getattr(getattr(default, name), key))
            if key == "folder":  # shown as it is written: it depends on where one stands
                value = '".nextrade/stack"'
            expected.append(
                [f"`{key}`", kind.expected, f"`{value}`", f"`{variable(name, key)}`", meaning]
            )

        assert rows(name) == expected


def test_each_key_of_assets_and_markets_has_its_row() -> None:
    """The tables of assets and markets name every key that the reader knows, and no other."""
    said = {name: [row[0].strip("`") for row in rows(name)] for name in TABLES}

    assert said == {"assets": list(ASSET_KEYS), "markets": list(MARKET_KEYS)}


def test_no_section_is_missing() -> None:
    """The page has a heading for each section and for nothing else."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")

    assert re.findall(r"^## \[(\w+)\]$", page, re.MULTILINE) == [*SECTIONS, *TABLES]
