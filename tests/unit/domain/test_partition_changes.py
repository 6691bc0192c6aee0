"""What changes an open order does to its hold: self-trade prevention, reduce, replace, mass cancel.

Worked out by hand; lots, ticks and fees are those of ``partition_tables``.
"""

import pytest

from .partition_tables import Desk, check_table, commands, one_market, refusals


@pytest.mark.parametrize(
    ("rule", "postings", "holds"),
    [
        # The buy of 3 at 100 holds 900, the account's own sale 200 BTC.
        ("cancel_newest", "1 USDT 900 -900", "#1 200 BTC"),
        ("cancel_oldest", "1 BTC 200 -200", "#2 900 USDT"),
        ("cancel_both", "1 BTC 200 -200; 1 USDT 900 -900", ""),
        # Two lots off both: the sale is gone, 600 come back and 300 stay held.
        ("decrement", "1 BTC 200 -200; 1 USDT 600 -600", "#2 300 USDT"),
    ],
)
def test_self_trade_prevention_releases_what_it_ends(rule: str, postings: str, holds: str) -> None:
    """Each rule brings back what the canceled or shrunk order held, on whichever side."""
    check_table(
        one_market(),
        f"""
        command                          | asks     | postings   | holds
        1 sell #1 2 @ 100                | 200 BTC  |            | #1 200 BTC
        1 buy #2 3 @ 100 own={rule}  | 900 USDT | {postings} | {holds}
        """,
    )


def test_trading_with_oneself() -> None:
    """Where it is allowed an account pays both fees, and the rest of both holds comes back."""
    # Two lots at 100, held at 103 each: 618 of 927 spent, 600 of it paid to oneself.
    # Available: BTC 200 - 4, USDT 18 + 600 - 6.
    check_table(
        one_market(),
        """
        command           | asks     | postings                        | holds
        1 sell #1 2 @ 100 | 200 BTC  |                                 | #1 200 BTC
        1 buy #2 3 @ 103  | 927 USDT | 0 BTC 4 0; 0 USDT 6 0;          | #2 309 USDT
                          |          | 1 BTC 196 -200; 1 USDT 612 -618 |
        """,
    )


def test_decrement_of_a_buy_by_amount() -> None:
    """An amount loses what its own resting order would have cost, and that comes back."""
    # 500 ticks x lots (1500). Own sale of 2 at 100: both lose 2 lots, the amount 200 (600 back).
    # Then 2 lots at 110 of account 3: 660 spent. 80 left buy nothing: 240 back. 600 + 240 = 840.
    check_table(
        one_market(),
        """
        command                                    | asks      | postings          | holds
        1 sell #1 2 @ 100                          | 200 BTC   |                   | #1 200 BTC
        3 sell #2 5 @ 110                          | 500 BTC   |                   | #1 200 BTC,
                                                   |           |                   | #2 500 BTC
        1 buy #3 0 market amount=500 own=decrement | 1500 USDT | 0 BTC 4 0;        | #2 300 BTC
                                                   |           | 0 USDT 6 0;       |
                                                   |           | 1 BTC 396 -200;   |
                                                   |           | 1 USDT 840 -1500; |
                                                   |           | 3 BTC 0 -200;     |
                                                   |           | 3 USDT 654 0      |
        """,
    )


def test_decrement_of_a_sale_by_amount() -> None:
    """A sale by amount that meets its own bid gives the lots back that it will not need."""
    # 300 at no less than 50 are 6 lots held. Own bid of 2 at 100: 2 lots and 200 of the amount go.
    # The other 100 sell one lot to account 3 at 100. Nothing is left of the amount: 3 lots back.
    # Account 1: bid's 600 back, BTC 200 + 300 back of 600 held; earns 300 less 6.
    check_table(
        one_market(),
        """
    command                                          | asks     | postings         | holds
    1 buy #1 2 @ 100                                 | 600 USDT |                  | #1 600 USDT
    3 buy #2 1 @ 100                                 | 300 USDT |                  | #1 600 USDT,
                                                     |          |                  | #2 300 USDT
    1 sell #3 0 @ 50 market amount=300 own=decrement | 600 BTC  | 0 BTC 1 0;       |
                                                     |          | 0 USDT 6 0;      |
                                                     |          | 1 BTC 500 -600;  |
                                                     |          | 1 USDT 894 -600; |
                                                     |          | 3 BTC 99 0;      |
                                                     |          | 3 USDT 0 -300    |
        """,
    )


def test_decrement_that_ends_a_sale_by_amount() -> None:
    """An amount that is all lost to its own order ends the sale, and all its lots come back."""
    check_table(
        one_market(),
        """
        command                                          | asks     | postings        | holds
        1 buy #1 3 @ 100                                 | 900 USDT |                 | #1 900 USDT
        1 sell #2 0 @ 50 market amount=200 own=decrement | 400 BTC  | 1 BTC 400 -400; | #1 300 USDT
                                                         |          | 1 USDT 600 -600 |
        """,
    )


