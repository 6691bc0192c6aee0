"""What each kind of order holds, pays and gets back, worked out by hand.

A lot is 100 BTC units and one tick on one lot 3 USDT units; a maker pays 1 % of what he
receives and a taker 2 %, rounded down (``partition_tables``).
"""

from .partition_tables import check_table, one_market


def test_limit_order_pays_the_makers_price() -> None:
    """A buy holds its limit times its quantity, pays the maker's price, and gets the rest back."""
    # Three lots at 101: 909 USDT for 300 BTC; held were 103 x 3 x 3 = 927.
    # The taker's fee is 2 % of 300 BTC, the maker's 1 % of 909 USDT, rounded down.
    check_table(
        one_market(),
        """
        command           | asks     | postings                                  | holds
        1 sell #1 5 @ 101 | 500 BTC  |                                           | #1 500 BTC
        2 buy #2 3 @ 103  | 927 USDT | 0 BTC 6 0; 0 USDT 9 0; 1 BTC 0 -300;      | #1 200 BTC
                          |          | 1 USDT 900 0; 2 BTC 294 0; 2 USDT 18 -927 |
        """,
    )


def test_rest_of_a_taker_holds_at_its_own_price() -> None:
    """A buy that trades in part rests with its limit times what is left; a seller then takes it."""
    # First trade 1 lot at 101: 303 of 309 held for that lot. Two lots stay held at 103: 618.
    # Then account 3 sells one of them at 103: 309 USDT for 100 BTC, 6 USDT fee; maker fee 1 BTC.
    check_table(
        one_market(),
        """
        command           | asks     | postings                                  | holds
        1 sell #1 1 @ 101 | 100 BTC  |                                           | #1 100 BTC
        2 buy #2 3 @ 103  | 927 USDT | 0 BTC 2 0; 0 USDT 3 0; 1 BTC 0 -100;      | #2 618 USDT
                          |          | 1 USDT 300 0; 2 BTC 98 0; 2 USDT 6 -309   |
        3 sell #3 1 @ 100 | 100 BTC  | 0 BTC 1 0; 0 USDT 6 0; 2 BTC 99 0;        | #2 309 USDT
                          |          | 2 USDT 0 -309; 3 BTC 0 -100; 3 USDT 303 0 |
        2 cancel #2       |          | 2 USDT 309 -309                           |
        """,
    )


def test_iceberg_holds_its_hidden_part_too() -> None:
    """An iceberg holds its whole quantity, and each slice takes off what it traded."""
    # 2 lots a slice of 6; a buy of 3 takes one slice and half the next: 300 x 3 x 3 / 3 = 900.
    check_table(
        one_market(),
        """
        command                  | asks     | postings                                 | holds
        1 sell #1 6 @ 100 show=2 | 600 BTC  |                                          | #1 600 BTC
        2 buy #2 3 @ 100         | 900 USDT | 0 BTC 6 0; 0 USDT 9 0; 1 BTC 0 -300;     | #1 300 BTC
                                 |          | 1 USDT 891 0; 2 BTC 294 0; 2 USDT 0 -900 |
        1 cancel #1              |          | 1 BTC 300 -300                           |
        """,
    )


def test_market_order_by_quantity_gives_back_what_it_did_not_need() -> None:
    """A market buy holds its worst price, pays the makers', and the rest of it is released."""
    # 4 lots asked up to 110: 1320. One lot at 100 (300), one at 105 (315), none up to 110 left.
    # Fees: 2 BTC twice; 3 of 300 USDT, 3 of 315. Released: 1320 - 615 = 705.
    check_table(
        one_market(),
        """
        command                 | asks      | postings                   | holds
        1 sell #1 1 @ 100       | 100 BTC   |                            | #1 100 BTC
        3 sell #2 1 @ 105       | 100 BTC   |                            | #1 100 BTC, #2 100 BTC
        3 sell #3 1 @ 111       | 100 BTC   |                            | #1 100 BTC, #2 100 BTC,
                                |           |                            | #3 100 BTC
        2 buy #4 4 @ 110 market | 1320 USDT | 0 BTC 4 0; 0 USDT 6 0;     | #3 100 BTC
                                |           | 1 BTC 0 -100;              |
                                |           | 1 USDT 297 0; 2 BTC 196 0; |
                                |           | 2 USDT 705 -1320;          |
                                |           | 3 BTC 0 -100; 3 USDT 312 0 |
        """,
    )


