/* A memory that cannot grow: malloc returns null at its end, and nothing aborts. */

#include <stdio.h>
#include <stdlib.h>

/* A little less than a page, so that a header does not double what an allocator of powers of two takes. */
enum { BYTES = 60000, LEAST = 8 << 20, MOST = 16 << 20 };

int main(void) {
  int blocks = 0;
  for (void **last = NULL, **block; (block = malloc(BYTES)); blocks++) {
    *block = last;
    last = block;
  }
  int given = blocks * BYTES;
  printf("%s\n", given >= LEAST && given <= MOST ? "null at the end" : "wrong");
  return 0;
}
