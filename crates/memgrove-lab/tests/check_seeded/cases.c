/* Programs with one misuse of the heap each, and their twins without it. Also valid C++. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define C extern "C"
#else
#define C
#endif
#define KEPT C __attribute__((noinline, used))

/* Compilers delete misuse that they see. */
KEPT void hide(void *p) { __asm__ volatile("" ::"r"(p) : "memory"); }

/* Linkers put functions that are called once into their callers: these are not. */
static void *(*volatile __attribute__((used, retain)) c_malloc)(size_t) = malloc;
static void *(*volatile __attribute__((used, retain)) c_calloc)(size_t, size_t) = calloc;
static void *(*volatile __attribute__((used, retain)) c_realloc)(void *, size_t) = realloc;
static void *(*volatile __attribute__((used, retain)) c_aligned)(size_t, size_t) = aligned_alloc;
static void (*volatile __attribute__((used, retain)) c_free)(void *) = free;

/* Nothing uninitialised is read: that would depend on addresses. */
KEPT char *set(char *p, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)p)[i] = 7;
  return p;
}

#ifdef NEW
KEPT char *take(size_t n) { return set(new char[n], n); }
KEPT void give(void *p) { hide(p); delete[] (char *)p; }
#else
KEPT char *take(size_t n) { return set((char *)c_malloc(n), n); }
KEPT void give(void *p) { hide(p); c_free(p); }
#endif
KEPT int get1(const volatile char *p) { return *p; }
KEPT int get2(const volatile int16_t *p) { return *p; }
KEPT int get4(const volatile int32_t *p) { return *p; }
KEPT int64_t get8(const volatile int64_t *p) { return *p; }
KEPT double getd(const volatile double *p) { return *p; }
KEPT void put1(volatile char *p) { *p = 1; }
KEPT void put2(volatile int16_t *p) { *p = 1; }
KEPT void put4(volatile int32_t *p) { *p = 1; }
KEPT void put8(volatile int64_t *p) { *p = 1; }
KEPT void putf(volatile float *p) { *p = 1; }
KEPT void copy(char *to, const char *from, size_t n) { hide(to); memcpy(to, from, n); hide(to); }
KEPT void fill(char *to, size_t n) { hide(to); memset(to, 1, n); hide(to); }

static char kept[64];

/* The stack is so long at most. */
#ifndef STACK
#define STACK 65536
#endif

