#include <stdlib.h>

#include "syscall.h"

int main(int argc, char **argv);

_Noreturn void exit(int status) {
    for (;;) {
        __syscall1(SYS_exit_group, status);
    }
}

/* `stack` is what the kernel leaves for a new process: argc, the arguments, a null. */
__attribute__((export_name("_start"))) void _start(int *stack) {
    exit(main(stack[0], (char **)(stack + 1)));
}
