"""What settling declares in compiled code and the domain declares in Python are the same."""

import re

import numpy as np
import pytest

from nextrade import _settle
from nextrade.domain.listings import LISTING_DTYPE
from nextrade.domain.partition import ORDER_HOLD_DTYPE
from nextrade.domain.postings import POSTING_DTYPE
from nextrade.domain.refusals import Refusal

from .tree import ROOT

SOURCE = ROOT / "src/nextrade"
C_TYPES = {"int64_t": "<i8", "uint64_t": "<u8", "uint32_t": "<u4", "uint8_t": "|u1"}
RECORDS: dict[str, tuple[str, np.dtype[np.void]]] = {
    "Listing": ("_door.pxd", LISTING_DTYPE),
    "Posting": ("_netting.pxd", POSTING_DTYPE),
    "HoldRecord": ("_settle.pyx", ORDER_HOLD_DTYPE),
}


def test_refusals_are_the_same_in_c() -> None:
    """Each refusal has the same number on both sides, and neither side has more of them."""
    text = (SOURCE / "_door.pxd").read_text(encoding="utf-8")
    in_c = {
        name: int(code)
        for name, code in re.findall(r"^    REFUSAL_(\w+) = (\d+)$", text, re.MULTILINE)
    }

    assert in_c == {refusal.name: int(refusal) for refusal in Refusal}


def test_every_refusal_is_in_the_reference() -> None:
    """docs/reference/codes.md has a row with number and name for each refusal."""
    page = (ROOT / "docs/reference/codes.md").read_text(encoding="utf-8")
    section = page.split("\n## Refusal\n")[1].split("\n## ")[0]

    assert re.findall(r"^\| (\d+) \| (\w+) \|", section, re.MULTILINE) == [
        (str(refusal.value), refusal.name) for refusal in Refusal
    ]


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_the_same_in_c(name: str) -> None:
    """Each packed struct has the fields of its dtype, in its order, of its types."""
    file, dtype = RECORDS[name]
    text = (SOURCE / file).read_text(encoding="utf-8")
    match = re.search(rf"^cdef packed struct {name}:\n((?:    \w+ \w+\n)+)", text, re.MULTILINE)
    assert match
    in_c = [line.split() for line in match[1].strip().splitlines()]

    assert [(field, C_TYPES[c_type]) for c_type, field in in_c] == [
        (field, dtype[field].str) for field in dtype.names or ()
    ]


def test_compiled_arrays_have_the_dtypes_of_the_domain() -> None:
    """What goes in and comes out is what the domain says it is."""
    assert _settle._listing_dtype == LISTING_DTYPE  # type: ignore[attr-defined]
    assert _settle._posting_dtype == POSTING_DTYPE  # type: ignore[attr-defined]
    assert _settle._hold_dtype == ORDER_HOLD_DTYPE  # type: ignore[attr-defined]
