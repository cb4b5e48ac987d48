/* Threads on one shared memory that pass blocks to each other through a few places. Each instance calls `work` with its
   number, which answers 0, or the line that failed. */

#include <stddef.h>
#include <stdint.h>

#include "memgrove.h"

#define THREADS 4
#define PLACES 64
#define ROUNDS 100000
#define AREA_BYTES 65536

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition))                                                                                                  \
      return __LINE__;                                                                                                 \
  } while (0)

/* A block tells its own length and what it is filled with. */
struct parcel {
  size_t size;
  unsigned char fill;
  unsigned char bytes[];
};

static struct parcel *places[PLACES];

/* Stacks and thread-local storage of the threads that the host starts. */
static _Alignas(16) unsigned char areas[THREADS][AREA_BYTES];

void *area(unsigned thread) { return areas[thread]; }
size_t area_bytes(void) { return AREA_BYTES; }

static int give_back(struct parcel *parcel) {
  if (!parcel)
    return 0;
  memgrove_notice_growth();
  CHECK(malloc_usable_size(parcel) >= sizeof *parcel + parcel->size);
  for (size_t i = 0; i < parcel->size; i++)
    CHECK(parcel->bytes[i] == parcel->fill);
  free(parcel);
  return 0;
}

int work(unsigned thread) {
  uint32_t random = 0x9e3779b9u * (thread + 1);
  for (int round = 0; round < ROUNDS; round++) {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    size_t size = random % 64 == 0 ? random % 20000 : random % 600;
    struct parcel *parcel = malloc(sizeof *parcel + size);
    CHECK(parcel && (uintptr_t)parcel % 16 == 0);
    parcel->size = size;
    parcel->fill = (unsigned char)random;
    for (size_t i = 0; i < size; i++)
      parcel->bytes[i] = parcel->fill;
    int line = give_back(__atomic_exchange_n(&places[random / 64 % PLACES], parcel, __ATOMIC_ACQ_REL));
    if (line)
      return line;
  }
  return 0;
}

/* Allocates and frees blocks of several sizes. */
int some_blocks(void) {
  for (size_t size = 1; size < 100000; size = size * 2 + 1) {
    void *block = malloc(size);
    CHECK(block);
    free(block);
  }
  return 0;
}

/* A thread frees its thread-local storage last but one: Emscripten's and wasm-bindgen's free another block after it. The storage
   may be somebody else's by then, all zeros here, and stays as it is. */
int storage_reused(unsigned char *storage, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    storage[i] = 0;
  int line = some_blocks();
  if (line)
    return line;
  for (size_t i = 0; i < bytes; i++)
    CHECK(storage[i] == 0);
  return 0;
}

/* After all of them: what is left. */
int finish(void) {
  for (size_t place = 0; place < PLACES; place++) {
    int line = give_back(__atomic_exchange_n(&places[place], NULL, __ATOMIC_ACQ_REL));
    if (line)
      return line;
  }
  return 0;
}
