// Misuse of the heap, each an export of its own: it must trap in the function that is named after the reason, which
// follows `misuse_`. What begins with `right_` must not trap.
#include <stddef.h>
#include "memgrove.h"

#define CASE(name) __attribute__((export_name(#name))) void name(void)

// The compiler may not see that what is done is undefined.
static void *hidden(void *block) {
    __asm__ volatile("" : "+r"(block));
    return block;
}

static void fill(char *block, char byte, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) ((volatile char *)block)[i] = byte;
}

// Enough for whatever is in quarantine to leave it.
static void churn(void) {
    for (int i = 0; i < 300; i++) free(hidden(malloc(40)));
}

CASE(right_use) {
    for (size_t bytes = 0; bytes < 300; bytes++) {
        char *block = hidden(malloc(bytes));
        if (malloc_usable_size(block) != bytes) __builtin_trap();
        fill(block, 'x', bytes);
        block = hidden(realloc(block, bytes * 3));
        fill(block, 'y', bytes * 3);
        free(block);
    }
    free(hidden(aligned_alloc(4096, 100)));
    churn();
}

CASE(misuse_double_free_1) {
    void *block = hidden(malloc(40)), *other = hidden(malloc(40));
    free(block);
    free(other);
    free(hidden(block));
}

CASE(misuse_double_free_2) {
    void *block = hidden(malloc(40));
    if (!realloc(block, 400)) return;
    free(hidden(block));
}

CASE(misuse_not_a_block_1) {
    long words[16] = {7};
    free(hidden(malloc(8)));
    free(hidden(&words[8]));
}

CASE(misuse_not_a_block_2) {
    char *block = hidden(malloc(400));
    free(hidden(block + 16));
}

// A string's terminator.
CASE(misuse_overflow_1) {
    char *block = hidden(malloc(13));
    fill(block, 'x', 13);
    fill(block + 13, 0, 1);
    free(block);
}

CASE(misuse_overflow_2) {
    char *block = hidden(calloc(1000, 1));
    fill(block, 'x', 1004);
    free(hidden(realloc(block, 3000)));
}

CASE(misuse_write_after_free_1) {
    char *block = hidden(malloc(40));
    free(block);
    fill(hidden(block), 'x', 8);
    churn();
}

// Below the block's header: a link between free blocks, once it has left the quarantine.
CASE(misuse_forged_link_1) {
    char *blocks[300];
    for (int i = 0; i < 300; i++) blocks[i] = hidden(malloc(40));
    for (int i = 0; i < 300; i++) free(blocks[i]);
    for (int i = 0; i < 200; i++) fill((char *)hidden(blocks[i]) - 16, 0, 16);
    for (int i = 0; i < 300; i++) hidden(malloc(40));
}
