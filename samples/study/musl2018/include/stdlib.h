#ifndef STUDY_STDLIB_H
#define STUDY_STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

#ifdef __cplusplus
extern "C" {
#endif

void *malloc(size_t size);
void free(void *block);
void *realloc(void *block, size_t size);
_Noreturn void exit(int status);

#ifdef __cplusplus
}
#endif

#endif
