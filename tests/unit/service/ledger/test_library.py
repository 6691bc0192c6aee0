"""How the files in lua/ become one function library, and that both sides number things alike."""

import re
from importlib.resources import files

import pytest

pytest.importorskip("hiredis", reason="the ledger on Redis needs nextrade[redis]")

from nextrade.service.ledger.redis import codes
from nextrade.service.ledger.redis.library import assemble, library
from nextrade.service.store import records

ONE = {"one": "-- include: base\nlocal x = base.y"}


def test_fragments_come_first_and_once() -> None:
    """A fragment stands before what needs it, once, however many need it."""
    made = assemble(
        {"b": "-- include: top base\nB()", "a": "-- include: base\nA()"},
        {"base": "BASE()", "top": "-- include: base\nTOP()"},
    )
    words = re.findall(r"^(\w+)\(\)$", made.source, re.MULTILINE)

    assert words == ["BASE", "A", "TOP", "B"]
    assert made.source.startswith("#!lua name=nextrade\n")


def test_places_in_errors_are_those_of_the_files() -> None:
    """A line of the whole is named by its file and line there."""
    made = assemble({"one": "-- include: base\nsecond()"}, {"base": "local base = {}\nfirst()"})
    lines = made.source.splitlines()

    for word, place in (("first()", "lua/include/base.lua:2"), ("second()", "lua/one.lua:2")):
        number = lines.index(word) + 1
        assert made.located(f"script user_function:{number}: bad") == f"script {place}: bad"
    assert made.located("user_function:999: bad") == "user_function:999: bad"
    assert len(made.places) == len(lines)


@pytest.mark.parametrize(
    ("functions", "fragments", "complaint"),
    [
        (ONE, {}, "no such fragment"),
        ({"one": "-- include: base base"}, {"base": "x()"}, "twice"),
        ({"one": "-- include: base\n-- include: base"}, {"base": "x()"}, "twice"),
        (ONE, {"base": "-- include: base"}, "includes itself"),
        (ONE, {"base": "-- include: top", "top": "-- include: base"}, "includes itself"),
        (ONE, {"base": "x()", "idle": "y()"}, "nothing includes"),
    ],
)
def test_wrong_includes(
    functions: dict[str, str], fragments: dict[str, str], complaint: str
) -> None:
    """Fragments that are unknown, repeated, circular or unused are refused."""
    with pytest.raises(ValueError, match=complaint):
        assemble(functions, fragments)


def test_digest_changes_with_any_file() -> None:
    """The digest by which servers are checked stands for the whole source."""
    digests = {
        assemble({"one": f"-- include: base\n{a}()"}, {"base": f"{b}()"}).digest
        for a in "xy"
        for b in "xy"
    }

    assert len(digests) == 4
    assert library().digest in library().source


def test_codes_agree() -> None:
    """lua/include/codes.lua and codes.py give the same number the same name."""
    text = files("nextrade.lua").joinpath("include/codes.lua").read_text(encoding="utf-8")
    in_lua = {
        name: int(number) for name, number in re.findall(r"^    (\w+) = (\d+),", text, re.MULTILINE)
    }
    in_python = {answer.name: answer.value for answer in codes.Answer}
    in_python |= {f"CALL_{call.name}": call.value for call in codes.Call}
    in_python |= {f"FOR_{purpose.name}": purpose.value for purpose in codes.Purpose}
    in_python |= {state.name: state.value for state in codes.HoldState}

    versions = {"VERSION": codes.VERSION, "STORE_VERSION": codes.STORE_VERSION}
    assert in_lua == in_python | versions


def test_every_refusal_has_an_exception() -> None:
    """Each answer but DONE and REPEATED raises a class of its meaning."""
    refusals = set(codes.Answer) - {codes.Answer.DONE, codes.Answer.REPEATED}
    assert set(codes.ERRORS) | set(records.ERRORS) == refusals


def test_functions_say_what_they_take() -> None:
    """Each file of functions opens with its purpose, KEYS, ARGV and what it returns."""
    for path in files("nextrade.lua").iterdir():
        if path.name.endswith(".lua"):
            head = re.match(r"(?:--.*\n)+", path.read_text(encoding="utf-8"))
            assert head is not None, path.name
            for word in ("KEYS[1]", "ARGV[1]", "Returns"):
                assert word in head[0], f"{path.name}: {word}"
