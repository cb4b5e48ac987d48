// Uses what a command uses of its system, and says what it saw. Built for the machine as well, it says the same.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long value) { printf("%s: %ld\n", what, value); }

static void list(const char *path) {
    char names[64][128];
    int count = 0;
    DIR *folder = opendir(path);
    if (!folder) {
        printf("opendir: %s\n", strerror(errno));
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) && count < 64;)
        if (entry->d_name[0] != '.') snprintf(names[count++], 128, "%s", entry->d_name);
    closedir(folder);
    qsort(names, count, 128, (int (*)(const void *, const void *))strcmp);
    for (int i = 0; i < count; i++) printf("  %s\n", names[i]);
}

static void files(void) {
    char text[64] = {0};
    struct stat stat_;
    say("mkdir", mkdir("made", 0777));
    say("again", mkdir("made", 0777) == -1 && errno == EEXIST);
    FILE *file = fopen("made/a.txt", "w");
    say("fprintf", fprintf(file, "one two three"));
    fclose(file);
    file = fopen("made/a.txt", "a");
    fputs(" four", file);
    fclose(file);
    say("stat", stat("made/a.txt", &stat_));
    say("size", (long)stat_.st_size);
    say("regular", S_ISREG(stat_.st_mode));
    int number = open("made/a.txt", O_RDWR);
    say("seek", (long)lseek(number, -4, SEEK_END));
    say("read", (long)read(number, text, 63));
    puts(text);
    say("pread", (long)pread(number, text, 3, 4));
    say("pwrite", (long)pwrite(number, "TWO", 3, 4));
    say("tell", (long)lseek(number, 0, SEEK_CUR));
    say("truncate", ftruncate(number, 9));
    say("fstat", fstat(number, &stat_));
    say("size", (long)stat_.st_size);
    lseek(number, 0, SEEK_SET);
    memset(text, 0, sizeof text);
    say("read", (long)read(number, text, 63));
    puts(text);
    close(number);
    say("closed", read(number, text, 1) == -1 && errno == EBADF);
    say("exclusive", open("made/a.txt", O_CREAT | O_EXCL | O_WRONLY, 0666) == -1 && errno == EEXIST);
    say("read only", (number = open("made/new.txt", O_CREAT | O_RDONLY, 0666)) >= 0);
    close(number);
    say("folder", open("made", O_WRONLY) == -1 && errno == EISDIR);
    say("no folder", open("made/a.txt", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
    say("rename", rename("made/a.txt", "made/b.txt"));
    say("gone", open("made/a.txt", O_RDONLY) == -1 && errno == ENOENT);
    for (int i = 0; i < 20; i++) {
        char name[128];
        snprintf(name, sizeof name, "made/a file with a long name, so that one call does not list all %d", i);
        fclose(fopen(name, "w"));
    }
    list("made");
    for (int i = 0; i < 20; i++) {
        char name[128];
        snprintf(name, sizeof name, "made/a file with a long name, so that one call does not list all %d", i);
        unlink(name);
    }
    say("not empty", rmdir("made") == -1 && errno == ENOTEMPTY);
    say("unlink", unlink("made/b.txt") + unlink("made/new.txt"));
    say("rmdir", rmdir("made"));
    list(".");
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) printf("argument %s\n", arguments[i]);
    printf("variable %s\n", getenv("GREETING") ? getenv("GREETING") : "none");
    char line[64];
    while (fgets(line, sizeof line, stdin)) printf("line %s", line);
    files();
    struct timespec before, after, rest = {0, 20000000};
    clock_gettime(CLOCK_MONOTONIC, &before);
    say("sleep", nanosleep(&rest, NULL));
    clock_gettime(CLOCK_MONOTONIC, &after);
    long passed = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    say("slept", passed >= 19 && passed < 20000);
    say("this century", time(NULL) > 1700000000);
    unsigned char random[2][16] = {0};
    say("entropy", getentropy(random[0], 16) + getentropy(random[1], 16));
    say("different", memcmp(random[0], random[1], 16) != 0);
    // Only where the folder is a world of its own.
    if (count > 1 && strcmp(arguments[1], "out") == 0) {
        say("above", open("../secret", O_RDONLY) == -1);
        say("by a link", open("link", O_RDONLY) == -1);
        say("write by a link", open("link", O_WRONLY | O_TRUNC) == -1);
        say("absolute", open("/etc/passwd", O_RDONLY) == -1);
        say("remove above", unlink("../secret") == -1);
        say("rename out", rename("link", "../moved") == -1);
    }
    fputs("an error\n", stderr);
    exit(3);
}
