/* Much of C's library, as programs have it: what checking adds to a file is measured on it. */
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int by_length(const void *a, const void *b) {
  return (int)strlen(*(char *const *)a) - (int)strlen(*(char *const *)b);
}

int main(int argc, char **argv) {
  regex_t expression;
  char line[200], **lines = calloc(64, sizeof *lines);
  if (!lines || regcomp(&expression, argc > 1 ? argv[1] : "[a-z]+", REG_EXTENDED)) return 1;
  int count = 0;
  double sum = 0;
  while (count < 64 && fgets(line, sizeof line, stdin)) {
    regmatch_t found[2];
    if (!regexec(&expression, line, 2, found, 0)) lines[count++] = strdup(line + found[0].rm_so);
    sum += pow(strtod(line, NULL), 1.5);
  }
  qsort(lines, count, sizeof *lines, by_length);
  for (int i = 0; i < count; i++) printf("%-20s %g %zu\n", lines[i], sum, strlen(lines[i]));
  time_t now = time(NULL);
  strftime(line, sizeof line, "%c", gmtime(&now));
  puts(line);
  for (int i = 0; i < count; i++) free(lines[i]);
  free(lines);
  regfree(&expression);
  return 0;
}