def test_market_sale_needs_no_worst_price() -> None:
    """A market sale by quantity holds its lots; what finds no buyer comes back."""
    # One lot sold at 90: 270 USDT, fee 5; the buyer's maker fee is 1 BTC.
    check_table(
        one_market(),
        """
        command            | asks     | postings                                    | holds
        1 buy #1 1 @ 90    | 270 USDT |                                             | #1 270 USDT
        2 sell #2 3 market | 300 BTC  | 0 BTC 1 0; 0 USDT 5 0; 1 BTC 99 0;          |
                           |          | 1 USDT 0 -270; 2 BTC 200 -300; 2 USDT 265 0 |
        """,
    )


def test_market_buy_by_amount_spends_no_more_than_that() -> None:
    """A buy by amount holds the amount, and gets back what buys no lot any more."""
    # 250 ticks x lots are 750 USDT: two lots at 100 are 600; 50 ticks x lots (150) buy no lot.
    check_table(
        one_market(),
        """
        command                      | asks     | postings                     | holds
        1 sell #1 5 @ 100            | 500 BTC  |                              | #1 500 BTC
        2 buy #2 0 market amount=250 | 750 USDT | 0 BTC 4 0; 0 USDT 6 0;       | #1 300 BTC
                                     |          | 1 BTC 0 -200; 1 USDT 594 0;  |
                                     |          | 2 BTC 196 0; 2 USDT 150 -750 |
        2 buy #3 0 market amount=300 | 900 USDT | 0 BTC 6 0; 0 USDT 9 0;       |
                                     |          | 1 BTC 0 -300; 1 USDT 891 0;  |
                                     |          | 2 BTC 294 0; 2 USDT 0 -900   |
        """,
    )


def test_market_sale_by_amount_holds_lots_at_its_worst_price() -> None:
    """A sale that shall earn an amount holds the lots that earn it at the worst price."""
    # 250 at no less than 80: 250 // 80 = 3 lots. Two lots at 100 earn 200; 50 left sell no lot.
    # The third lot comes back. Earned: 600 USDT, fee 12; the buyer's fee is 2 BTC.
    check_table(
        one_market(),
        """
        command                             | asks      | postings                    | holds
        1 buy #1 4 @ 100                    | 1200 USDT |                             | #1 1200 USDT
        2 sell #2 0 @ 80 market amount=250  | 300 BTC   | 0 BTC 2 0; 0 USDT 12 0;     | #1 600 USDT
                                            |           | 1 BTC 198 0; 1 USDT 0 -600; |
                                            |           | 2 BTC 100 -300;             |
                                            |           | 2 USDT 588 0                |
        2 sell #3 0 @ 100 market amount=200 | 200 BTC   | 0 BTC 2 0; 0 USDT 12 0;     |
                                            |           | 1 BTC 198 0; 1 USDT 0 -600; |
                                            |           | 2 BTC 0 -200; 2 USDT 588 0  |
        """,
    )


def test_sale_by_amount_that_earns_no_lot_holds_nothing() -> None:
    """An amount below the worst price holds nothing, and the order ends without a trade."""
    check_table(
        one_market(),
        """
        command                           | asks      | postings | holds
        1 buy #1 4 @ 100                  | 1200 USDT |          | #1 1200 USDT
        2 sell #2 0 @ 80 market amount=79 |           |          | #1 1200 USDT
        """,
    )


def test_market_to_limit_rests_at_the_best_price() -> None:
    """A market-to-limit buy holds its worst price and gives back what the best price spares."""
    # 3 lots up to 110 are 990; at the best price, 100, they cost 900. One lot trades: 300.
    # Nothing to buy: all of it comes back.
    check_table(
        one_market(),
        """
        command                          | asks     | postings                    | holds
        1 sell #1 1 @ 100                | 100 BTC  |                             | #1 100 BTC
        2 buy #2 3 @ 110 market_to_limit | 990 USDT | 0 BTC 2 0; 0 USDT 3 0;      | #2 600 USDT
                                         |          | 1 BTC 0 -100; 1 USDT 297 0; |
                                         |          | 2 BTC 98 0; 2 USDT 90 -390  |
        2 buy #3 3 @ 110 market_to_limit | 990 USDT | 2 USDT 990 -990             | #2 600 USDT
        3 sell #4 1 market_to_limit      | 100 BTC  | 0 BTC 1 0; 0 USDT 6 0;      | #2 300 USDT
                                         |          | 2 BTC 99 0; 2 USDT 0 -300;  |
                                         |          | 3 BTC 0 -100; 3 USDT 294 0  |
        """,
    )


