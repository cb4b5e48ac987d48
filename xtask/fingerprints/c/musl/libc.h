// What musl's internal headers give to its allocator, and no more.
#pragma once
#include <stddef.h>
#include <stdint.h>
#define hidden __attribute__((visibility("hidden")))
#define PAGE_SIZE 65536
#define SYS_brk 45
extern struct fp_libc { int need_locks; size_t page_size; struct { int x; } *auxv; } libc;
int __syscall1(int, int);
int __syscall2(int, int, int);
int __syscall3(int, int, int, int);
int __syscall5(int, int, int, int, int, int);
int __syscall6(int, int, int, int, int, int, int);
#define __syscall(n, a) __syscall1(n, (int)(a))
void *__mmap(void *, size_t, int, int, int, long long);
int __munmap(void *, size_t);
void *__mremap(void *, size_t, size_t, int, ...);
int __madvise(void *, size_t, int);
void *__libc_malloc_impl(size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
#include <errno.h>
static inline void __wait(volatile int *at, volatile int *waiters, int value, int priv) {
    (void)at, (void)waiters, (void)value, (void)priv;
}
static inline void __wake(volatile void *at, int count, int priv) { (void)at, (void)count, (void)priv; }
