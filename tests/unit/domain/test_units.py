"""Decimal text and whole steps: exact both ways, and everything else refused."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.domain.units import INT64_MAX, MAX_DECIMALS, Step, read_decimal
from nextrade.errors import UnitError

counts = st.integers(0, INT64_MAX)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """A step from 10**-18 to a few thousand, trailing zeros included."""
    decimals = draw(st.integers(0, MAX_DECIMALS))
    units = draw(st.integers(1, 9999))
    whole, fraction = divmod(units, 10**decimals)
    return Step(f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole))


@given(steps(), counts)
def test_text_of_a_count_counts_back(step: Step, count: int) -> None:
    """What text_of writes, count reads as the same number."""
    assert step.count(step.text_of(count), "price") == count


@given(steps(), counts)
def test_decimal_objects_count_like_their_text(step: Step, count: int) -> None:
    """A Decimal is as good as text, whatever its exponent."""
    digits, decimals = read_decimal(step.text_of(count), "price")

    assert step.count(Decimal(step.text_of(count)), "price") == count
    assert step.count(Decimal(f"{digits}E-{decimals}"), "price") == count


@given(steps(), st.lists(counts, min_size=1, max_size=20))
def test_arrays_convert_like_single_values(step: Step, many: list[int]) -> None:
    """The array conversions give what the single ones give, in the shape given."""
    texts = step.texts_of(np.array(many, dtype=np.int64))

    assert texts.tolist() == [step.text_of(count) for count in many]
    assert step.counts(texts, "price").tolist() == many
    assert step.counts(texts.reshape(1, -1), "price").shape == (1, len(many))
    assert step.counts([Decimal(text) for text in texts.tolist()], "price").tolist() == many


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_unit_error(text: str) -> None:
    """No text at all gives another exception or a number outside int64."""
    step = Step("0.01")
    try:
        count = step.count(text, "price")
    except UnitError:
        with pytest.raises(UnitError):
            step.counts(np.array([text]) if "\0" not in text else [text], "price")
        return

    assert 0 <= count <= INT64_MAX
    assert step.counts(np.array([text]), "price").tolist() == [count]


@given(st.text(alphabet="0123456789.", max_size=24), steps())
def test_arrays_refuse_exactly_what_single_values_refuse(text: str, step: Step) -> None:
    """The fast array path accepts and refuses the same texts as the plain one."""
    try:
        expected = step.count(text, "price")
    except UnitError:
        with pytest.raises(UnitError, match=r"price\[0\]"):
            step.counts(np.array([text]), "price")
    else:
        assert step.counts(np.array([text]), "price").tolist() == [expected]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.5, "float"),
        (np.float64(1.5), "float"),
        (float("nan"), "float"),
        (1, "write it as text"),
        (True, "write it as text"),
        (None, "write it as text"),
        (b"1", "write it as text"),
        ("", "empty"),
        ("-1", "negative"),
        ("+1", "plain number"),
        ("1e3", "without an exponent"),
        ("nan", "plain number"),
        ("inf", "plain number"),
        (" 1", "plain number"),
        ("1_0", "plain number"),
        ("1,0", "plain number"),
        (".5", "plain number"),
        ("5.", "plain number"),
        ("\u0661", "plain number"),
        ("1.0\n", "plain number"),
        ("1.005", "nearest are 1.00 and 1.01"),
        ("92233720368547758.08", "at most 9223372036854775807"),
        ("9" * 61, "characters"),
        (Decimal("NaN"), "not a number"),
        (Decimal("Infinity"), "not a number"),
        (Decimal(-1), "negative"),
        (Decimal("1E+999999"), "too long"),
        (Decimal("1E-999999"), "too long"),
        (Decimal("0.001"), "not a multiple"),
    ],
)
def test_what_does_not_fit_is_refused_with_field_and_remedy(value: object, said: str) -> None:
    """Each refusal is a UnitError that names the field and says what would do."""
    with pytest.raises(UnitError, match="price") as refusal:
        Step("0.01").count(value, "price")  # type: ignore[arg-type]

    assert said in str(refusal.value)


@pytest.mark.parametrize("count", [-1, INT64_MAX + 1, 1.0, "1", True, None])
def test_only_counts_in_int64_are_written(count: object) -> None:
    """text_of takes whole numbers from 0 to 2**63 - 1 and nothing else."""
    with pytest.raises(UnitError):
        Step("0.01").text_of(count)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0", "0.00", "-1", "x", "", "0.0000000000000000001"])
def test_a_step_is_a_plain_number_above_zero(text: str) -> None:
    """A step of zero, garbage or more than 18 decimals is refused."""
    with pytest.raises(UnitError):
        Step(text)


def test_an_array_error_names_the_position() -> None:
    """The third of four prices is wrong, and the message says so."""
    with pytest.raises(UnitError, match=r"price\[2\]"):
        Step("0.25").counts(np.array(["1.25", "1.50", "1.30", "2.00"]), "price")


def test_a_count_out_of_range_is_named_by_its_position() -> None:
    """Arrays of counts are checked like single counts."""
    for counts in ([0, -1], np.array([0, -1]), np.array([0, 2**63], dtype=np.uint64)):
        with pytest.raises(UnitError, match=r"count\[1\]: .* is outside"):
            Step("0.25").texts_of(counts)
    with pytest.raises(UnitError, match=r"count\[0\]: 1.5 is not a whole number"):
        Step("0.25").texts_of(np.array([1.5]))  # type: ignore[arg-type]


def test_empty_arrays_give_empty_arrays() -> None:
    """No values, no counts, no error."""
    assert Step("0.25").counts(np.array([], dtype="U5"), "price").tolist() == []
    assert Step("0.25").texts_of(np.array([], dtype=np.int64)).tolist() == []
