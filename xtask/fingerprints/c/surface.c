// Takes the addresses of the C allocation functions, so that a linker keeps them and all they call.
#include <stdlib.h>

__attribute__((visibility("default"))) void *fp_use(size_t n, size_t align, void *old) {
    free(old);
    void *p = malloc(n);
    p = realloc(p, n * 2);
    void *z = calloc(n, align);
    return p ? z : aligned_alloc(align, n);
}

int main(void) { return 0; }
