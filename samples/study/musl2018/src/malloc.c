/* A first-fit allocator over the two system calls that musl's malloc used: blocks below
 * MMAP_THRESHOLD come from `brk`, larger ones are mapped each on its own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "syscall.h"

#define ALIGNMENT 16u
#define PAGE_SIZE 4096u
#define MMAP_THRESHOLD (112u * 1024u)

enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22, MREMAP_MAYMOVE = 1, MADV_DONTNEED = 4 };

/* Stands before every block; `size` counts the bytes after it. */
struct header {
    uint32_t size;
    uint32_t mapped; /* 1: a mapping of its own, 0: cut from the break */
    struct header *next_free;
    uint32_t unused; /* keeps what follows aligned to 16 */
};

static struct header *free_list;
static uintptr_t heap_end; /* the break as we last set it, 0 before the first call */

static uint32_t round_up(uint32_t size, uint32_t to) { return (size + to - 1) & ~(to - 1); }

/* The kernel answers a failed call with a small negative number. */
static int failed(uintptr_t answer) { return answer > (uintptr_t)-4096; }

static struct header *map_block(uint32_t size) {
    uint32_t length = round_up(size + sizeof(struct header), PAGE_SIZE);
    uintptr_t at =
        (uintptr_t)__syscall6(SYS_mmap2, 0, (int)length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (failed(at)) {
        return NULL;
    }
    struct header *block = (struct header *)at;
    block->size = length - sizeof(struct header);
    block->mapped = 1;
    return block;
}

static struct header *extend_break(uint32_t size) {
    if (!heap_end) {
        heap_end = round_up((uint32_t)__syscall1(SYS_brk, 0), ALIGNMENT);
    }
    uintptr_t wanted = heap_end + sizeof(struct header) + size;
    if (wanted < heap_end || (uintptr_t)__syscall1(SYS_brk, (int)wanted) != wanted) {
        return NULL;
    }
    struct header *block = (struct header *)heap_end;
    heap_end = wanted;
    block->size = size;
    block->mapped = 0;
    return block;
}

void *malloc(size_t size) {
    if (size > (size_t)INT32_MAX) {
        return NULL;
    }
    uint32_t wanted = round_up(size ? size : 1, ALIGNMENT);
    if (wanted >= MMAP_THRESHOLD) {
        struct header *mapped = map_block(wanted);
        return mapped ? mapped + 1 : NULL;
    }
    for (struct header **link = &free_list; *link; link = &(*link)->next_free) {
        struct header *block = *link;
        if (block->size >= wanted) {
            *link = block->next_free;
            return block + 1;
        }
    }
    struct header *block = extend_break(wanted);
    return block ? block + 1 : NULL;
}

void free(void *pointer) {
    if (!pointer) {
        return;
    }
    struct header *block = (struct header *)pointer - 1;
    if (block->mapped) {
        __syscall2(SYS_munmap, (int)block, (int)(block->size + sizeof(struct header)));
        return;
    }
    /* The pages inside may go back to the kernel, the header has to stay readable. */
    uintptr_t first = round_up((uint32_t)(uintptr_t)pointer, PAGE_SIZE);
    uintptr_t end = ((uintptr_t)pointer + block->size) & ~(uintptr_t)(PAGE_SIZE - 1);
    if (end > first) {
        __syscall3(SYS_madvise, (int)first, (int)(end - first), MADV_DONTNEED);
    }
    block->next_free = free_list;
    free_list = block;
}

void *realloc(void *pointer, size_t size) {
    if (!pointer) {
        return malloc(size);
    }
    struct header *block = (struct header *)pointer - 1;
    if (size <= block->size) {
        return pointer;
    }
    if (block->mapped && size <= (size_t)INT32_MAX) {
        uint32_t length = round_up(size + sizeof(struct header), PAGE_SIZE);
        uintptr_t at = (uintptr_t)__syscall5(SYS_mremap, (int)block,
                                             (int)(block->size + sizeof(struct header)), (int)length,
                                             MREMAP_MAYMOVE, 0);
        if (failed(at)) {
            return NULL;
        }
        block = (struct header *)at;
        block->size = length - sizeof(struct header);
        return block + 1;
    }
    void *moved = malloc(size);
    if (moved) {
        memcpy(moved, pointer, block->size);
        free(pointer);
    }
    return moved;
}