KEPT int use_after_free_read(int bad) {
  char *p = take(13), *q = p;
  if (bad) give(p);
  int r = get1(q + 3);
  if (!bad) give(p);
  return r;
}
KEPT int use_after_free_write(int bad) {
  char *p = take(64), *q = p;
  if (bad) give(p);
  put4((int32_t *)(q + 8));
  if (!bad) give(p);
  return 0;
}
KEPT int use_after_reuse(int bad) {
  char *p = take(40), *old = p;
  if (bad) give(p);
  char *next = take(40);
  put8((int64_t *)old);
  give(next);
  if (!bad) give(p);
  return 0;
}
KEPT int overflow_read_1(int bad) { char *p = take(13); int r = get1(p + 12 + bad); give(p); return r; }
KEPT int overflow_write_1(int bad) { char *p = take(13); put1(p + 12 + bad); give(p); return 0; }
KEPT int overflow_write_whole(int bad) { char *p = take(64); put1(p + 63 + bad); give(p); return 0; }
KEPT int overflow_read_2(int bad) { char *p = take(16); int r = get2((int16_t *)(p + 14) + bad); give(p); return r; }
KEPT int overflow_write_2(int bad) { char *p = take(10); put2((int16_t *)(p + 8) + bad); give(p); return 0; }
KEPT int overflow_read_4(int bad) { char *p = take(24); int r = get4((int32_t *)(p + 20) + bad); give(p); return r; }
KEPT int overflow_write_4(int bad) { char *p = take(100); put4((int32_t *)(p + 96) + bad); give(p); return 0; }
KEPT int overflow_write_last_byte(int bad) { char *p = take(16 - bad); put8((int64_t *)(p + 8)); give(p); return 0; }
KEPT int overflow_read_8(int bad) { char *p = take(48); int r = (int)get8((int64_t *)(p + 40) + bad); give(p); return r; }
KEPT int overflow_read_double(int bad) { char *p = take(80); double r = getd((double *)(p + 72) + bad); give(p); return r > 1; }
KEPT int overflow_write_float(int bad) { char *p = take(20); putf((float *)(p + 16) + bad); give(p); return 0; }
KEPT int underflow_read_1(int bad) { char *p = take(20); int r = get1(p - bad); give(p); return r; }
KEPT int underflow_write_4(int bad) { char *p = take(20); put4((int32_t *)p - bad); give(p); return 0; }
KEPT int underflow_write_8(int bad) { char *p = take(200); put8((int64_t *)p - bad); give(p); return 0; }
KEPT int overflow_copy_to(int bad) { char *p = take(33); copy(p, kept, 33 + bad); give(p); return 0; }
KEPT int overflow_copy_from(int bad) { char *p = take(33); copy(kept, p, 33 + bad); give(p); return 0; }
KEPT int overflow_fill(int bad) { char *p = take(50); fill(p, 50 + bad); give(p); return 0; }
KEPT int double_free(int bad) {
  char *p = take(30), *q = p;
  give(p);
  if (bad) give(q);
  return 0;
}
KEPT int invalid_free_inside(int bad) { char *p = take(30); give(p + bad); return 0; }
KEPT int invalid_free_of_data(int bad) { char *p = take(30); give(bad ? kept + 16 : p); return 0; }
#ifndef NEW
KEPT int use_after_realloc(int bad) {
  char *p = take(30), *q = p, *r;
  hide(q);
  r = (char *)c_realloc(p, 3000);
  hide(r);
  put1(bad ? q : r);
  give(r);
  return 0;
}
KEPT int overflow_of_realloc(int bad) {
  char *p = (char *)c_realloc(take(30), 77);
  hide(p);
  put1(p + 76 + bad);
  give(p);
  return 0;
}
KEPT int overflow_of_calloc(int bad) {
  char *p = (char *)c_calloc(3, 7);
  hide(p);
  put1(p + 20 + bad);
  give(p);
  return 0;
}
KEPT int realloc_after_free(int bad) {
  char *p = take(30), *q = p;
  if (bad) give(p);
  q = (char *)c_realloc(q, 60);
  hide(q);
  give(q);
  return 0;
}
KEPT int overflow_of_aligned(int bad) {
  char *p = (char *)c_aligned(64, 128);
  hide(p);
  put1(p + 127 + bad);
  give(p);
  return 0;
}
KEPT int use_of_refused_allocation(int bad) {
  char *p = (char *)c_malloc(bad ? (size_t)-1000 : 100);
  hide(p);
  put1(p + 60);
  if (!bad) give(p);
  return 0;
}
/* Twice as long as the stack. */
KEPT int deep(int n) {
  volatile char frame[STACK / 64];
  frame[0] = (char)n;
  hide((void *)frame);
  return n ? deep(n - 1) + frame[0] : 0;
}
KEPT int stack_overflow(int bad) { return deep(bad ? 128 : 8); }
#endif

/* Correct uses that look like misuse. */
KEPT int clean(void) {
  char *p[200];
  int sum = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 200; i++) {
      p[i] = take(1 + (i * 37 + round) % 500);
      memset(p[i], 'a', 1 + (i * 37 + round) % 500);
      p[i][(i * 37 + round) % 500] = 0;
    }
    for (int i = 0; i < 200; i++) {
      sum += (int)strlen(p[i]);
      sum += strcmp(p[i], p[199 - i]) > 0;
      sum += memchr(p[i], 0, 1 + (i * 37 + round) % 500) != 0;
    }
    for (int i = 0; i < 200; i++) give(p[i]);
  }
  return sum;
}

/* The block in the middle of three of one size: nothing wrong, its last byte; a byte behind it read or written, a byte before.
   What was written over is not freed. */
KEPT __attribute__((export_name("edge"))) int edge(int size, int what) {
  char *before = take(size), *p = take(size), *after = take(size);
  int r = 0;
  switch (what) {
    case 0: r = get1(p + size - 1) + get1(p); put1(p + size - 1); break;
    case 1: r = get1(p + size); break;
    case 2: put1(p + size); return 0;
    case 3: r = get1(p - 1); break;
    default: put1(p - 1); return 0;
  }
  give(p);
  give(before);
  give(after);
  return r;
}

static int (*const cases[])(int) = {
    use_after_free_read, use_after_free_write, use_after_reuse, overflow_read_1, overflow_write_1,
    overflow_write_whole, overflow_read_2, overflow_write_2, overflow_read_4, overflow_write_4,
    overflow_write_last_byte, overflow_read_8, overflow_read_double, overflow_write_float, underflow_read_1,
    underflow_write_4, underflow_write_8, overflow_copy_to, overflow_copy_from, overflow_fill, double_free,
    invalid_free_inside, invalid_free_of_data,
#ifndef NEW
    use_after_realloc, overflow_of_realloc, overflow_of_calloc, realloc_after_free, overflow_of_aligned,
    use_of_refused_allocation, stack_overflow,
#endif
};

KEPT __attribute__((export_name("run"))) int run(int number, int bad) {
  return number < 0 ? clean() : cases[number](bad);
}
