"""The clock of a file: text to a moment of it and back.

Files count nanoseconds, either since midnight of their one day or since 1970. Which of the
two is told by the size of the numbers: a day is short against the time since 1970. A time of day
means the day on which the file begins.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

_SECOND_NS = 10**9
_DAY_NS = 86_400 * _SECOND_NS
_SINCE_MIDNIGHT_NS = 7 * _DAY_NS
"""Up to here a count is taken as one since midnight; some venues go on past 24:00."""
_FIRST_DAY = date(1970, 1, 1)
_LAST_NS = 2**63 - 1

_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
_TIME_OF_DAY = re.compile(_TIME, re.ASCII)
_DATE_TIME = re.compile(rf"(?P<date>\d{{4}}-\d{{2}}-\d{{2}})[T ]{_TIME}Z?", re.ASCII)
_COUNT = re.compile(r"#(?P<count>\d{1,18})", re.ASCII)
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)

_ACCEPTED = (
    "a time of day such as 09:30:00.5, a date and time such as 2023-12-25T23:00:00Z, a number of"
    " nanoseconds as they stand in the file, #N for the book after N records, start or end"
)


class Moment(NamedTuple):
    """A moment of a file as somebody writes it. At most one of the fields is set."""

    records: int | None = None
    """After so many records."""
    time_ns: int | None = None
    """In the file's own clock."""
    since_1970_ns: int | None = None
    """A date and time."""
    since_midnight_ns: int | None = None
    """A time of day."""
    start: bool = False
    """The first record. Nothing set is the end."""

    def time_in(self, first_ns: int) -> int | None:
        """The moment in the clock of a file whose first record has this time, if it is a time.

        Raises ValueError for a date in a file that has none.
        """
        if self.start:
            return first_ns
        if self.since_1970_ns is not None:
            if not counts_from_1970(first_ns):
                raise ValueError(
                    "the times of this file count from midnight and have no date; its first"
                    f" record is at {time_text(first_ns)}, so give a time of day"
                )
            return self.since_1970_ns
        if self.since_midnight_ns is not None:
            if not counts_from_1970(first_ns):
                return self.since_midnight_ns
            return first_ns // _DAY_NS * _DAY_NS + self.since_midnight_ns
        return self.time_ns


def read_moment(text: str) -> Moment:
    """Read what stands for a moment; ValueError says what would be understood."""
    if text in ("start", "end"):
        return Moment(start=text == "start")
    if found := _COUNT.fullmatch(text):
        return Moment(records=int(found["count"]))
    if _NUMBER.fullmatch(text) and int(text) <= _LAST_NS:
        return Moment(time_ns=int(text))
    if found := _TIME_OF_DAY.fullmatch(text):
        return Moment(since_midnight_ns=_time_of_day(found, text))
    if found := _DATE_TIME.fullmatch(text):
        return Moment(since_1970_ns=_day_ns(found["date"]) + _time_of_day(found, text))
    raise ValueError(f"{text!r} is not a moment; write {_ACCEPTED}")


def counts_from_1970(time_ns: int) -> bool:
    """Whether a file with such a time counts from 1970, not from midnight."""
    return time_ns >= _SINCE_MIDNIGHT_NS


def time_text(time_ns: int) -> str:
    """A time of a file as ``read_moment`` reads it, exact to the nanosecond.

    >>> time_text(34_200_000_000_000)
    '09:30:00'
    >>> time_text(1_703_545_200_000_500_000)
    '2023-12-25T23:00:00.0005'
    """
    if not 0 <= time_ns <= _LAST_NS:
        return f"{time_ns} ns"
    days, in_day = divmod(time_ns, _DAY_NS)
    seconds, fraction = divmod(in_day, _SECOND_NS)
    shown = f".{fraction:09d}".rstrip("0") if fraction else ""
    if counts_from_1970(time_ns):
        second = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days, seconds=seconds)
        return f"{second:%Y-%m-%dT%H:%M:%S}{shown}"
    minutes, second_of_minute = divmod(days * 86_400 + seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second_of_minute:02d}{shown}"


def span_text(span_ns: int) -> str:
    """A length of time for people: ``1 h 30 min 0 s``, ``2 d 3 h 0 min 0 s``, ``0.25 s``.

    >>> span_text(5_400_000_000_000)
    '1 h 30 min 0 s'
    """
    seconds, fraction = divmod(span_ns, _SECOND_NS)
    if seconds < 60:
        exact = f"{seconds}.{fraction:09d}".rstrip("0").rstrip(".")
        return f"{exact} s"
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    parts = [(days, "d"), (hour, "h"), (minute, "min")]
    first = next(at for at, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in [*parts[first:], (second, "s")])


def _time_of_day(found: re.Match[str], text: str) -> int:
    hour, minute = int(found["hour"]), int(found["minute"])
    second = int(found["second"] or 0)
    if minute > 59 or second > 59:
        raise ValueError(f"{text!r}: minutes and seconds go from 00 to 59")
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    return ((hour * 60 + minute) * 60 + second) * _SECOND_NS + fraction


def _day_ns(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of the calendar") from error
    days = (day - _FIRST_DAY).days
    if not 0 <= days * _DAY_NS <= _LAST_NS - 100 * 3600 * _SECOND_NS:
        raise ValueError(f"{text}: times from 1970 to 2262 can be counted in nanoseconds")
    return days * _DAY_NS
