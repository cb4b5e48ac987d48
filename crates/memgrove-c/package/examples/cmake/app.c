#include <memgrove.h>

/* Sums the numbers below count, by way of the heap. */
unsigned sum(unsigned count) {
    unsigned *numbers = malloc(count * sizeof *numbers);
    if (!numbers) return 0;
    for (unsigned index = 0; index < count; index++) numbers[index] = index;
    unsigned total = 0;
    for (unsigned index = 0; index < count; index++) total += numbers[index];
    free(numbers);
    return total;
}
