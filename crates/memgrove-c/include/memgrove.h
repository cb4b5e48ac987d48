/* memgrove: malloc and its family for C and C++ on WebAssembly.
 *
 * Link one archive, libmemgrove_<allocator>.a, before the C library, or with -nostdlib. Nothing need be included:
 * these are the standard's own names. This header is for programs without <stdlib.h>, and tells what is answered.
 *
 * Every block is aligned to 16 bytes. A block is never longer than PTRDIFF_MAX. Null means that memory is exhausted;
 * the heap stays valid, and errno is ENOMEM where the program has an errno.
 */
#ifndef MEMGROVE_H
#define MEMGROVE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Size zero gives a block of its own, which must be freed. */
void *malloc(size_t size);

/* All bits zero. Null if count * size overflows. Memory fresh from the host is not cleared again. */
void *calloc(size_t count, size_t size);

/* Null as the block is malloc. On null the old block stays as it was. Size zero (undefined since C23) gives a block. */
void *realloc(void *block, size_t size);

/* POSIX.1-2024: realloc of count * size; null, with the old block as it was, if that overflows. */
void *reallocarray(void *block, size_t count, size_t size);

/* Null is allowed, and nothing happens. */
void free(void *block);

/* C23: free by somebody who knows the size. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

/* Null if the alignment is not a power of two. The size need not be a multiple of it. */
void *aligned_alloc(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

/* 0, or EINVAL if the alignment is not a power of two times sizeof(void *), or ENOMEM; then *block is as it was. */
int posix_memalign(void **block, size_t alignment, size_t size);

/* How many bytes of the block may be used, at least as many as were asked for; 0 for null. */
size_t malloc_usable_size(void *block);

/* For threads on V8 (Node, Chrome), which tells a thread late of another one's growth: to be called after receiving a
   block from another thread, before memcpy, memset or an atomic access to it. A load and a comparison; nothing without
   threads. What this thread allocates, reallocates or frees needs no such call. */
void memgrove_notice_growth(void);

#ifdef __cplusplus
}
#endif

#endif
