/* Threads that fill blocks, give some to each other, and look at each before it is freed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 20000

static _Atomic(unsigned char *) mailbox;

static int is_sound(unsigned char *at) {
    uint32_t bytes;
    memcpy(&bytes, at, 4);
    unsigned char mark = at[4];
    for (uint32_t i = 5; i < bytes; i++)
        if (at[i] != mark) return 0;
    return 1;
}

static void *churn(void *argument) {
    uint32_t thread = (uint32_t)(uintptr_t)argument, state = thread + 77777, sound = 0;
    unsigned char *slots[16] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        state = state * 1664525 + 1013904223;
        unsigned char **slot = &slots[state >> 9 & 15];
        sound++;
        if (*slot) {
            unsigned char *other = *slot;
            if (!(state >> 20 & 3)) other = atomic_exchange(&mailbox, other);
            if (other) {
                if (!is_sound(other)) sound--;
                free(other);
            }
            *slot = 0;
        } else {
            uint32_t bytes = 12 + (state >> 8) % 3001;
            unsigned char *at = malloc(bytes);
            if (state & 1 << 28) at = realloc(at, bytes *= 2);
            memset(at, thread + 1, bytes);
            memcpy(at, &bytes, 4);
            *slot = at;
        }
    }
    for (int i = 0; i < 16; i++) free(slots[i]);
    return (void *)(uintptr_t)sound;
}

int main(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, churn, (void *)i);
    uint32_t sound = 0;
    for (int i = 0; i < THREADS; i++) {
        void *of;
        pthread_join(threads[i], &of);
        sound += (uint32_t)(uintptr_t)of;
    }
    free(mailbox);
    printf("%u of %u rounds are sound\n", sound, THREADS * ROUNDS);
    return sound != THREADS * ROUNDS;
}
