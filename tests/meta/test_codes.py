"""The compiled core and the Python modules declare the same codes and the same records."""

import re
from enum import IntEnum, IntFlag

import numpy as np
import pytest

from nextrade import dtypes, enums

from .tree import ROOT

TYPES = (ROOT / "src/nextrade/_types.pxd").read_text(encoding="utf-8")

C_TYPES = {
    "int64_t": "<i8",
    "uint64_t": "<u8",
    "int32_t": "<i4",
    "uint32_t": "<u4",
    "uint8_t": "|u1",
}

RECORDS = {
    "Command": dtypes.COMMAND_DTYPE,
    "Event": dtypes.EVENT_DTYPE,
    "LevelUpdate": dtypes.LEVEL_DTYPE,
    "DepthRow": dtypes.DEPTH_DTYPE,
    "OrderRecord": dtypes.ORDER_DTYPE,
}


def body(header: str) -> list[str]:
    """Return the lines of the block below a header, without comments."""
    match = re.search(rf"^{header}:\n((?:[ \t]+.*\n|\n)+)", TYPES, re.MULTILINE)
    assert match, f"_types.pxd has no `{header}`"
    lines = (line.split("#")[0].strip() for line in match[1].splitlines())
    return [line for line in lines if line]


def c_codes() -> dict[str, int]:
    """Return every member of every ``cdef enum`` of the core."""
    blocks = re.findall(r"^cdef enum[^:\n]*:\n((?:[ \t]+.*\n|\n)+)", TYPES, re.MULTILINE)
    members = re.findall(r"^\s+([A-Z][A-Z0-9_]*)\s*=\s*(\w+)", "\n".join(blocks), re.MULTILINE)
    return {name: int(value, 0) for name, value in members}


def prefix(enum: type[IntEnum] | type[IntFlag]) -> str:
    """Return what the members of an enum begin with in C: TradingState gives TRADING_STATE_."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.__name__).upper() + "_"


@pytest.mark.parametrize("name", enums.__all__)
def test_enum_is_the_same_in_c(name: str) -> None:
    """Each enum has the same members with the same numbers on both sides."""
    enum = getattr(enums, name)
    in_python = {prefix(enum) + member: int(value) for member, value in enum.__members__.items()}
    in_c = {name: code for name, code in c_codes().items() if name.startswith(prefix(enum))}

    assert in_c == in_python


@pytest.mark.parametrize("name", RECORDS)
def test_record_is_the_same_in_c(name: str) -> None:
    """Each packed struct has the fields of its dtype, in its order, of its types."""
    dtype = RECORDS[name]
    in_python = [(field, dtype[field].str) for field in dtype.names or ()]

    in_c = []
    for line in body(f"cdef packed struct {name}"):
        match = re.fullmatch(r"(\w+) (\w+)(?:\[(\d+)\])?", line)
        assert match, line
        c_type, field, length = match.groups()
        in_c.append((field, f"|V{length}" if length else C_TYPES[c_type]))

    assert in_c == in_python


def test_every_dtype_has_its_struct() -> None:
    """No public dtype is missing from the comparison above."""
    public = [getattr(dtypes, name) for name in dtypes.__all__ if name.endswith("_DTYPE")]

    assert all(any(dtype is known for known in RECORDS.values()) for dtype in public)


def test_records_are_packed_and_little_endian() -> None:
    """No dtype has a gap between its fields, and none has the machine's own byte order."""
    for dtype in RECORDS.values():
        sizes = [dtype[field].itemsize for field in dtype.names or ()]

        assert sum(sizes) == dtype.itemsize
        assert all(np.dtype(dtype[field]).str[0] in "<|" for field in dtype.names or ())
