/* mimalloc as malloc and its kin: what the build task compiles with its sources, and what these ask of a C library for
   options and messages, of which there are none here. */
#include "static.c"

#undef stderr
#undef stdout

/* What the guest asks for of an alignment up to 8, it takes from these; mimalloc aligns shorter blocks to their length only.
   The Rust crate mimalloc says each alignment so, too. */
#define ALIGN_BYTES 8
void *malloc(size_t size) { return mi_malloc_aligned(size, ALIGN_BYTES); }
void *calloc(size_t count, size_t size) { return mi_calloc_aligned(count, size, ALIGN_BYTES); }
void *realloc(void *block, size_t size) { return mi_realloc_aligned(block, size, ALIGN_BYTES); }
int posix_memalign(void **block, size_t align, size_t size) { return mi_posix_memalign(block, align, size); }
void free(void *block) { mi_free(block); }

const struct __clockid { clockid_t id; } _CLOCK_MONOTONIC;
FILE *const stderr, *const stdout;
int clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    *now = (struct timespec){0};
    return 0;
}
int fputs(const char *text, FILE *to) {
    (void)text, (void)to;
    return 0;
}
char *getenv(const char *name) {
    (void)name;
    return 0;
}
long strtol(const char *text, char **end, int base) {
    (void)base;
    if (end) *end = (char *)text;
    return 0;
}
unsigned sleep(unsigned seconds) {
    (void)seconds;
    return 0;
}
int __cxa_atexit(void (*function)(void *), void *argument, void *library) {
    (void)function, (void)argument, (void)library;
    return 0;
}
