"""Codes, records and the state of one book, as C sees them.

This file is long because it is a list: every code and every field, each on its line.

The enums repeat ``enums.py`` and the packed records repeat ``dtypes.py``; tests compare
both. Everything below ``Book`` is memory layout and may change freely.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__GNUC__) || defined(__clang__)
      #define NX_LIKELY(x) __builtin_expect(!!(x), 1)
      #define NX_UNLIKELY(x) __builtin_expect(!!(x), 0)
      /* gcc drops functions that do nothing but prefetch; the empty statement keeps them. */
      #define NX_PREFETCH(p) nx_prefetch((const void *)(p))
      static inline void nx_prefetch(const void *p)
      { __builtin_prefetch(p); __asm__ volatile("" : : "r"(p)); }
      static inline int nx_product_overflows(int64_t a, int64_t b)
      { int64_t r; return __builtin_mul_overflow(a, b, &r); }
      static inline int nx_sum_overflows(int64_t a, int64_t b)
      { int64_t r; return __builtin_add_overflow(a, b, &r); }
    #else
      #define NX_LIKELY(x) (x)
      #define NX_UNLIKELY(x) (x)
      #define NX_PREFETCH(p) ((void)(p))
      /* Both numbers are known not to be negative. */
      static inline int nx_product_overflows(int64_t a, int64_t b)
      { return b != 0 && a > INT64_MAX / b; }
      static inline int nx_sum_overflows(int64_t a, int64_t b)
      { return a > INT64_MAX - b; }
    #endif
    """
    bint likely "NX_LIKELY"(bint) noexcept nogil
    bint unlikely "NX_UNLIKELY"(bint) noexcept nogil
    void prefetch "NX_PREFETCH"(const void*) noexcept nogil
    bint sum_overflows "nx_sum_overflows"(int64_t, int64_t) noexcept nogil
    bint product_overflows "nx_product_overflows"(int64_t, int64_t) noexcept nogil

cdef enum:
    SIDE_BUY = 0
    SIDE_SELL = 1
    SIDE_NONE = 2

cdef enum:
    COMMAND_KIND_PLACE = 1
    COMMAND_KIND_CANCEL = 2
    COMMAND_KIND_REDUCE = 3
    COMMAND_KIND_REPLACE = 4
    COMMAND_KIND_MASS_CANCEL = 5
    COMMAND_KIND_EXPIRE = 6
    COMMAND_KIND_SET_STATE = 7
    COMMAND_KIND_UNCROSS = 8

cdef enum:
    ORDER_TYPE_LIMIT = 0
    ORDER_TYPE_MARKET = 1
    ORDER_TYPE_MARKET_TO_LIMIT = 2
    ORDER_TYPE_STOP_MARKET = 3
    ORDER_TYPE_STOP_LIMIT = 4
    ORDER_TYPE_TAKE_PROFIT_MARKET = 5
    ORDER_TYPE_TAKE_PROFIT_LIMIT = 6

cdef enum:
    TIME_IN_FORCE_GTC = 0
    TIME_IN_FORCE_IOC = 1
    TIME_IN_FORCE_FOK = 2
    TIME_IN_FORCE_GTD = 3

cdef enum:
    POST_ONLY_NO = 0
    POST_ONLY_REJECT = 1
    POST_ONLY_SLIDE = 2

cdef enum:
    SELF_TRADE_ALLOW = 0
    SELF_TRADE_CANCEL_NEWEST = 1
    SELF_TRADE_CANCEL_OLDEST = 2
    SELF_TRADE_CANCEL_BOTH = 3
    SELF_TRADE_DECREMENT = 4

cdef enum:
    TRADING_STATE_OPEN = 0
    TRADING_STATE_AUCTION = 1
    TRADING_STATE_CANCEL_ONLY = 2
    TRADING_STATE_HALTED = 3

cdef enum:
    EVENT_KIND_ACCEPTED = 1
    EVENT_KIND_REJECTED = 2
    EVENT_KIND_TRADE = 3
    EVENT_KIND_CANCELED = 4
    EVENT_KIND_REDUCED = 5
    EVENT_KIND_REPLACED = 6
    EVENT_KIND_TRIGGERED = 7
    EVENT_KIND_EXPIRED = 8
    EVENT_KIND_REFRESHED = 9
    EVENT_KIND_UNCROSSED = 10
    EVENT_KIND_STATE_OPEN = 11
    EVENT_KIND_STATE_AUCTION = 12
    EVENT_KIND_STATE_CANCEL_ONLY = 13
    EVENT_KIND_STATE_HALTED = 14

cdef enum:
    EVENT_FLAG_KEPT_PRIORITY = 1
    EVENT_FLAG_AUCTION = 2
    EVENT_FLAG_BY_AMOUNT = 4

