/* The ladder: how fast matching could be if nothing had to be checked.
 *
 * One queue of orders for every price below 65,536, one slot for every order id, and a
 * bitmap of the prices that hold somebody. Ids must be dense and fresh, prices between 1
 * and 65,534, cancels and replaces must name open orders; nothing is refused and nothing
 * is reported. It is a measure for a book to be held against, never a book to use.
 */
#ifndef NEXTRADE_BENCH_LADDER_H
#define NEXTRADE_BENCH_LADDER_H

#include <stddef.h>
#include <stdint.h>

enum Op { OP_LIMIT, OP_MARKET, OP_CANCEL, OP_REDUCE, OP_REPLACE };
enum LadderSide { BUY, SELL };

/* One workload record, 32 bytes, little-endian (bench/workloads/records.py says the same). */
typedef struct {
    int64_t timestamp_ns;
    uint64_t order_id;
    int32_t price_ticks;
    int32_t qty_lots;
    uint8_t op;
    uint8_t side;
    uint8_t pad[6];
} Record;

enum { PRICES = 65536, NO_BID = 0, NO_ASK = PRICES - 1, NOBODY = 0 };

/* An order; its index is its id. Four fit into a cache line. */
typedef struct {
    uint32_t next;
    uint32_t prev;
    uint32_t price_and_side; /* price * 2 + side */
    int32_t leaves_lots;
} Slot;

typedef struct {
    uint32_t first;
    uint32_t last;
} Queue;

/* What the trades of a run add up to. */
typedef struct {
    uint64_t trades;
    uint64_t lots;
    uint64_t notional;
    uint64_t checksum;
} Tally;

typedef struct {
    Slot *slots;
    Queue *queues;
    uint64_t *words;   /* one bit a price: somebody rests there */
    uint64_t *groups;  /* one bit a word of the above that is not zero */
    uint32_t best_bid; /* NO_BID: none */
    uint32_t best_ask; /* NO_ASK: none */
    Tally tally;
    uint32_t *retired; /* AUDIT: ids of makers used up by the running command, or NULL */
    size_t retired_count;
} Ladder;

/* COUNT keeps just enough that the compiler cannot drop the work; AUDIT also folds each
 * trade into the checksum. A constant at every call, so that each gets code of its own. */
enum Detail { COUNT, AUDIT };

#define LADDER_INLINE static inline __attribute__((always_inline))

int ladder_open(Ladder *ladder, size_t ids);
void ladder_close(Ladder *ladder);

LADDER_INLINE void ladder_note(Ladder *ladder, uint32_t maker, uint32_t price, int32_t lots,
                               int gone, int detail)
{
    Tally *tally = &ladder->tally;
    tally->trades += 1;
    tally->lots += (uint64_t)lots;
    if (detail == AUDIT) {
        uint64_t mark = maker * UINT64_C(1000003) + (uint64_t)lots * 7919 + price;
        tally->notional += (uint64_t)price * (uint64_t)lots;
        tally->checksum = (tally->checksum ^ mark) * UINT64_C(1099511628211);
        if (gone && ladder->retired)
            ladder->retired[ladder->retired_count++] = maker;
    }
}

/* The book is never crossed, so one bitmap serves both sides: whatever is occupied above
 * the best ask is an ask. */
LADDER_INLINE uint32_t ladder_above(const Ladder *ladder, uint32_t price)
{
    uint32_t word = price >> 6;
    uint64_t bits = ladder->words[word] & (~UINT64_C(1) << (price & 63));
    if (bits)
        return word << 6 | (uint32_t)__builtin_ctzll(bits);
    uint32_t group = word >> 6;
    bits = ladder->groups[group] & (~UINT64_C(1) << (word & 63));
    while (!bits) {
        if (++group == PRICES >> 12)
            return NO_ASK;
        bits = ladder->groups[group];
    }
    word = group << 6 | (uint32_t)__builtin_ctzll(bits);
    return word << 6 | (uint32_t)__builtin_ctzll(ladder->words[word]);
}

LADDER_INLINE uint32_t ladder_below(const Ladder *ladder, uint32_t price)
{
    uint32_t word = price >> 6;
    uint64_t bits = ladder->words[word] & ((UINT64_C(1) << (price & 63)) - 1);
    if (bits)
        return word << 6 | (63 - (uint32_t)__builtin_clzll(bits));
    uint32_t group = word >> 6;
    bits = ladder->groups[group] & ((UINT64_C(1) << (word & 63)) - 1);
    while (!bits) {
        if (group-- == 0)
            return NO_BID;
        bits = ladder->groups[group];
    }
    word = group << 6 | (63 - (uint32_t)__builtin_clzll(bits));
    return word << 6 | (63 - (uint32_t)__builtin_clzll(ladder->words[word]));
}