def test_reduce_releases_the_part() -> None:
    """REDUCE brings back the part it takes off; of an iceberg, of a dormant order, or all."""
    check_table(
        one_market(),
        """
        command                               | asks      | postings        | holds
        1 sell #1 9 @ 100 show=2              | 900 BTC   |                 | #1 900 BTC
        1 reduce #1 8                         |           | 1 BTC 800 -800  | #1 100 BTC
        2 buy #2 4 @ 95 stop_limit trigger=99 | 1140 USDT |                 | #1 100 BTC,
                                              |           |                 | #2 1140 USDT
        2 reduce #2 1                         |           | 2 USDT 285 -285 | #1 100 BTC,
                                              |           |                 | #2 855 USDT
        2 reduce #2 7                         |           | 2 USDT 855 -855 | #1 100 BTC
        3 reduce #1 1                         |           |                 | #1 100 BTC
        """,
    )


def test_replace_reserves_the_new_order_and_returns_the_old() -> None:
    """REPLACE reserves its worst case, then what the order does not need any more comes back."""
    # Smaller, larger, other price; the old hold comes back each time.
    check_table(
        one_market(),
        """
        command                   | asks      | postings          | holds
        1 buy #1 4 @ 100          | 1200 USDT |                   | #1 1200 USDT
        1 replace #1 buy 3 @ 100  | 900 USDT  | 1 USDT 1200 -1200 | #1 900 USDT
        1 replace #1 buy 5 @ 100  | 1500 USDT | 1 USDT 900 -900   | #1 1500 USDT
        1 replace #1 buy 5 @ 90   | 1350 USDT | 1 USDT 1500 -1500 | #1 1350 USDT
        1 sell #2 2 @ 120         | 200 BTC   |                   | #1 1350 USDT, #2 200 BTC
        1 replace #2 sell 3 @ 115 | 300 BTC   | 1 BTC 200 -200    | #1 1350 USDT, #2 300 BTC
        """,
    )


def test_replace_that_crosses_trades() -> None:
    """A replaced order that now trades pays as a taker, out of its new hold."""
    # The buy of 3 moves to 102 (918): 2 lots at 101 cost 606, held at 102 are 612.
    # Back: the old 810 and the 6 = 816. One lot stays held: 306.
    check_table(
        one_market(),
        """
        command                  | asks     | postings                   | holds
        1 sell #1 2 @ 101        | 200 BTC  |                            | #1 200 BTC
        2 buy #2 3 @ 90          | 810 USDT |                            | #1 200 BTC, #2 810 USDT
        2 replace #2 buy 3 @ 102 | 918 USDT | 0 BTC 4 0; 0 USDT 6 0;     | #2 306 USDT
                                 |          | 1 BTC 0 -200;              |
                                 |          | 1 USDT 600 0; 2 BTC 196 0; |
                                 |          | 2 USDT 816 -1422           |
        """,
    )


def test_replace_of_a_post_only_order_slides() -> None:
    """A post-only order that is replaced into the other side holds the price to which it slides."""
    # Best ask 100: the new price 110 slides to 99. Reserved 660, needed 594; back 66 + 540.
    check_table(
        one_market(),
        """
        command                    | asks     | postings        | holds
        1 sell #1 1 @ 100          | 100 BTC  |                 | #1 100 BTC
        2 buy #2 2 @ 90 post=slide | 540 USDT |                 | #1 100 BTC, #2 540 USDT
        2 replace #2 buy 2 @ 110   | 660 USDT | 2 USDT 606 -606 | #1 100 BTC, #2 594 USDT
        """,
    )


def test_replace_of_a_dormant_order() -> None:
    """A dormant order is replaced at its new worst price; a new trigger alone reserves as much."""
    # The last: its trigger is met by the last price 100, and it buys one lot at 101.
    check_table(
        one_market(),
        """
        command                                  | asks     | postings               | holds
        2 buy #1 1 @ 110 stop_market trigger=105 | 330 USDT |                        | #1 330 USDT
        2 replace #1 buy 2 @ 120                 | 720 USDT | 2 USDT 330 -330        | #1 720 USDT
        2 replace #1 buy 2 @ 120 trigger=107     | 720 USDT | 2 USDT 720 -720        | #1 720 USDT
        1 sell #2 1 @ 100                        | 100 BTC  |                        | #1 720 USDT,
                                                 |          |                        | #2 100 BTC
        3 buy #3 1 @ 100                         | 300 USDT | 0 BTC 2 0; 0 USDT 3 0; | #1 720 USDT
                                                 |          | 1 BTC 0 -100;          |
                                                 |          | 1 USDT 297 0;          |
                                                 |          | 3 BTC 98 0;            |
                                                 |          | 3 USDT 0 -300          |
        1 sell #4 1 @ 101                        | 100 BTC  |                        | #1 720 USDT,
                                                 |          |                        | #4 100 BTC
        2 replace #1 buy 1 @ 102 trigger=99      | 306 USDT | 0 BTC 2 0; 0 USDT 3 0; |
                                                 |          | 1 BTC 0 -100;          |
                                                 |          | 1 USDT 300 0;          |
                                                 |          | 2 BTC 98 0;            |
                                                 |          | 2 USDT 723 -1026       |
        """,
    )


