/* Order flows that are the same on every machine: whole numbers only, one seed each. */
#include "ladder.h"

#include <stdlib.h>

/* Marsaglia's xorshift with a final multiplication. */
typedef struct {
    uint64_t state;
} Random;

static uint64_t draw(Random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(2685821657736338717);
}

static Random seeded(uint64_t seed)
{
    Random random = {seed ^ UINT64_C(0x6a09e667f3bcc908)};
    if (!random.state)
        random.state = 1;
    for (int i = 0; i < 16; i++)
        draw(&random);
    return random;
}

static uint32_t below(Random *random, uint32_t bound)
{
    return (uint32_t)((draw(random) >> 32) * bound >> 32);
}

static int one_in(Random *random, uint32_t odds)
{
    return below(random, odds) == 0;
}

/* 0 half of the time, and twice as far half as often: a power law without a logarithm. */
static uint32_t far_tail(Random *random, int doublings)
{
    uint64_t bits = draw(random) | UINT64_C(1) << doublings;
    uint32_t reach = UINT32_C(1) << __builtin_ctzll(bits);
    return reach - 1 + below(random, reach);
}

/* A flow in the making: the book as it stands and everybody who rests in it. */
typedef struct {
    Random random;
    Ladder ladder;
    Record *out;
    size_t count;
    size_t wanted;
    int64_t timestamp_ns;
    uint32_t next_id;
    uint32_t *resting;  /* ids, in no order */
    uint32_t *place;    /* index into `resting` plus one; 0: not resting */
    uint32_t resting_count;
    int32_t mid_256ths; /* what the crowd thinks the price is, in 256ths of a tick */
    int32_t drift;
} Flow;

static void forget(Flow *flow, uint32_t id)
{
    uint32_t hole = flow->place[id];
    if (!hole)
        return;
    uint32_t moved = flow->resting[--flow->resting_count];
    flow->resting[hole - 1] = moved;
    flow->place[moved] = hole;
    flow->place[id] = 0;
}

static void remember(Flow *flow, uint32_t id)
{
    flow->resting[flow->resting_count++] = id;
    flow->place[id] = flow->resting_count;
}

static void emit(Flow *flow, int op, uint32_t id, int side, uint32_t price, int32_t lots)
{
    flow->timestamp_ns += 1 + below(&flow->random, 2000);
    Record record = {flow->timestamp_ns, id, (int32_t)price, lots, (uint8_t)op, (uint8_t)side, {0}};
    flow->ladder.retired_count = 0;
    ladder_apply(&flow->ladder, &record, AUDIT);
    flow->out[flow->count++] = record;
    for (size_t i = 0; i < flow->ladder.retired_count; i++)
        forget(flow, flow->ladder.retired[i]);
    if (op == OP_CANCEL || op == OP_REPLACE)
        forget(flow, id);
    if (op == OP_LIMIT || op == OP_REPLACE) {
        /* It rests if it is now the last of its level: nobody else can have come after it. */
        if (flow->ladder.queues[price].last == id)
            remember(flow, id);
    }
}

static int flow_open(Flow *flow, Record *out, size_t wanted, uint64_t seed)
{
    *flow = (Flow){.random = seeded(seed), .out = out, .wanted = wanted, .next_id = 1,
                   .timestamp_ns = 1000000000, .mid_256ths = 30000 * 256};
    if (ladder_open(&flow->ladder, wanted))
        return -1;
    flow->ladder.retired = malloc((wanted + 1) * sizeof(uint32_t));
    flow->resting = malloc((wanted + 1) * sizeof(uint32_t));
    flow->place = calloc(wanted + 2, sizeof(uint32_t));
    return flow->ladder.retired && flow->resting && flow->place ? 0 : -1;
}

static void flow_close(Flow *flow)
{
    free(flow->ladder.retired);
    ladder_close(&flow->ladder);
    free(flow->resting);
    free(flow->place);
}

static int32_t lots_of(Random *random)
{
    int32_t lots = 5 + 5 * (int32_t)far_tail(random, 7) / 2;
    lots += (int32_t)below(random, 5);
    return lots > 500 ? 500 : lots;
}

/* A price behind the crowd's, and never one that would trade. */
static uint32_t passive_price(Flow *flow, int side)
{
    uint32_t mid = (uint32_t)(flow->mid_256ths >> 8);
    uint32_t distance = far_tail(&flow->random, 10);
    uint32_t price = side == BUY ? mid - distance : mid + 1 + distance;
    uint32_t bid = flow->ladder.best_bid, ask = flow->ladder.best_ask;
    if (side == BUY && price >= ask)
        price = ask - 1 - below(&flow->random, 2);
    if (side == SELL && price <= bid)
        price = bid + 1 + below(&flow->random, 2);
    return price;
}

/* Draws stand in statements of their own: C leaves the order of arguments to the compiler. */
static void join(Flow *flow)
{
    int side = (int)below(&flow->random, 2);
    uint32_t price = passive_price(flow, side);
    int32_t lots = lots_of(&flow->random);
    emit(flow, OP_LIMIT, flow->next_id++, side, price, lots);
}

static void wander(Flow *flow)
{
    flow->drift += (int32_t)below(&flow->random, 161) - 80 - flow->drift / 48;
    flow->mid_256ths += flow->drift + (int32_t)below(&flow->random, 513) - 256;
    if (flow->mid_256ths < 26000 * 256)
        flow->drift = 200;
    if (flow->mid_256ths > 36000 * 256)
        flow->drift = -200;
}

