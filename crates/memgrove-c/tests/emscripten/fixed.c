/* A memory that cannot grow: malloc returns null at its end, and nothing aborts. */

#include <stdio.h>
#include <stdlib.h>

int main(void) {
  int blocks = 0;
  for (void **last = NULL, **block; (block = malloc(1 << 20)); blocks++) {
    *block = last;
    last = block;
  }
  printf("%s\n", blocks >= 8 && blocks <= 16 ? "null at the end" : "wrong");
  return 0;
}