LADDER_INLINE void ladder_occupy(Ladder *ladder, uint32_t price)
{
    ladder->words[price >> 6] |= UINT64_C(1) << (price & 63);
    ladder->groups[price >> 12] |= UINT64_C(1) << (price >> 6 & 63);
}

LADDER_INLINE void ladder_vacate(Ladder *ladder, uint32_t price)
{
    uint64_t left = ladder->words[price >> 6] &= ~(UINT64_C(1) << (price & 63));
    if (!left)
        ladder->groups[price >> 12] &= ~(UINT64_C(1) << (price >> 6 & 63));
    if (price == ladder->best_ask)
        ladder->best_ask = ladder_above(ladder, price);
    else if (price == ladder->best_bid)
        ladder->best_bid = ladder_below(ladder, price);
}

/* Trades up to `limit` and returns what is left. NO_BID and NO_ASK lie beyond every limit,
 * so an empty side needs no test of its own. */
LADDER_INLINE int32_t ladder_take(Ladder *ladder, int side, uint32_t limit, int32_t lots,
                                  int detail)
{
    while (lots > 0) {
        uint32_t price = side == BUY ? ladder->best_ask : ladder->best_bid;
        if (side == BUY ? price > limit : price < limit)
            break;
        Queue *queue = &ladder->queues[price];
        uint32_t head = queue->first;
        do {
            Slot *maker = &ladder->slots[head];
            int32_t fill = lots < maker->leaves_lots ? lots : maker->leaves_lots;
            lots -= fill;
            maker->leaves_lots -= fill;
            ladder_note(ladder, head, price, fill, maker->leaves_lots == 0, detail);
            if (maker->leaves_lots == 0)
                head = maker->next;
        } while (lots > 0 && head != NOBODY);
        queue->first = head;
        if (head != NOBODY) {
            ladder->slots[head].prev = NOBODY;
        } else {
            queue->last = NOBODY;
            ladder_vacate(ladder, price);
        }
    }
    return lots;
}

LADDER_INLINE void ladder_place(Ladder *ladder, uint32_t id, int side, uint32_t price,
                                int32_t lots, int detail)
{
    lots = side == BUY ? ladder_take(ladder, BUY, price, lots, detail)
                       : ladder_take(ladder, SELL, price, lots, detail);
    if (lots <= 0)
        return;
    Queue *queue = &ladder->queues[price];
    Slot *order = &ladder->slots[id];
    uint32_t last = queue->last;
    order->next = NOBODY;
    order->prev = last;
    order->price_and_side = price << 1 | (uint32_t)side;
    order->leaves_lots = lots;
    queue->last = id;
    if (last != NOBODY) {
        ladder->slots[last].next = id;
        return;
    }
    queue->first = id;
    ladder_occupy(ladder, price);
    if (side == BUY) {
        if (price > ladder->best_bid)
            ladder->best_bid = price;
    } else if (price < ladder->best_ask) {
        ladder->best_ask = price;
    }
}

LADDER_INLINE void ladder_cancel(Ladder *ladder, uint32_t id)
{
    const Slot *order = &ladder->slots[id];
    uint32_t price = order->price_and_side >> 1;
    Queue *queue = &ladder->queues[price];
    if (order->prev != NOBODY)
        ladder->slots[order->prev].next = order->next;
    else
        queue->first = order->next;
    if (order->next != NOBODY)
        ladder->slots[order->next].prev = order->prev;
    else
        queue->last = order->prev;
    if (queue->first == NOBODY)
        ladder_vacate(ladder, price);
}

LADDER_INLINE void ladder_apply(Ladder *ladder, const Record *record, int detail)
{
    uint32_t id = (uint32_t)record->order_id;
    uint32_t price = (uint32_t)record->price_ticks;
    switch (record->op) {
    case OP_LIMIT:
        ladder_place(ladder, id, record->side, price, record->qty_lots, detail);
        break;
    case OP_MARKET:
        if (record->side == BUY)
            ladder_take(ladder, BUY, NO_ASK - 1, record->qty_lots, detail);
        else
            ladder_take(ladder, SELL, NO_BID + 1, record->qty_lots, detail);
        break;
    case OP_CANCEL:
        ladder_cancel(ladder, id);
        break;
    case OP_REDUCE:
        ladder->slots[id].leaves_lots -= record->qty_lots;
        break;
    case OP_REPLACE: {
        int side = (int)(ladder->slots[id].price_and_side & 1);
        ladder_cancel(ladder, id);
        ladder_place(ladder, id, side, price, record->qty_lots, detail);
        break;
    }
    }
}

#endif
