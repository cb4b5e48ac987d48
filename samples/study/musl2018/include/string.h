#ifndef STUDY_STRING_H
#define STUDY_STRING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size);
char *strncpy(char *restrict to, const char *restrict from, size_t size);
int strcmp(const char *left, const char *right);

#ifdef __cplusplus
}
#endif

#endif