def test_replace_that_the_book_refuses_gives_the_reservation_back() -> None:
    """Unknown order, another owner, a rule of the book: what was reserved comes back, no more."""
    outcomes = check_table(
        one_market(),
        """
        command                             | asks     | postings        | holds
        1 sell #1 1 @ 100                   | 100 BTC  |                 | #1 100 BTC
        1 replace #9 sell 1 @ 100           | 100 BTC  | 1 BTC 100 -100  | #1 100 BTC
        2 replace #1 sell 1 @ 100           | 100 BTC  | 2 BTC 100 -100  | #1 100 BTC
        1 replace #1 sell 1 @ 100 trigger=5 | 100 BTC  | 1 BTC 100 -100  | #1 100 BTC
        1 replace #1 buy 2 @ 100            | 600 USDT | 1 USDT 600 -600 | #1 100 BTC
        2 replace #1 buy 2 @ 100            | 600 USDT | 2 USDT 600 -600 | #1 100 BTC
        """,
    )

    assert [name for outcome in outcomes for name in refusals(outcome)] == [
        "UNKNOWN_ORDER",
        "NOT_OWNER",
        "BAD_COMBINATION",
        "WRONG_SIDE",
        "NOT_OWNER",
    ]


def test_side_is_that_of_the_order_which_an_id_means_by_then() -> None:
    """An id that is used again within a batch is judged by the order that bears it at that time."""
    # The sale #1 ends; #1 is a buy then: a REPLACE that says SELL would reserve the wrong asset.
    batch = (
        "1 sell #1 1 @ 100",
        "1 cancel #1",
        "1 replace #1 sell 1 @ 101",
        "1 buy #1 1 @ 90",
        "1 replace #1 sell 2 @ 100",
        "1 replace #1 buy 2 @ 91",
        "1 buy #1 1 @ 80",
    )
    desk = Desk(one_market())

    outcome = desk.run(commands(*batch))

    assert refusals(outcome) == ["UNKNOWN_ORDER", "WRONG_SIDE", "DUPLICATE_ORDER_ID"]
    assert desk.holds() == "#1 546 USDT"
    check_table(
        one_market(),
        f"""
        command  | asks     | postings        | holds
        {batch[0]} | 100 BTC |               | #1 100 BTC
        {batch[1]} |        | 1 BTC 100 -100  |
        {batch[2]} | 100 BTC | 1 BTC 100 -100 |
        {batch[3]} | 270 USDT |              | #1 270 USDT
        {batch[4]} | 200 BTC | 1 BTC 200 -200 | #1 270 USDT
        {batch[5]} | 546 USDT | 1 USDT 270 -270 | #1 546 USDT
        {batch[6]} | 240 USDT | 1 USDT 240 -240 | #1 546 USDT
        """,
    )


def test_open_order_whose_id_is_used_again_within_a_batch() -> None:
    """An id that was a sale when the batch began and is a buy by now is judged as a buy."""
    desk = Desk(one_market())
    desk.run(commands("1 sell #1 1 @ 100"))

    outcome = desk.run(
        commands("1 cancel #1", "1 buy #1 1 @ 90", "1 replace #1 sell 2 @ 100", "1 reduce #1 1")
    )

    assert refusals(outcome) == ["WRONG_SIDE"]
    assert outcome.events["command"].tolist() == [0, 1, 2, 3]
    # The sale's 100, the buy's 270, and the 200 that the REPLACE had reserved.
    assert desk.postings(outcome) == ["1 BTC +300 -300", "1 USDT +270 -270"]
    assert desk.holds() == ""


def test_mass_cancel_releases_everything_of_one_account() -> None:
    """MASS_CANCEL brings back what all open orders of its account hold, and nobody else's."""
    check_table(
        one_market(),
        """
        command                               | asks     | postings        | holds
        1 sell #1 2 @ 110                     | 200 BTC  |                 | #1 200 BTC
        2 sell #2 1 @ 110                     | 100 BTC  |                 | #1 200 BTC, #2 100 BTC
        1 buy #3 1 @ 90                       | 270 USDT |                 | #1 200 BTC, #2 100 BTC,
                                              |          |                 | #3 270 USDT
        1 buy #4 1 @ 95 stop_limit trigger=94 | 285 USDT |                 | #1 200 BTC, #2 100 BTC,
                                              |          |                 | #3 270 USDT,
                                              |          |                 | #4 285 USDT
        1 mass_cancel                         |          | 1 BTC 200 -200; | #2 100 BTC
                                              |          | 1 USDT 555 -555 |
        """,
    )