def test_stop_waits_with_its_hold_and_trades_when_triggered() -> None:
    """A stop-market buy holds its worst price while it waits; a trade sets it off."""
    # The stop (trigger 105) holds 120 x 2 x 3 = 720. Account 3 trades one lot at 105 (315), which
    # wakes it: it buys one lot at 110 (330) and the other at 115 (345); 720 - 675 = 45 come back.
    # Seller 1 gets 315 - 3, 330 - 3 and 345 - 3 = 981; fees 9. Buyers 2 BTC a lot.
    check_table(
        one_market(),
        """
        command                                  | asks     | postings               | holds
        1 sell #1 1 @ 105                        | 100 BTC  |                        | #1 100 BTC
        1 sell #2 1 @ 110                        | 100 BTC  |                        | #1 100 BTC,
                                                 |          |                        | #2 100 BTC
        1 sell #3 1 @ 115                        | 100 BTC  |                        | #1 100 BTC,
                                                 |          |                        | #2 100 BTC,
                                                 |          |                        | #3 100 BTC
        2 buy #4 2 @ 120 stop_market trigger=105 | 720 USDT |                        | #1 100 BTC,
                                                 |          |                        | #2 100 BTC,
                                                 |          |                        | #3 100 BTC,
                                                 |          |                        | #4 720 USDT
        3 buy #5 1 @ 105                         | 315 USDT | 0 BTC 6 0; 0 USDT 9 0; |
                                                 |          | 1 BTC 0 -300;          |
                                                 |          | 1 USDT 981 0;          |
                                                 |          | 2 BTC 196 0;           |
                                                 |          | 2 USDT 45 -720;        |
                                                 |          | 3 BTC 98 0;            |
                                                 |          | 3 USDT 0 -315          |
        """,
    )


def test_stop_that_triggers_at_once() -> None:
    """A stop-limit whose trigger is reached already trades in the command that placed it."""
    # Last price 100. The stop buy (trigger 100, limit 102) of 2 lots holds 612; one lot at 101.
    check_table(
        one_market(),
        """
        command                                 | asks     | postings                  | holds
        1 sell #1 1 @ 100                       | 100 BTC  |                           | #1 100 BTC
        3 buy #2 1 @ 100                        | 300 USDT | 0 BTC 2 0; 0 USDT 3 0;    |
                                                |          | 1 BTC 0 -100;             |
                                                |          | 1 USDT 297 0; 3 BTC 98 0; |
                                                |          | 3 USDT 0 -300             |
        1 sell #3 1 @ 101                       | 100 BTC  |                           | #3 100 BTC
        2 buy #4 2 @ 102 stop_limit trigger=100 | 612 USDT | 0 BTC 2 0; 0 USDT 3 0;    | #4 306 USDT
                                                |          | 1 BTC 0 -100;             |
                                                |          | 1 USDT 300 0; 2 BTC 98 0; |
                                                |          | 2 USDT 3 -306             |
        """,
    )


def test_take_profit_releases_what_finds_nobody() -> None:
    """A take-profit sale that wakes and finds no buyer within its worst price gets all back."""
    # Trade at 120 wakes the sale (trigger 120, worst 119); no bid is left.
    check_table(
        one_market(),
        """
        command                                          | asks     | postings        | holds
        2 sell #1 4 @ 119 take_profit_market trigger=120 | 400 BTC  |                 | #1 400 BTC
        1 sell #2 1 @ 120                                | 100 BTC  |                 | #1 400 BTC,
                                                         |          |                 | #2 100 BTC
        3 buy #3 1 @ 120                                 | 360 USDT | 0 BTC 2 0;      |
                                                         |          | 0 USDT 3 0;     |
                                                         |          | 1 BTC 0 -100;   |
                                                         |          | 1 USDT 357 0;   |
                                                         |          | 2 BTC 400 -400; |
                                                         |          | 3 BTC 98 0;     |
                                                         |          | 3 USDT 0 -360   |
        """,
    )


