#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    char *out = to;
    const char *in = from;
    while (size--) {
        *out++ = *in++;
    }
    return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t size) {
    size_t i = 0;
    for (; i < size && from[i]; i++) {
        to[i] = from[i];
    }
    for (; i < size; i++) {
        to[i] = 0;
    }
    return to;
}

int strcmp(const char *left, const char *right) {
    while (*left && *left == *right) {
        left++;
        right++;
    }
    return (unsigned char)*left - (unsigned char)*right;
}
