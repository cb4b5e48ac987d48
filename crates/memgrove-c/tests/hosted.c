/* In a program with a C library: the archive's malloc is the one that the library itself uses, and errno is set.
   Answers 0, or the number of what failed. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
  /* More than the initial memory of any of the builds under test, in blocks that are written to. */
  for (int i = 0; i < 40; i++) {
    char *block = malloc(1 << 20);
    if (!block)
      return 5;
    memset(block, i, 1 << 20);
  }
  /* Through stdio, which allocates too, and under Emscripten through JavaScript's view of the grown memory. */
  char *line = malloc(64);
  snprintf(line, 64, "%s of %d", "grown", 40);
  return puts(line) < 0 ? 6 : 0;
}
