/* A program with two heaps: the library's, and a pool of its own. */
#include <stddef.h>
#include <stdlib.h>

#define KEPT __attribute__((noinline, used))

KEPT void hide(void *p) { __asm__ volatile("" ::"r"(p) : "memory"); }

/* Blocks of 256 bytes, one behind the other, and a list of those that were given back. */
struct block {
  struct block *next;
  char rest[252];
};
static struct block pool[100], *given;
static size_t used;

KEPT void *pool_take(size_t size) {
  struct block *block = given;
  if (size > sizeof *block) return 0;
  if (block) {
    given = block->next;
  } else {
    if (used == sizeof pool / sizeof *pool) return 0;
    block = &pool[used++];
  }
  return block;
}
KEPT void pool_give(void *p) {
  struct block *block = p;
  if (!block) return;
  block->next = given;
  given = block;
}

static void *(*volatile __attribute__((used, retain)) c_malloc)(size_t) = malloc;
static void *(*volatile __attribute__((used, retain)) c_calloc)(size_t, size_t) = calloc;
static void *(*volatile __attribute__((used, retain)) c_realloc)(void *, size_t) = realloc;
static void (*volatile __attribute__((used, retain)) c_free)(void *) = free;

KEPT void give(void *p) { hide(p); c_free(p); }
KEPT void back(void *p) { hide(p); pool_give(p); }

KEPT int malloc_to_pool(int bad) { char *p = c_malloc(20); hide(p); if (bad) back(p); else give(p); return 0; }
KEPT int calloc_to_pool(int bad) { char *p = c_calloc(2, 10); hide(p); if (bad) back(p); else give(p); return 0; }
KEPT int pool_to_free(int bad) { char *p = pool_take(20); hide(p); if (bad) give(p); else back(p); return 0; }
KEPT int pool_to_realloc(int bad) {
  char *p = bad ? pool_take(20) : c_malloc(20);
  hide(p);
  p[0] = 7;
  char *q = c_realloc(p, 40);
  hide(q);
  int r = q[0];
  give(q);
  return r;
}

static int (*const cases[])(int) = {malloc_to_pool, calloc_to_pool, pool_to_free, pool_to_realloc};

/* Both at work. */
KEPT int clean(void) {
  char *p[40];
  int sum = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 40; i++) {
      int pooled = (i + round) & 1;
      p[i] = pooled ? pool_take(1 + i) : c_malloc(1 + i * 7);
      hide(p[i]);
      p[i][0] = (char)i;
    }
    for (int i = 0; i < 40; i++) {
      sum += p[i][0];
      if ((i + round) & 1) back(p[i]); else give(p[i]);
    }
  }
  return sum;
}

KEPT __attribute__((export_name("run"))) int run(int number, int bad) {
  return number < 0 ? clean() : cases[number](bad);
}
