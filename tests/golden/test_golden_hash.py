"""The answers to seeded streams are those that were frozen (see freeze.py)."""

import json

import pytest

from tests.golden.freeze import FROZEN, SEEDS, by_compiled, by_oracle

frozen = json.loads(FROZEN.read_text())
both_books = pytest.mark.parametrize("answer", [by_oracle, by_compiled])


@both_books
@pytest.mark.parametrize("seed", SEEDS)
def test_the_answer_is_the_frozen_one(seed, answer) -> None:
    """The same commands give the same events, level updates and state, byte for byte."""
    expected, actual = frozen[str(seed)], answer(seed)

    assert actual["commands"] == expected["commands"], "this Python draws another stream"
    assert actual == expected


def test_every_frozen_stream_is_checked() -> None:
    """No frozen stream is left out, and each of them did something."""
    assert [str(seed) for seed in SEEDS] == list(frozen)
    assert all(answer["count"] > 0 for answer in frozen.values())
