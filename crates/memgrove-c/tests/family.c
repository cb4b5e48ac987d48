/* What the family answers, asked of an archive linked with -nostdlib. `run` answers 0, or the line that failed. */

#include <stddef.h>
#include <stdint.h>

#include "memgrove.h"

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition))                                                                                                  \
      return __LINE__;                                                                                                 \
  } while (0)

#define ALIGNED(block, alignment) ((uintptr_t)(block) % (alignment) == 0)
#define TOO_LONG ((size_t)PTRDIFF_MAX + 1)

static int holds(const unsigned char *block, unsigned char value, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (block[i] != value)
      return 0;
  return 1;
}

static void fill(unsigned char *block, unsigned char value, size_t size) {
  for (size_t i = 0; i < size; i++)
    block[i] = value;
}

static int zero_and_overflow(void) {
  void *first = malloc(0), *second = malloc(0);
  CHECK(first && second && first != second);
  CHECK(ALIGNED(first, 16));
  free(first);
  free(second);
  free(NULL);
  CHECK(!malloc(SIZE_MAX));
  CHECK(!malloc(SIZE_MAX - 15));
  CHECK(!malloc(TOO_LONG));
  CHECK(!calloc(SIZE_MAX / 2, 3));
  CHECK(!calloc(0x10001, 0x10001));
  void *none = calloc(0, 8);
  CHECK(none);
  CHECK(!reallocarray(none, 0x10000, 0x10001));
  CHECK(!realloc(none, SIZE_MAX));
  none = realloc(none, 0);
  CHECK(none);
  free(none);
  CHECK(malloc_usable_size(NULL) == 0);
  return 0;
}

static int alignment(void) {
  for (size_t align = 1; align <= 1 << 20; align *= 2) {
    unsigned char *block = aligned_alloc(align, 100);
    CHECK(block && ALIGNED(block, align) && ALIGNED(block, 16));
    CHECK(malloc_usable_size(block) >= 100);
    fill(block, 0x5a, 100);
    block = realloc(block, 3000);
    CHECK(block && holds(block, 0x5a, 100));
    free_aligned_sized(block, align, 3000);
  }
  CHECK(!aligned_alloc(0, 1));
  CHECK(!aligned_alloc(24, 1));
  CHECK(!aligned_alloc((size_t)1 << 31, TOO_LONG));
  CHECK(!aligned_alloc(16, SIZE_MAX - 7));
  void *out = &out;
  CHECK(posix_memalign(&out, 2, 8) == 28 && out == &out);
  CHECK(posix_memalign(&out, 48, 8) == 28 && out == &out);
  CHECK(posix_memalign(&out, 64, SIZE_MAX - 64) == 48 && out == &out);
  CHECK(posix_memalign(&out, 4096, 8) == 0 && ALIGNED(out, 4096));
  free(out);
  void *block = memalign(256, 1);
  CHECK(block && ALIGNED(block, 256));
  free_sized(block, 1);
  return 0;
}

static int contents(void) {
  enum { BLOCKS = 200 };
  static unsigned char *blocks[BLOCKS];
  static size_t sizes[BLOCKS];
  unsigned random = 1;
  for (int step = 0; step < 20000; step++) {
    random = random * 1664525 + 1013904223;
    int which = (random >> 8) % BLOCKS;
    size_t size = (random >> 16) % (step % 50 ? 300 : 40000);
    unsigned char value = (unsigned char)which;
    if (blocks[which] && step % 3) {
      CHECK(holds(blocks[which], value, sizes[which]));
      unsigned char *moved = realloc(blocks[which], size);
      CHECK(moved && holds(moved, value, size < sizes[which] ? size : sizes[which]));
      blocks[which] = moved;
    } else {
      CHECK(!blocks[which] || holds(blocks[which], value, sizes[which]));
      free(blocks[which]);
      blocks[which] = step % 2 ? malloc(size) : calloc(size, 1);
      CHECK(blocks[which] && ALIGNED(blocks[which], 16));
      CHECK(step % 2 || holds(blocks[which], 0, size));
    }
    CHECK(malloc_usable_size(blocks[which]) >= size);
    sizes[which] = size;
    fill(blocks[which], value, size);
  }
  for (int which = 0; which < BLOCKS; which++)
    free(blocks[which]);
  return 0;
}

/* Everything memory has, given back, serves once more, but for one block: where an allocator's own data lies may cut
   free memory differently. Needs a memory with a maximum. */
static int exhaustion(void) {
  enum { SIZE = 1 << 20 };
  size_t counts[2] = {0, 0};
  for (int round = 0; round < 2; round++) {
    void **last = NULL, **block;
    while ((block = malloc(SIZE))) {
      *block = last;
      last = block;
      counts[round]++;
    }
    void *small = malloc(8);
    free(small);
    while (last) {
      block = *last;
      free(last);
      last = block;
    }
  }
  CHECK(counts[0] > 2 && counts[1] + 1 >= counts[0]);
  return 0;
}

__attribute__((export_name("run"))) int run(void) {
  int failed = zero_and_overflow();
  if (!failed)
    failed = alignment();
  if (!failed)
    failed = contents();
  if (!failed)
    failed = exhaustion();
  return failed;
}
