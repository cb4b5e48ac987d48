#ifndef STUDY_STRING_H
#define STUDY_STRING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *__restrict to, const void *__restrict from, size_t size);
char *strncpy(char *__restrict to, const char *__restrict from, size_t size);
int strcmp(const char *left, const char *right);

#ifdef __cplusplus
}
#endif

#endif
