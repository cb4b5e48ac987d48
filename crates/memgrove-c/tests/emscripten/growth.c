/* Memory that malloc has grown, seen from JavaScript and from the library, in a program that says nothing of its growth to
   the linker. Prints what JavaScript sees: an old view of the memory sees nothing. */

#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EM_JS(int, js_sum, (char *block, int bytes), {
  var sum = 0;
  for (var i = 0; i < bytes; i++)
    sum += HEAPU8[block + i];
  return sum | 0;
});

int main(void) {
  char *block = malloc(100 << 20);
  if (!block)
    return 1;
  memset(block, 1, 1000);
  memset(block + (99 << 20), 2, 1000);
  int first = js_sum(block, 1000), last = js_sum(block + (99 << 20), 1000);
  printf("JavaScript sees %d and %d\n", first, last);
  return 0;
}
