// Ordinary library code: printing, scanning, sorting, mathematics, strings. malloc is a bump pointer, so
// that every function in the module counts as "not an allocator".
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned char arena[1 << 16];
static size_t top;
void *malloc(size_t n) { void *p = arena + top; top += (n + 15) & ~(size_t)15; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct node { struct node *left, *right; unsigned key, priority; };

static struct node *insert(struct node *root, struct node *node) {
    if (!root) return node;
    if (node->key < root->key) root->left = insert(root->left, node);
    else root->right = insert(root->right, node);
    return root;
}

__attribute__((visibility("default"))) unsigned checksum(const unsigned char *p, size_t n) {
    unsigned crc = 0xffffffffu;
    while (n--) {
        crc ^= *p++;
        for (int k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

__attribute__((visibility("default"))) int run(int argc, char **argv) {
    char text[512], word[64];
    double values[32] = {0};
    struct node nodes[32] = {0}, *root = 0;
    int n = 0, chars = 0;
    for (int i = 0; i < argc && n < 32; i++) {
        char *end;
        values[n] = strtod(argv[i], &end) + pow(sin(i), 2.5) + log(1.0 + i) * fmod(i, 3.7);
        nodes[n].key = (unsigned)strtoul(end, 0, 0) ^ checksum((unsigned char *)argv[i], strlen(argv[i]));
        root = insert(root, &nodes[n]);
        n++;
        snprintf(text, sizeof text, "%08x %-10s|%+.3e %lld %c %p", nodes[i].key, argv[i], values[i], (long long)i << 33, 65 + i, (void *)root);
        if (sscanf(text, "%x %63s %n", &nodes[i].priority, word, &chars) == 2 && strstr(word, "abc")) puts(word);
        for (char *t = strtok(text, " |"); t; t = strtok(0, " |")) printf("%s %d\n", t, toupper((unsigned char)*t));
    }
    qsort(values, (size_t)n, sizeof *values, by_value);
    void *hit = bsearch(&values[n / 2], values, (size_t)n, sizeof *values, by_value);
    memmove(text + 3, text, 200);
    return hit != 0 ? (int)(strcspn(text, "xyz") + (size_t)chars) : errno;
}

int main(int argc, char **argv) { return run(argc, argv); }
