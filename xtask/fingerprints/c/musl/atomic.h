#pragma once
#include <stdint.h>
static inline int a_swap(volatile int *p, int v) { int old = *p; *p = v; return old; }
static inline void a_store(volatile int *p, int v) { *p = v; }
static inline void a_or_64(volatile uint64_t *p, uint64_t v) { *p |= v; }
static inline void a_and_64(volatile uint64_t *p, uint64_t v) { *p &= v; }
static inline int a_ctz_64(uint64_t x) { return __builtin_ctzll(x); }
static inline void a_crash(void) { __builtin_trap(); }
