// musl's allocator of 2011 to 2020 over raw system calls, as its ports to wasm of 2017 and 2018 were built:
// one import `__syscallN` for each number of arguments. musl's own file does the work; what it needs of the
// rest of musl is small and stands in the headers beside this one.
#include "libc.h"
struct fp_libc libc;
_Thread_local int errno;

#include "malloc.c"
#undef malloc
#undef realloc
#undef free

void *__mmap(void *at, size_t n, int prot, int flags, int fd, long long offset) {
    return (void *)__syscall6(192, (int)at, (int)n, prot, flags, fd, (int)offset);
}
int __munmap(void *at, size_t n) { return __syscall2(91, (int)at, (int)n); }
void *__mremap(void *at, size_t old, size_t n, int flags, ...) {
    return (void *)__syscall5(163, (int)at, (int)old, (int)n, flags, 0);
}
int __madvise(void *at, size_t n, int advice) { return __syscall3(219, (int)at, (int)n, advice); }

void *malloc(size_t n) { return __libc_malloc_impl(n); }
void *realloc(void *p, size_t n) { return __libc_realloc(p, n); }
void free(void *p) { __libc_free(p); }
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    char *t = to;
    const char *f = from;
    while (n--) *t++ = *f++;
    return to;
}