cdef enum:
    REASON_NONE = 0
    REASON_REQUESTED = 1
    REASON_MASS_CANCELED = 2
    REASON_IMMEDIATE_OR_CANCEL = 3
    REASON_FILL_OR_KILL = 4
    REASON_NO_LIQUIDITY = 5
    REASON_WORST_PRICE = 6
    REASON_AMOUNT_TOO_SMALL = 7
    REASON_SELF_TRADE = 8
    REASON_AUCTION_ENDED = 9
    REASON_UNKNOWN_COMMAND = 32
    REASON_UNKNOWN_ORDER_TYPE = 33
    REASON_UNKNOWN_SIDE = 34
    REASON_UNKNOWN_TIME_IN_FORCE = 35
    REASON_UNKNOWN_POST_ONLY = 36
    REASON_UNKNOWN_SELF_TRADE = 37
    REASON_UNKNOWN_STATE = 38
    REASON_BAD_QUANTITY = 39
    REASON_BAD_PRICE = 40
    REASON_BAD_TRIGGER = 41
    REASON_BAD_DISPLAY = 42
    REASON_BAD_AMOUNT = 43
    REASON_BAD_EXPIRY = 44
    REASON_BAD_COMBINATION = 45
    REASON_NOTIONAL_OVERFLOW = 46
    REASON_HALTED = 47
    REASON_CANCEL_ONLY = 48
    REASON_NOT_IN_AUCTION = 49
    REASON_ONLY_IN_AUCTION = 50
    REASON_DUPLICATE_ORDER_ID = 51
    REASON_UNKNOWN_ORDER = 52
    REASON_NOT_OWNER = 53
    REASON_BOOK_OVERFLOW = 54
    REASON_OUT_OF_MEMORY = 55
    REASON_POST_ONLY_WOULD_TRADE = 56
    REASON_BOOK_CROSSED = 57

cdef packed struct Command:
    int64_t timestamp_ns
    uint64_t order_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t trigger_ticks
    int64_t display_lots
    int64_t quote_amount
    int64_t expire_ns
    uint32_t owner
    uint32_t market
    uint8_t kind
    uint8_t order_type
    uint8_t side
    uint8_t time_in_force
    uint8_t post_only
    uint8_t self_trade
    uint8_t state
    uint8_t reserved

cdef packed struct Event:
    int64_t timestamp_ns
    uint64_t order_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t leaves_lots
    uint64_t maker_id
    int64_t maker_leaves_lots
    int64_t trade_index
    uint32_t owner
    uint32_t maker_owner
    uint32_t command
    uint8_t kind
    uint8_t reason
    uint8_t side
    uint8_t flags

cdef packed struct LevelUpdate:
    int64_t price_ticks
    int64_t qty_lots
    uint32_t orders
    uint32_t command
    uint8_t side
    uint8_t reserved[7]

cdef packed struct DepthRow:
    int64_t price_ticks
    int64_t qty_lots
    int64_t orders

cdef packed struct OrderRecord:
    uint64_t order_id
    int64_t timestamp_ns
    int64_t price_ticks
    int64_t visible_lots
    int64_t hidden_lots
    int64_t display_lots
    int64_t trigger_ticks
    int64_t expire_ns
    uint32_t owner
    uint8_t order_type
    uint8_t side
    uint8_t time_in_force
    uint8_t post_only
    uint8_t self_trade
    uint8_t dormant
    uint8_t reserved[6]

# Index 0 of orders, extras and levels means "none", so zeroed memory is an empty link.

cdef enum:
    # The level of an order shares its word with what matching must know of the order.
    LEVEL_MASK = 0x1FFFFFFF
    ORDER_ICEBERG = 0x20000000
    ORDER_DORMANT = 0x40000000
    # Has an extra record or waits for an auction: look at its cold part when it leaves.
    ORDER_SPECIAL = 0x80000000
    # Indexes are 32 bits wide and levels 29: more than this is refused as out of memory.
    MAX_ORDERS = 0x7FFFFFFF
    MAX_LEVELS = 0x1FFFFFFF

cdef struct Order:
    # What matching and canceling touch: 32 bytes, so two share a cache line, none straddles.
    uint64_t id
    int64_t visible
    uint32_t next
    uint32_t prev
    uint32_t level_flags
    uint32_t owner

cdef struct Cold:
    # The rest of an order, beside it under the same index.
    int64_t timestamp_ns
    uint32_t extra
    uint8_t time_in_force
    uint8_t post_only
    uint8_t self_trade
    uint8_t order_type

cdef struct Extra:
    # Only icebergs, GTD and dormant orders have one.
    int64_t hidden
    int64_t display
    int64_t expire_ns
    int64_t trigger
    int64_t price
    uint64_t arrival
    uint32_t next_free
    uint8_t side
    uint8_t rising