/* Mostly somebody who came lately: young orders are the ones that get pulled. */
static uint32_t somebody(Flow *flow)
{
    for (int attempt = 0; attempt < 8 && !one_in(&flow->random, 4); attempt++) {
        uint32_t back = below(&flow->random, 1024);
        back = 1 + back * (1 + far_tail(&flow->random, 4));
        if (back < flow->next_id && flow->place[flow->next_id - back])
            return flow->next_id - back;
    }
    return flow->resting[below(&flow->random, flow->resting_count)];
}

static void aggress(Flow *flow)
{
    const Ladder *ladder = &flow->ladder;
    uint32_t mid = (uint32_t)(flow->mid_256ths >> 8);
    int side = (int)below(&flow->random, 2);
    if (mid >= ladder->best_ask)
        side = one_in(&flow->random, 8) ? SELL : BUY;
    else if (mid < ladder->best_bid)
        side = one_in(&flow->random, 8) ? BUY : SELL;
    int32_t lots = 2 * lots_of(&flow->random);
    uint32_t slack = below(&flow->random, 3);
    if (below(&flow->random, 100) < 20)
        emit(flow, OP_MARKET, flow->next_id++, side, 0, lots);
    else if (side == BUY)
        emit(flow, OP_LIMIT, flow->next_id++, BUY, ladder->best_ask + slack, lots);
    else
        emit(flow, OP_LIMIT, flow->next_id++, SELL, ladder->best_bid - slack, lots);
}

static void change(Flow *flow, int reduces)
{
    uint32_t id = somebody(flow);
    const Slot *order = &flow->ladder.slots[id];
    int side = (int)(order->price_and_side & 1);
    uint32_t price = order->price_and_side >> 1;
    int32_t leaves = order->leaves_lots;
    if (reduces && leaves > 1 && below(&flow->random, 5) < 2) {
        int32_t off = 1 + (int32_t)below(&flow->random, (uint32_t)leaves - 1);
        emit(flow, OP_REDUCE, id, side, price, off);
        return;
    }
    uint32_t target = passive_price(flow, side);
    if (one_in(&flow->random, 32))
        target = side == BUY ? flow->ladder.best_ask : flow->ladder.best_bid;
    int32_t lots = lots_of(&flow->random);
    /* Shrinking in place would keep priority in most rule books: that is a REDUCE. */
    if (target == price && lots <= leaves)
        lots = leaves + 1;
    emit(flow, OP_REPLACE, id, side, target, lots);
}

/* A day of a busy market around `crowd` resting orders. */
int flow_realistic(Record *out, size_t wanted, uint64_t seed, uint32_t crowd, int reduces)
{
    Flow flow;
    if (flow_open(&flow, out, wanted, seed)) {
        flow_close(&flow);
        return -1;
    }
    while (flow.count < wanted) {
        if (flow.count % 64 == 0)
            wander(&flow);
        if (flow.count < crowd) {
            join(&flow);
            continue;
        }
        /* In thousandths; fewer newcomers when the book is fuller than it should be. */
        int32_t excess = ((int32_t)flow.resting_count - (int32_t)crowd) * 1000 / (int32_t)crowd;
        int32_t newcomers = 470 - (excess > 60 ? 60 : excess < -60 ? -60 : excess);
        int32_t dice = (int32_t)below(&flow.random, 1000);
        int thin = flow.resting_count < crowd / 2 + 1 || flow.ladder.best_bid == NO_BID
                   || flow.ladder.best_ask == NO_ASK;
        if (dice < newcomers || thin) {
            join(&flow);
        } else if (dice < 900) {
            uint32_t id = somebody(&flow);
            const Slot *order = &flow.ladder.slots[id];
            int side = (int)(order->price_and_side & 1);
            emit(&flow, OP_CANCEL, id, side, order->price_and_side >> 1, order->leaves_lots);
        } else if (dice < 950) {
            aggress(&flow);
        } else {
            change(&flow, reduces);
        }
    }
    flow_close(&flow);
    return 0;
}

/* 100 orders a level, then pairs: one joins the best level, one fills exactly its head. */
int flow_deep_match(Record *out, size_t wanted, uint64_t seed, uint32_t crowd)
{
    Flow flow;
    if (flow_open(&flow, out, wanted, seed)) {
        flow_close(&flow);
        return -1;
    }
    for (uint32_t i = 0; i < crowd && flow.count < wanted; i++) {
        int side = (int)(i & 1);
        uint32_t level = i / 200;
        emit(&flow, OP_LIMIT, flow.next_id++, side, side == BUY ? 30000 - level : 30001 + level,
             50 + (int32_t)below(&flow.random, 100));
    }
    while (flow.count < wanted) {
        int side = (int)(flow.count >> 1 & 1);
        uint32_t price = side == BUY ? 30000 : 30001;
        emit(&flow, OP_LIMIT, flow.next_id++, side, price, 50 + (int32_t)below(&flow.random, 100));
        if (flow.count < wanted) {
            uint32_t head = flow.ladder.queues[price].first;
            int32_t leaves = flow.ladder.slots[head].leaves_lots;
            emit(&flow, OP_LIMIT, flow.next_id++, 1 - side, price, leaves);
        }
    }
    flow_close(&flow);
    return 0;
}

/* Orders that never meet, spread evenly over 1,000 levels a side. */
int flow_burst_insert(Record *out, size_t wanted, uint64_t seed)
{
    Random random = seeded(seed);
    for (size_t i = 0; i < wanted; i++) {
        int side = (int)below(&random, 2);
        int32_t distance = (int32_t)below(&random, 1000);
        int32_t price = side == BUY ? 30000 - distance : 30001 + distance;
        int32_t lots = 1 + (int32_t)below(&random, 100);
        int64_t timestamp_ns = 1000000000 + (int64_t)i * 100;
        out[i] = (Record){timestamp_ns, i + 1, price, lots, OP_LIMIT, (uint8_t)side, {0}};
    }
    return 0;
}
