"""The commands that look at an exchange's money, on a folder of their own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade import Exchange
from nextrade.cli import root


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(arguments), prog_name="nextrade")


def test_a_deposit_is_credited_once() -> None:
    """The first call founds the exchange; the same again does nothing; other money is refused."""
    first = call("deposit", "--path", "money", "1", "USDT", "10.5", "--reference", "a")
    again = call("deposit", "--path", "money", "1", "USDT", "10.5", "--reference", "a")
    other = call("deposit", "--path", "money", "1", "USDT", "11", "--reference", "a")

    assert first.output == "a: 10.5 USDT credited; account 1 has 10.500000\n"
    assert again.output == "a: 10.5 USDT was credited before; account 1 has 10.500000\n"
    assert other.exit_code == 1
    assert "belongs to another credit" in other.stderr


def test_balances_are_exact_text() -> None:
    """One account or all, as a table or JSON."""
    call("deposit", "--path", "money", "1", "USDT", "10.5", "--reference", "a")
    call("deposit", "--path", "money", "2", "BTC", "0.00000001", "--reference", "b")

    told = json.loads(call("balances", "--path", "money", "--json").stdout)
    assert [(row["account"], row["asset"], row["available"]) for row in told] == [
        (1, "USDT", "10.500000"),
        (2, "BTC", "0.00000001"),
    ]
    assert "0.00000001" in call("balances", "--path", "money", "2").stdout
    assert call("balances", "--path", "money", "3").stdout == "nothing\n"


def test_verify_proves_and_tells() -> None:
    """Exit code 0 and every asset in the table, by totals and by a full walk."""
    call("deposit", "--path", "money", "1", "USDT", "10", "--reference", "a")
    with Exchange(path="money") as exchange:
        exchange.place(1, "BTC-USDT", "buy", price="1", quantity="5")
        exchange.hold_withdrawal(1, "USDT", "2", "w")
        told = json.loads(call("verify", "--path", "money", "--full", "--json").stdout)
    (usdt,) = (one for one in told["assets"] if one["asset"] == "USDT")

    assert told["holds"] is True
    assert (usdt["outside"], usdt["held"]) == ("10000000", "7000000")
    assert (usdt["in_orders"], usdt["in_withdrawals"]) == ("5000000", "2000000")
    shown = call("verify", "--path", "money")
    assert shown.exit_code == 0
    assert "Everything is accounted for (totals)." in shown.stdout


def test_verify_fails_on_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and the fault in words, where a balance was changed behind the orders' back."""
    call("deposit", "--path", "money", "1", "USDT", "10", "--reference", "a")
    prove = Exchange.verify

    def after_a_change(exchange: Exchange, *, full: bool = False) -> object:
        exchange.ledger._balances.move(1, 2, -1, 0)  # type: ignore[attr-defined]
        return prove(exchange, full=full)

    monkeypatch.setattr(Exchange, "verify", after_a_change)
    done = call("verify", "--path", "money")

    assert done.exit_code == 1
    assert "Wrong: USDT: available 9,999,999" in done.stdout


def test_inspect_shows_one_thing_in_full() -> None:
    """An account, an open order or a held withdrawal."""
    call("deposit", "--path", "money", "1", "USDT", "10", "--reference", "a")
    with Exchange(path="money") as exchange:
        order = exchange.place(1, "BTC-USDT", "buy", price="1", quantity="5").order_id
        exchange.hold_withdrawal(1, "USDT", "2", "w")
    account = json.loads(call("inspect", "--path", "money", "--account", "1").stdout)
    shown = json.loads(call("inspect", "--path", "money", "--order", str(order)).stdout)

    assert account["balances"]["USDT"] == {"available": "3.000000", "held": "7.000000"}
    assert account["orders"] == [shown]
    assert (shown["side"], shown["price"], shown["holds"]) == ("BUY", "1.00", "5.000000 USDT")
    assert (
        json.loads(call("inspect", "--path", "money", "--hold", "w").stdout)["amount"] == "2.000000"
    )
    assert call("inspect", "--path", "money", "--order", "99").exit_code == 1
    assert call("inspect", "--path", "money").exit_code == 2
    assert call("inspect", "--path", "money", "--order", "1", "--hold", "w").exit_code == 2


@pytest.mark.parametrize("command", [["verify"], ["balances"], ["inspect", "--account", "1"]])
def test_a_folder_without_an_exchange_is_said(command: list[str]) -> None:
    """Looking founds nothing."""
    done = call(*command, "--path", "nothere")

    assert done.exit_code == 1
    assert "there is no exchange in this folder" in done.stderr
    assert not Path("nothere").exists()
