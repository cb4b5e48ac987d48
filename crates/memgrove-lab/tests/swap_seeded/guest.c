/* A program that asks its allocator for what C promises. What it returns does not depend on addresses. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name), used, noinline))
#define BLOCKS 96

static uint32_t state;

static uint32_t below(uint32_t end) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % end;
}

static uint32_t hash;

static void note(uint32_t value) {
    hash = (hash ^ value) * 16777619u;
}

struct block {
    unsigned char *at;
    uint32_t bytes;
    unsigned char mark;
};

static struct block blocks[BLOCKS];

/* A number that says what was broken, and where in the order of calls. */
static uint32_t broken;

static void expect(int holds, uint32_t what) {
    if (!holds && !broken) broken = what;
}

static void is_kept(struct block *block, uint32_t bytes) {
    for (uint32_t at = 0; at < bytes; at++) expect(block->at[at] == block->mark, 1);
}

static void fill(struct block *block, uint32_t bytes, unsigned char mark) {
    block->bytes = bytes;
    block->mark = mark;
    memset(block->at, mark, bytes);
#ifdef USABLE
    expect(malloc_usable_size(block->at) >= bytes, 2);
#endif
}

static uint32_t size(void) {
    switch (below(16)) {
        case 0: return below(150000);
        case 1: case 2: return below(9000);
        case 3: return 0;
        default: return below(400);
    }
}

/* Takes and gives back at random, and checks what C promises. Returns 0 and a hash of all that a program can see. */
EXPORT(work) uint64_t work(uint32_t seed, uint32_t calls) {
    state = seed | 1;
    hash = 2166136261u;
    broken = 0;
    for (uint32_t call = 0; call < calls; call++) {
        struct block *block = &blocks[below(BLOCKS)];
        unsigned char mark = (unsigned char)(1 + below(255));
        uint32_t bytes = size(), kind = below(8), align = 1u << (2 + below(9));
        errno = 0;
        if (block->at && kind < 4) {
            is_kept(block, block->bytes);
            free(block->at);
            block->at = 0;
            note(errno);
        } else if (block->at) {
            uint32_t kept = bytes < block->bytes ? bytes : block->bytes;
            if (!bytes) continue;
            unsigned char *moved = realloc(block->at, bytes);
            note(!moved);
            if (!moved) continue;
            block->at = moved;
            is_kept(block, kept);
            fill(block, bytes, mark);
        } else if (kind == 0) {
            void *at = 0;
            int error = posix_memalign(&at, align, bytes);
            note((uint32_t)error);
            if (!error && at) {
                expect(((uintptr_t)at & (align - 1)) == 0, 3);
                block->at = at;
                fill(block, bytes, mark);
            }
        } else if (kind == 1) {
            block->at = aligned_alloc(align, bytes);
            if (block->at) {
                expect(((uintptr_t)block->at & (align - 1)) == 0, 4);
                fill(block, bytes, mark);
            }
        } else if (kind < 4) {
            uint32_t count = 1 + below(9);
            block->at = calloc(count, bytes / count + 1);
            if (block->at) {
                bytes = count * (bytes / count + 1);
                for (uint32_t at = 0; at < bytes; at++) expect(block->at[at] == 0, 5);
                fill(block, bytes, mark);
            }
        } else {
            block->at = kind == 4 ? realloc(0, bytes) : malloc(bytes);
            if (block->at) fill(block, bytes, mark);
        }
        note(!block->at);
        note(errno);
    }
    for (uint32_t at = 0; at < BLOCKS; at++) {
        if (blocks[at].at) is_kept(&blocks[at], blocks[at].bytes);
        free(blocks[at].at);
        blocks[at].at = 0;
    }
    return (uint64_t)broken << 32 | hash;
}

/* What the standards leave open, as this allocator does it. */
EXPORT(corners) uint64_t corners(void) {
    hash = 2166136261u;
    broken = 0;
    free(0);
    void *at = malloc(0);
    note(!at);
    free(at);
    at = realloc(0, 0);
    note(!at);
    free(at);
    at = calloc(0, 7);
    note(!at);
    free(at);
    at = calloc(0x10001, 0x10001);
    note(!at);
    note((uint32_t)posix_memalign(&at, 3, 8));
    at = malloc(3000);
    memset(at, 7, 3000);
    at = realloc(at, 1);
    expect(*(unsigned char *)at == 7, 6);
    free(at);
#ifdef USABLE
    note((uint32_t)malloc_usable_size(0));
#endif
    return (uint64_t)broken << 32 | hash;
}

/* Until nothing is left, then all is given back and there is room again. */
EXPORT(exhaust) uint64_t exhaust(uint32_t bytes) {
    broken = 0;
    void **last = 0;
    uint32_t count = 0;
    for (;;) {
        errno = 0;
        void **next = malloc(bytes);
        if (!next) break;
        *next = last;
        last = next;
        if (++count > 1u << 20) return (uint64_t)7 << 32;
    }
    hash = (uint32_t)errno;
    /* One that is refused leaves the old block as it was. */
    void **more = realloc(last, bytes * 64u);
    if (more) last = more;
    while (last) {
        void **next = *last;
        free(last);
        last = next;
    }
    for (uint32_t at = 0; at < count / 2; at++) {
        void **next = malloc(bytes);
        expect(!!next, 9);
        if (!next) break;
        *next = last;
        last = next;
    }
    while (last) {
        void **next = *last;
        free(last);
        last = next;
    }
    return (uint64_t)broken << 32 | hash;
}

/* Another base for all that follows. */
EXPORT(shift) void shift(uint32_t bytes) {
    static void *volatile kept;
    kept = malloc(bytes);
}

#ifdef MALLINFO
EXPORT(statistics) uint32_t statistics(void) {
    struct mallinfo info = mallinfo();
    return (uint32_t)(info.uordblks >= 0);
}

EXPORT(trim) int trim(void) {
    return malloc_trim(0) >= 0;
}
#endif
