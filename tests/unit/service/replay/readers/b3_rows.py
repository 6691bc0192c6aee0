"""Made-up B3 order files, and their messages in brief."""

from pathlib import Path

import numpy as np

from nextrade.service.replay.messages import MESSAGE_DTYPE, Action, Flag, Messages
from nextrade.service.replay.readers.b3 import B3
from nextrade.service.replay.readers.source import BadRecords, Recording

HEADER = (
    "SessionDate,InstrumentSymbol,OrderSide,SequentialOrderNumber,SecondaryOrderID,ExecutionType,"
    "PriorityTime,PriorityIndicator,OrderPrice,TotalQuantity,TradedQuantity,OrderDatetime,"
    "OrderStatus,AgressorIndicator,Member"
)


class Rows:
    """Writes rows with ascending numbers, a millisecond apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[str] = []

    def add(
        self,
        kind: str,
        order_id: int,
        side: str = "Buy",
        price: str = "0.00",
        total: int = 0,
        traded: int = 0,
        indicator: int = 0,
        **other: str,
    ) -> "Rows":
        """One more row."""
        number = len(self.rows) + 1
        fields = {
            "SessionDate": "2020-01-01",
            "InstrumentSymbol": "XYZ",
            "OrderSide": side,
            "SequentialOrderNumber": str(order_id),
            "SecondaryOrderID": str(number),
            "ExecutionType": kind,
            "PriorityTime": f"12:00:00.{number:03}000",
            "PriorityIndicator": "0000000000",
            "OrderPrice": price,
            "TotalQuantity": str(total),
            "TradedQuantity": str(traded),
            "OrderDatetime": "2020-01-01 14:00:00",
            "OrderStatus": "any",
            "AgressorIndicator": str(indicator),
            "Member": "1",
        } | other
        self.rows.append(",".join(fields[name] for name in HEADER.split(",")))
        return self

    def open(self, *, skip: bool = False) -> B3:
        """The file, opened."""
        self.path.write_text("\n".join([HEADER, *self.rows]) + "\n")
        return B3(self.path, BadRecords(skip))

    def read(self) -> Messages:
        """The messages of the file."""
        return everything(self.open())


def everything(recording: Recording) -> Messages:
    """The messages of all parts."""
    return np.concatenate([np.zeros(0, MESSAGE_DTYPE), *(p.messages for p in recording.parts())])


def brief(messages: Messages) -> list[tuple[object, ...]]:
    """Action, id, price, quantity, what is left, flags."""
    return [
        (
            Action(row["action"]),
            int(row["order_id"]),
            int(row["price_ticks"]),
            int(row["qty_lots"]),
            int(row["leaves_lots"]),
            Flag(int(row["flags"])),
        )
        for row in messages
    ]
