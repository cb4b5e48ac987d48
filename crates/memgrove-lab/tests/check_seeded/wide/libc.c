/* A small C library for addresses of 64 bits: its allocator keeps a header before each block and joins what is free. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API(name) __attribute__((noinline, export_name(#name)))

enum { PAGE = 65536, HEADER = 16, USED = 1, LAST = 2 };

/* Before each block: its length with the header and flags, and the next free one. Lengths are multiples of 16. */
struct head {
  size_t bits;
  struct head *next;
};

extern unsigned char __heap_base;
static struct head *freed;
static size_t next, end;

static size_t length(const struct head *head) { return head->bits & ~(size_t)15; }
static void *behind(struct head *head) { return (char *)head + HEADER; }
static struct head *before(void *block) { return (struct head *)((char *)block - HEADER); }

/* First fit in what is free, a part of it if it is longer, else from the end of the heap. */
API(malloc) void *malloc(size_t bytes) {
  if (bytes > (size_t)1 << 31) return 0;
  bytes = (bytes + HEADER + 15) & ~(size_t)15;
  if (bytes < 2 * HEADER) bytes = 2 * HEADER;
  for (struct head **at = &freed; *at; at = &(*at)->next) {
    struct head *found = *at;
    size_t left = length(found) - bytes;
    if (length(found) < bytes) continue;
    *at = found->next;
    if (left >= 2 * HEADER) {
      struct head *rest = (struct head *)((char *)found + bytes);
      rest->bits = left | (found->bits & LAST);
      rest->next = freed;
      freed = rest;
      found->bits = bytes;
    }
    found->bits |= USED;
    return behind(found);
  }
  if (!next) {
    next = ((size_t)&__heap_base + 15) & ~(size_t)15;
    end = __builtin_wasm_memory_size(0) * PAGE;
  }
  if (next + bytes > end) {
    size_t pages = (next + bytes - end + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return 0;
    end += pages * PAGE;
  }
  struct head *made = (struct head *)next;
  made->bits = bytes | USED | LAST;
  next += bytes;
  return behind(made);
}

/* Takes the free ones behind it in. */
API(free) void free(void *block) {
  if (!block) return;
  struct head *head = before(block);
  head->bits &= ~(size_t)USED;
  for (struct head **at = &freed; *at;) {
    struct head *other = *at;
    if ((char *)head + length(head) != (char *)other) {
      at = &other->next;
      continue;
    }
    *at = other->next;
    head->bits += length(other);
  }
  head->next = freed;
  freed = head;
}

API(calloc) void *calloc(size_t count, size_t each) {
  if ((count | each) >> 32) return 0;
  void *made = malloc(count * each);
  if (made) memset(made, 0, count * each);
  return made;
}

API(realloc) void *realloc(void *block, size_t bytes) {
  if (!block) return malloc(bytes);
  size_t old = length(before(block)) - HEADER;
  if (bytes <= old) return block;
  void *made = malloc(bytes);
  if (!made) return 0;
  memcpy(made, block, old);
  free(block);
  return made;
}

/* The part before the block becomes free. */
API(aligned_alloc) void *aligned_alloc(size_t align, size_t bytes) {
  if (align <= 16) return malloc(bytes);
  char *made = malloc(bytes + align + 2 * HEADER);
  if (!made || !((size_t)made & (align - 1))) return made;
  char *block = (char *)(((size_t)made + 2 * HEADER + align - 1) & ~(align - 1));
  struct head *first = before(made), *second = before(block);
  second->bits = (size_t)((char *)first + length(first) - (char *)second) | USED;
  first->bits = (size_t)((char *)second - (char *)first) | USED;
  free(made);
  return block;
}

__attribute__((noinline)) void *memcpy(void *to, const void *from, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
  return to;
}
__attribute__((noinline)) void *memset(void *to, int value, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)value;
  return to;
}
__attribute__((noinline)) void *memchr(const void *at, int value, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (((const unsigned char *)at)[i] == (unsigned char)value) return (char *)at + i;
  return 0;
}
/* Eight bytes at once, as libraries do: it reads beyond the end in the word that holds it. */
__attribute__((noinline)) size_t strlen(const char *text) {
  const char *at = text;
  for (; (size_t)at & 7; at++)
    if (!*at) return (size_t)(at - text);
  for (;; at += 8) {
    uint64_t word = *(const uint64_t *)at;
    if ((word - 0x0101010101010101) & ~word & 0x8080808080808080) break;
  }
  while (*at) at++;
  return (size_t)(at - text);
}
__attribute__((noinline)) int strcmp(const char *left, const char *right) {
  for (; *left && *left == *right; left++, right++) {}
  return (unsigned char)*left - (unsigned char)*right;
}