cdef struct Level:
    int64_t price
    int64_t visible
    int64_t hidden
    # No order in the queue has a later timestamp; an upper bound, so removals need not move it.
    int64_t latest_ns
    uint64_t touched
    uint32_t head
    uint32_t tail
    uint32_t count
    uint32_t side
    uint64_t padding

cdef enum:
    # An iceberg may not ask for more slices than this: each may be an event of its own.
    MAX_SLICES = 10000

cdef enum:
    # Places for events that a command finds, or it asks for more before it begins.
    EVENT_RESERVE = 128

cdef enum:
    BUCKET_KEYS = 12

cdef struct Bucket:
    uint8_t marks[BUCKET_KEYS]
    uint32_t passed
    uint32_t refs[BUCKET_KEYS]

cdef struct Map:
    Bucket* buckets
    # Number of buckets, number of keys.
    uint32_t size
    uint32_t used

cdef struct HeapEntry:
    # Price for asks, minus price for bids: the smallest key is the best.
    int64_t key
    uint32_t level

cdef struct BookSide:
    HeapEntry* heap
    uint32_t heap_count
    # Levels without orders that wait in the heap for their turn, or for a sweep.
    uint32_t empty_count
    uint32_t best
    uint32_t order_count
    int64_t best_price
    # Key of the best level; INT64_MAX if there is none.
    int64_t best_key
    # Everything open on this side: visible, hidden and dormant.
    int64_t open_lots
    Map prices

cdef struct StopEntry:
    # Trigger for rising, minus trigger for falling orders: the smallest is the next.
    int64_t key
    int64_t timestamp_ns
    uint64_t arrival
    uint32_t order

cdef struct StopHeap:
    StopEntry* entries
    uint32_t count
    uint32_t capacity
    uint32_t live

cdef struct ExpiryEntry:
    int64_t expire_ns
    uint64_t order_id

cdef struct Touched:
    # A level as it was before the running command first changed it.
    int64_t price
    int64_t visible
    uint32_t count
    uint32_t side
    uint64_t sequence

cdef struct Book:
    Order* orders
    Cold* cold
    Extra* extras
    Level* levels
    BookSide sides[2]
    Map ids
    StopHeap stops[2]
    ExpiryEntry* expiries
    uint32_t* waiting
    uint32_t* walk
    Touched* touched
    Event* events
    # Where the next event goes, where a command had better find more room, and the end.
    Event* event_next
    Event* event_low
    Event* event_end
    LevelUpdate* updates
    size_t update_count
    size_t update_capacity
    size_t touched_count
    size_t touched_capacity
    size_t expiry_count
    size_t expiry_capacity
    size_t waiting_capacity
    size_t waiting_first
    size_t waiting_count
    uint32_t order_capacity
    uint32_t order_top
    uint32_t order_free
    uint32_t extra_capacity
    uint32_t extra_top
    uint32_t extra_free
    uint32_t extra_count
    uint32_t level_capacity
    uint32_t level_top
    uint32_t level_free
    uint32_t level_count
    # Commands that may still add an order before make_room must look again.
    uint32_t room
    uint32_t gtd_count
    uint32_t auction_only_count
    # Of the running command: position in the batch, time.
    uint32_t command
    int64_t timestamp_ns
    int64_t clock_ns
    int64_t last_price
    int64_t trade_count
    uint64_t arrival
    uint64_t serial
    # First price that the running order traded at, 0 if none. Its prices go one way only, so
    # this and the last price are their range.
    int64_t first_price
    uint8_t state
    uint8_t want_levels
    # Events or updates were lost for want of memory.
    uint8_t stopped

cdef struct Taker:
    # An order on its way through the book.
    uint64_t id
    # Worst acceptable price (1 or INT64_MAX if there is none), and that as an opposite key.
    int64_t price
    int64_t key
    # The price that events show: 0 if there is none.
    int64_t shown_price
    # Lots left, or the amount left of an order by amount.
    int64_t leaves
    int64_t display
    int64_t expire_ns
    uint32_t owner
    # Its record if it has one already (replaced or triggered), else 0.
    uint32_t order
    uint8_t side
    uint8_t is_market
    uint8_t by_amount
    uint8_t time_in_force
    uint8_t post_only
    uint8_t self_trade
    # self_trade, or 0 without an owner to apply it to.
    uint8_t prevents
    # Set when the order is over, with or without a fill: it neither rests nor reports more.
    uint8_t done

cdef struct Watch:
    # When to look at the book, in commands run so far, ascending, and how often in all.
    const int64_t* after
    size_t count
    # How deep, and where to write it: for each look so many bids, then as many asks.
    size_t levels
    DepthRow* rows
