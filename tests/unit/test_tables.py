"""Tables of pandas and polars: readable codes, whole numbers as they are, exact decimals."""

import builtins
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from nextrade import (
    TRADE_DTYPE,
    Asset,
    EventKind,
    Market,
    MissingExtra,
    OrderBook,
    generate,
    to_pandas,
    to_polars,
    trades,
)

MARKET = Market("A-B", Asset("A", 2), Asset("B", 4), "0.01", "0.1")


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    """The events of a small trading day."""
    return OrderBook().process(generate("day", 3000, 1))


def test_trades_are_the_trades(events: np.ndarray) -> None:
    """Only trades, in order, under the names that a trade has."""
    table = trades(events)
    happened = events[events["kind"] == EventKind.TRADE]

    assert table.dtype == TRADE_DTYPE
    assert table["trade_index"].tolist() == list(range(1, len(happened) + 1))
    assert (table["taker_id"] == happened["order_id"]).all()
    assert (table["maker_id"] == happened["maker_id"]).all()
    assert table["auction"].any()
    assert not table["auction"].all()
    with pytest.raises(TypeError, match="EVENT_DTYPE"):
        trades(table)


def test_pandas_tables_say_what_the_records_say(events: np.ndarray) -> None:
    """Codes are categories by name, other fields keep their numbers, decimals are exact."""
    pytest.importorskip("pandas")
    table = to_pandas(events, MARKET)

    assert list(table["kind"].iloc[:3]) == [EventKind(k).name for k in events["kind"][:3]]
    assert (table["order_id"].to_numpy() == events["order_id"]).all()
    assert table["price"].iloc[5] == Decimal(int(events["price_ticks"][5])) / 100
    assert "reserved" not in to_pandas(generate("calm", 3)).columns
    assert list(to_pandas(generate("calm", 3))["kind"]) == ["PLACE"] * 3
    assert len(to_pandas(events[:0])) == 0
    assert set(to_pandas(trades(events))["taker_side"]) == {"BUY", "SELL", "NONE"}


def test_polars_tables_say_what_the_records_say(events: np.ndarray) -> None:
    """As with pandas; codes are of polars' type Enum, decimals of its type Decimal."""
    polars = pytest.importorskip("polars")
    table = to_polars(events, MARKET)

    assert table["kind"].to_list() == [EventKind(k).name for k in events["kind"].tolist()]
    assert isinstance(table["kind"].dtype, polars.Enum)
    assert (table["order_id"].to_numpy() == events["order_id"]).all()
    assert table["price"][5] == Decimal(int(events["price_ticks"][5])) / 100
    assert table["qty"].dtype == polars.Decimal(38, 1)
    nothing = to_polars(events[:0], MARKET)
    assert len(nothing) == 0
    assert nothing.schema == table.schema
    assert to_polars(OrderBook().orders()).columns[0] == "order_id"


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_refused_garbage_is_shown_and_not_hidden(convert: Any) -> None:
    """Codes of no member are UNKNOWN, negative numbers of refused commands stay negative."""
    pytest.importorskip(convert.__name__.removeprefix("to_"))
    commands = generate("calm", 2)
    commands["kind"] = 99
    commands["price_ticks"] = -5
    table = convert(commands, MARKET)

    assert list(table["kind"]) == ["UNKNOWN"] * 2
    assert list(table["price_ticks"]) == [-5, -5]
    assert list(table["price"]) == [Decimal("-0.05")] * 2


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
@pytest.mark.parametrize("wrong", [None, [1], np.zeros(3), np.zeros((2, 2), dtype=TRADE_DTYPE)])
def test_only_flat_record_arrays_are_taken(convert: Any, wrong: object) -> None:
    """Anything else is a TypeError that says what is needed."""
    with pytest.raises(TypeError, match="array"):
        convert(wrong)


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_a_missing_package_is_named_with_its_cure(
    convert: Any, events: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pandas or polars the error says which command installs it."""
    package = convert.__name__.removeprefix("to_")
    real_import = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(MissingExtra, match=rf"pip install 'nextrade\[{package}\]'"):
        convert(events)
