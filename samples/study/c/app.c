/* The study's program: does the host give this module the memory it asks for?
 *
 * It takes 64 KiB from malloc, copies the name it was started under into them and
 * compares. Started as "myapp" it succeeds, under any other name it fails: a run that
 * never reached malloc, or got memory that does not hold what was written, cannot
 * look like a success.
 */
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (64 * 1024)

int main(int argc, char **argv) {
    (void)argc;
    char *chunk = malloc(CHUNK_SIZE);
    if (!chunk) {
        return EXIT_FAILURE;
    }
    strncpy(chunk, argv[0], CHUNK_SIZE - 1); /* clears the rest: all 64 KiB are written */
    return strcmp("myapp", chunk) ? EXIT_FAILURE : EXIT_SUCCESS;
}
