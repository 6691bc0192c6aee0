"""The oracle's numbers, declared a second time, are those of the package."""

import pytest

from nextrade import enums
from nextrade.domain.refusals import Refusal
from nextrade.dtypes import COMMAND_DTYPE, EVENT_DTYPE
from tests.oracle import codes
from tests.oracle.exchange import codes as oracle_codes
from tests.oracle.records import Command, Event


@pytest.mark.parametrize("name", enums.__all__)
def test_the_oracle_and_the_package_mean_the_same_numbers(name):
    """Each enum has the same members with the same values in both places."""
    published = {member.value: member.name for member in getattr(enums, name)}

    assert codes.names(getattr(codes, name)) == published


def test_the_oracle_and_the_package_mean_the_same_refusals():
    """Refusals for the sake of money have the same names and numbers in both places."""
    published = {member.value: member.name for member in Refusal}

    assert codes.names(oracle_codes.Refusal) == published


def test_plain_tuples_have_the_fields_of_the_records():
    """Commands and events of the oracle can stand for NumPy records field by field."""
    assert Command._fields == COMMAND_DTYPE.names
    assert Event._fields == EVENT_DTYPE.names
