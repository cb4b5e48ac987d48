/* A block that one thread allocates and another frees or overruns; the argument says what is wrong. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char *block;
static const char *which;
__attribute__((noinline)) static void *give_back(void *of) { free(of); return 0; }
__attribute__((noinline)) static void *overrun(void *of) { ((volatile char *)of)[40] = 1; return 0; }
__attribute__((noinline)) static char *make(void) { return malloc(40); }
int main(int argc, char **argv) {
    which = argc > 1 ? argv[1] : "twin";
    block = make();
    memset(block, 7, 40);
    pthread_t thread;
    pthread_create(&thread, 0, strcmp(which, "overflow") ? give_back : overrun, block);
    pthread_join(thread, 0);
    int seen = 0;
    if (!strcmp(which, "use")) seen = ((volatile char *)block)[3];
    if (!strcmp(which, "double")) free(block);
    if (!strcmp(which, "overflow")) free(block);
    char *again = malloc(40);
    memset(again, 1, 40);
    printf("%s %d\n", which, again[39]);
    free(again);
    return 0;
}
