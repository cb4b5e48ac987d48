/* In a program with a C library: the archive's malloc is the one that the library itself uses, and errno is set.
   Answers 0, or the number of what failed. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __wasi__
#include <unistd.h>
#endif

size_t malloc_usable_size(void *block);

int main(void) {
  /* strdup is the library's, its malloc ours: only ours aligns to 16 and tells what is usable. */
  char *copy = strdup("memgrove");
  if (!copy || (uintptr_t)copy % 16 || malloc_usable_size(copy) < 9)
    return 1;
  copy = realloc(copy, 100000);
  if (!copy || strcmp(copy, "memgrove"))
    return 2;
  free(copy);
  errno = 0;
  void *volatile none = malloc((size_t)PTRDIFF_MAX + 1);
  if (none || errno != ENOMEM)
    return 3;
  errno = 0;
  none = calloc(SIZE_MAX / 2, 3);
  if (none || errno != ENOMEM)
    return 4;
#ifdef __wasi__
  /* wasi-libc's sbrk grows memory by whole pages, and the heap goes on behind them. (Emscripten's begins at __heap_base.) */
  enum { PAGE = 1 << 16 };
  unsigned char *own[4];
  for (int i = 0; i < 4; i++) {
    own[i] = sbrk(PAGE);
    if (own[i] == (void *)-1)
      return 7;
    memset(own[i], 0xa0 + i, PAGE);
    char *block = malloc(3 * PAGE);
    if (!block)
      return 8;
    memset(block, i, 3 * PAGE);
  }
#endif
  /* More than the initial memory of any of the builds under test, in blocks that are written to. */
  for (int i = 0; i < 40; i++) {
    char *block = malloc(1 << 20);
    if (!block)
      return 5;
    memset(block, i, 1 << 20);
  }
#ifdef __wasi__
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < PAGE; k++)
      if (own[i][k] != 0xa0 + i)
        return 9;
#endif
  /* Through stdio, which allocates too, and under Emscripten through JavaScript's view of the grown memory. */
  char *line = malloc(64);
  snprintf(line, 64, "%s of %d", "grown", 40);
  return puts(line) < 0 ? 6 : 0;
}
