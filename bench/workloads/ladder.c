/* The ladder as a small library that Python loads: time a workload, audit it, count it. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif
#endif

static void *zeroed_lines(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes))
        return NULL;
    /* Touch every page now: the ladder's time shall not contain page faults. */
    return memset(memory, 0, bytes);
}

int ladder_open(Ladder *ladder, size_t ids)
{
    memset(ladder, 0, sizeof *ladder);
    ladder->slots = zeroed_lines((ids + 1) * sizeof(Slot));
    ladder->queues = zeroed_lines(PRICES * sizeof(Queue));
    ladder->words = zeroed_lines(PRICES / 64 * sizeof(uint64_t));
    ladder->groups = zeroed_lines(PRICES / 4096 * sizeof(uint64_t));
    ladder->best_bid = NO_BID;
    ladder->best_ask = NO_ASK;
    ladder->tally.checksum = UINT64_C(1469598103934665603);
    if (ladder->slots && ladder->queues && ladder->words && ladder->groups)
        return 0;
    ladder_close(ladder);
    return -1;
}

void ladder_close(Ladder *ladder)
{
    free(ladder->slots);
    free(ladder->queues);
    free(ladder->words);
    free(ladder->groups);
    memset(ladder, 0, sizeof *ladder);
}

static size_t highest_id(const Record *records, size_t count)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].order_id > highest)
            highest = records[i].order_id;
    return (size_t)highest;
}

/* What any correct book must end with; the fields are the keys of an expectation file. */
typedef struct {
    Tally tally;
    uint64_t resting;
    uint64_t resting_lots;
    uint64_t bid_levels;
    uint64_t ask_levels;
    int64_t best_bid; /* -1: none */
    int64_t best_ask;
} Expectation;

int ladder_expect(const Record *records, size_t count, Expectation *expect)
{
    Ladder ladder;
    if (ladder_open(&ladder, highest_id(records, count)))
        return -1;
    for (size_t i = 0; i < count; i++)
        ladder_apply(&ladder, &records[i], AUDIT);
    memset(expect, 0, sizeof *expect);
    expect->tally = ladder.tally;
    expect->best_bid = ladder.best_bid == NO_BID ? -1 : (int64_t)ladder.best_bid;
    expect->best_ask = ladder.best_ask == NO_ASK ? -1 : (int64_t)ladder.best_ask;
    for (uint32_t price = 0; price < PRICES; price++) {
        uint32_t id = ladder.queues[price].first;
        if (id == NOBODY)
            continue;
        *(ladder.slots[id].price_and_side & 1 ? &expect->ask_levels : &expect->bid_levels) += 1;
        for (; id != NOBODY; id = ladder.slots[id].next) {
            expect->resting += 1;
            expect->resting_lots += (uint64_t)ladder.slots[id].leaves_lots;
        }
    }
    ladder_close(&ladder);
    return 0;
}

/* For each REPLACE record that would only shrink its order at its own price, sets keeps[i]. */
int ladder_shrinking_replaces(const Record *records, size_t count, uint8_t *keeps)
{
    Ladder ladder;
    if (ladder_open(&ladder, highest_id(records, count)))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const Record *record = &records[i];
        const Slot *slot = &ladder.slots[record->order_id];
        keeps[i] = record->op == OP_REPLACE
                   && slot->price_and_side >> 1 == (uint32_t)record->price_ticks
                   && record->qty_lots <= slot->leaves_lots;
        ladder_apply(&ladder, record, COUNT);
    }
    ladder_close(&ladder);
    return 0;
}

/* Processor time of this thread: what others do on the machine does not count, page faults do. */
static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void count_start(void)
{
#ifdef CALLGRIND_START_INSTRUMENTATION
    CALLGRIND_START_INSTRUMENTATION;
#endif
}

void count_stop(void)
{
#ifdef CALLGRIND_STOP_INSTRUMENTATION
    CALLGRIND_STOP_INSTRUMENTATION;
#endif
}

int count_available(void)
{
#ifdef CALLGRIND_START_INSTRUMENTATION
    return 1;
#else
    return 0;
#endif
}

/* Seconds for one pass over the records on a fresh ladder, or a negative number if there
 * is no memory for it. `counted` puts the pass between count_start and count_stop. */
double ladder_seconds(const Record *records, size_t count, int counted, Tally *tally)
{
    Ladder ladder;
    if (ladder_open(&ladder, highest_id(records, count)))
        return -1.0;
    if (counted)
        count_start();
    double start = seconds_now();
    for (size_t i = 0; i < count; i++)
        ladder_apply(&ladder, &records[i], COUNT);
    double seconds = seconds_now() - start;
    if (counted)
        count_stop();
    *tally = ladder.tally;
    ladder_close(&ladder);
    return seconds;
}

enum { WIDE = 10 }; /* 64-bit words in a command or an event of the book */

/* Seconds for reading `commands` records of 80 bytes and writing `events` of them, in calls of
 * `batch` commands with one event buffer: what the book's way in and out costs without a book. */
double stream_seconds(const uint64_t *commands, size_t count, size_t events, size_t batch)
{
    size_t per_batch = (size_t)((double)events / (double)count * (double)batch) + 1;
    uint64_t *out = zeroed_lines((per_batch + 1) * WIDE * sizeof(uint64_t));
    if (!out)
        return -1.0;
    double start = seconds_now();
    for (size_t first = 0; first < count; first += batch) {
        size_t here = count - first < batch ? count - first : batch;
        size_t written = 0;
        for (size_t i = 0; i < here; i++) {
            const uint64_t *command = commands + (first + i) * WIDE;
            /* As many events as commands have brought by now, spread evenly. */
            while (written * batch <= i * per_batch && written < per_batch) {
                uint64_t *event = out + written++ * WIDE;
                for (int word = 0; word < WIDE; word++)
                    event[word] = command[word] + written;
            }
        }
        __asm__ volatile("" : : "r"(out) : "memory");
    }
    double seconds = seconds_now() - start;
    free(out);
    return seconds;
}