def test_dormant_take_profit_limit_rests_after_it_woke() -> None:
    """A take-profit buy holds its limit dormant, woken and resting; a cancel brings it back."""
    # Trigger 95, limit 96. A trade at 95 wakes it; nothing is offered, so it rests at 96.
    check_table(
        one_market(),
        """
        command                                      | asks     | postings        | holds
        2 buy #1 2 @ 96 take_profit_limit trigger=95 | 576 USDT |                 | #1 576 USDT
        1 buy #2 1 @ 95                              | 285 USDT |                 | #1 576 USDT,
                                                     |          |                 | #2 285 USDT
        3 sell #3 1 @ 95                             | 100 BTC  | 0 BTC 1 0;      | #1 576 USDT
                                                     |          | 0 USDT 5 0;     |
                                                     |          | 1 BTC 99 0;     |
                                                     |          | 1 USDT 0 -285;  |
                                                     |          | 3 BTC 0 -100;   |
                                                     |          | 3 USDT 280 0    |
        2 cancel #1                                  |          | 2 USDT 576 -576 |
        """,
    )


def test_post_only_slide_gives_back_the_difference() -> None:
    """A post-only buy that slides to a lower price holds that price only; a sale the same lots."""
    # Best ask 100, so the buy of 2 at 105 stands at 99: 630 - 594 = 36. Best bid 99 then.
    check_table(
        one_market(),
        """
        command                      | asks     | postings        | holds
        1 sell #1 1 @ 100            | 100 BTC  |                 | #1 100 BTC
        2 buy #2 2 @ 105 post=slide  | 630 USDT | 2 USDT 36 -36   | #1 100 BTC, #2 594 USDT
        3 sell #3 1 @ 90 post=slide  | 100 BTC  |                 | #1 100 BTC, #2 594 USDT,
                                     |          |                 | #3 100 BTC
        4 buy #4 2 @ 105 post=reject | 630 USDT | 4 USDT 630 -630 | #1 100 BTC, #2 594 USDT,
                                     |          |                 | #3 100 BTC
        """,
    )


def test_immediate_or_cancel_and_fill_or_kill() -> None:
    """What an IOC order leaves comes back at once; a FOK order that is killed gets all back."""
    # IOC of 3 at 102 (918): one lot at 100 costs 300, so 618 come back, 306 a lot being held.
    check_table(
        one_market(),
        """
        command                  | asks     | postings                                  | holds
        1 sell #1 1 @ 100        | 100 BTC  |                                           | #1 100 BTC
        2 buy #2 3 @ 102 tif=fok | 918 USDT | 2 USDT 918 -918                           | #1 100 BTC
        2 buy #3 3 @ 102 tif=ioc | 918 USDT | 0 BTC 2 0; 0 USDT 3 0; 1 BTC 0 -100;      |
                                 |          | 1 USDT 297 0; 2 BTC 98 0; 2 USDT 618 -918 |
        """,
    )


def test_expiry_releases_resting_and_dormant_orders() -> None:
    """EXPIRE brings back what GTD orders hold whose time has come, and leaves the others."""
    check_table(
        one_market(),
        """
        command                              | asks     | postings        | holds
        1 sell #1 2 @ 100 tif=gtd expires=10 | 200 BTC  |                 | #1 200 BTC
        2 buy #2 1 @ 90 tif=gtd expires=11   | 270 USDT |                 | #1 200 BTC, #2 270 USDT
        0 expire time=9                      |          |                 | #1 200 BTC, #2 270 USDT
        0 expire time=10                     |          | 1 BTC 200 -200  | #2 270 USDT
        0 expire time=11                     |          | 2 USDT 270 -270 |
        """,
    )


def test_expiry_of_a_dormant_order() -> None:
    """A stop that expires before it was triggered brings its hold back."""
    check_table(
        one_market(),
        """
        command | asks | postings | holds
        2 buy #1 1 @ 99 stop_limit trigger=98 tif=gtd expires=9 | 297 USDT | | #1 297 USDT
        0 expire time=9 | | 2 USDT 297 -297 |
        """,
    )
