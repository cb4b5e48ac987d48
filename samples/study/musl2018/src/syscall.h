/* The host's side of the contract: one import for each number of arguments. */
#ifndef STUDY_SYSCALL_H
#define STUDY_SYSCALL_H

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) extern

IMPORT(__syscall1) int __syscall1(int number, int a);
IMPORT(__syscall2) int __syscall2(int number, int a, int b);
IMPORT(__syscall3) int __syscall3(int number, int a, int b, int c);
IMPORT(__syscall5) int __syscall5(int number, int a, int b, int c, int d, int e);
IMPORT(__syscall6) int __syscall6(int number, int a, int b, int c, int d, int e, int f);

enum {
    SYS_brk = 45,
    SYS_munmap = 91,
    SYS_mremap = 163,
    SYS_mmap2 = 192,
    SYS_madvise = 219,
    SYS_exit_group = 252,
};

#endif
