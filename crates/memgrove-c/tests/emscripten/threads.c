/* Short-lived threads: each allocates and frees, and passes one block on. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20, THREADS = 4, BLOCKS = 64, PASSED = 1000 };

static void *work(void *argument) {
  char *blocks[BLOCKS] = {0};
  for (int step = 0; step < 5000; step++) {
    int which = step % BLOCKS;
    free(blocks[which]);
    blocks[which] = malloc(16 + step * 37 % 3000);
    if (!blocks[which])
      return NULL;
    blocks[which][0] = (char)which;
  }
  for (int which = 0; which < BLOCKS; which++) {
    if (blocks[which][0] != (char)which)
      return NULL;
    free(blocks[which]);
  }
  char *passed = malloc(PASSED);
  if (passed)
    memset(passed, (int)(long)argument, PASSED);
  return passed;
}

int main(void) {
  int done = 0;
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t threads[THREADS];
    for (long thread = 0; thread < THREADS; thread++)
      if (pthread_create(&threads[thread], NULL, work, (void *)(thread + 10)))
        return puts("not created"), 1;
    for (int thread = 0; thread < THREADS; thread++) {
      void *passed = NULL;
      pthread_join(threads[thread], &passed);
      for (int i = 0; i < PASSED; i++)
        if (!passed || ((char *)passed)[i] != thread + 10)
          return puts("wrong"), 2;
      free(passed);
      done++;
    }
  }
  printf("%d threads\n", done);
  return 0;
}
