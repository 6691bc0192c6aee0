"""Call auctions and trading states: what is held over a call, paid at its price, released after it.

Worked out by hand; lots, ticks and fees are those of ``partition_tables``.
"""

from .partition_tables import check_table, one_market, refusals


def test_uncross_trades_at_one_price_and_both_sides_pay_as_makers() -> None:
    """At the auction price a buy gets the difference to its own price back; nobody is a taker."""
    # Bids 3 at 105, asks 2 at 95 and 1 at 103. From 95 to 102: volume 2, imbalance 1; from 103 to
    # 105: volume 3, imbalance 0; with the reference 104 the price is 104: 3 lots, 312 each.
    # Buyer: spent 945, paid 936, 9 back; 300 BTC less 1 a lot and trade: 2 + 1 = 3.
    # Seller 1: two lots 624, fee 6. Seller 3: one lot 312, fee 3.
    check_table(
        one_market(),
        """
        command                   | asks     | postings                    | holds
        0 set_state then=auction  |          |                             |
        2 buy #1 3 @ 105          | 945 USDT |                             | #1 945 USDT
        1 sell #2 2 @ 95          | 200 BTC  |                             | #1 945 USDT, #2 200 BTC
        3 sell #3 1 @ 103         | 100 BTC  |                             | #1 945 USDT,
                                  |          |                             | #2 200 BTC, #3 100 BTC
        0 uncross @ 104 then=open |          | 0 BTC 3 0; 0 USDT 9 0;      |
                                  |          | 1 BTC 0 -200; 1 USDT 618 0; |
                                  |          | 2 BTC 297 0; 2 USDT 9 -945; |
                                  |          | 3 BTC 0 -100; 3 USDT 309 0  |
        """,
    )


def test_orders_for_the_auction_alone_end_with_it() -> None:
    """What an IOC or market order did not trade in the call comes back when it ends."""
    # Bids: market up to 110, 2 lots (660); asks: IOC 5 at 100. Volume 2 from 100 to 110, imbalance
    # -3 throughout; reference 105: two lots at 105 = 630; 30 of the buyer's 660 come back.
    # The buyer's fee is 2 BTC, the seller's 6 USDT. Three lots of the IOC sale: AUCTION_ENDED.
    check_table(
        one_market(),
        """
        command                   | asks     | postings                   | holds
        0 set_state then=auction  |          |                            |
        2 buy #1 2 @ 110 market   | 660 USDT |                            | #1 660 USDT
        1 sell #2 5 @ 100 tif=ioc | 500 BTC  |                            | #1 660 USDT, #2 500 BTC
        0 uncross @ 105 then=open |          | 0 BTC 2 0; 0 USDT 6 0;     |
                                  |          | 1 BTC 300 -500;            |
                                  |          | 1 USDT 624 0; 2 BTC 198 0; |
                                  |          | 2 USDT 30 -660             |
        """,
    )


def test_uncross_wakes_stops() -> None:
    """A dormant order that the auction price elects trades in the same command."""
    # Trade of 1 at 100 in the call. The stop (2 lots up to 103, 618) buys 1 at 102 as a taker: 306
    # of 309; the other lot finds nobody: 309 back. Together 312.
    check_table(
        one_market(),
        """
        command                                  | asks     | postings               | holds
        0 set_state then=auction                 |          |                        |
        1 buy #1 1 @ 100                         | 300 USDT |                        | #1 300 USDT
        2 sell #2 1 @ 100                        | 100 BTC  |                        | #1 300 USDT,
                                                 |          |                        | #2 100 BTC
        2 sell #3 1 @ 102                        | 100 BTC  |                        | #1 300 USDT,
                                                 |          |                        | #2 100 BTC,
                                                 |          |                        | #3 100 BTC
        3 buy #4 2 @ 103 stop_market trigger=100 | 618 USDT |                        | #1 300 USDT,
                                                 |          |                        | #2 100 BTC,
                                                 |          |                        | #3 100 BTC,
                                                 |          |                        | #4 618 USDT
        0 uncross then=open                      |          | 0 BTC 3 0; 0 USDT 6 0; |
                                                 |          | 1 BTC 99 0;            |
                                                 |          | 1 USDT 0 -300;         |
                                                 |          | 2 BTC 0 -200;          |
                                                 |          | 2 USDT 600 0;          |
                                                 |          | 3 BTC 98 0;            |
                                                 |          | 3 USDT 312 -618        |
        """,
    )


def test_states_of_the_book_refuse_after_the_reservation() -> None:
    """What the book refuses for its state gives back what was reserved for it."""
    outcomes = check_table(
        one_market(),
        """
        command                      | asks     | postings        | holds
        1 sell #1 1 @ 100            | 100 BTC  |                 | #1 100 BTC
        0 set_state then=auction     |          |                 | #1 100 BTC
        2 buy #2 0 market amount=50  | 150 USDT | 2 USDT 150 -150 | #1 100 BTC
        0 set_state then=cancel_only |          |                 | #1 100 BTC
        2 buy #3 1 @ 90              | 270 USDT | 2 USDT 270 -270 | #1 100 BTC
        1 replace #1 sell 2 @ 90     | 200 BTC  | 1 BTC 200 -200  | #1 100 BTC
        0 set_state then=halted      |          |                 | #1 100 BTC
        1 cancel #1                  |          |                 | #1 100 BTC
        0 uncross then=open          |          |                 | #1 100 BTC
        0 set_state then=open        |          |                 | #1 100 BTC
        1 cancel #1                  |          | 1 BTC 100 -100  |
        """,
    )

    assert [name for outcome in outcomes for name in refusals(outcome)] == [
        "NOT_IN_AUCTION",
        "CANCEL_ONLY",
        "CANCEL_ONLY",
        "HALTED",
        "ONLY_IN_AUCTION",
    ]
