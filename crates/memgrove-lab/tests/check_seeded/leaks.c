/* Programs that leave blocks live at the end: which of them are lost is known. */
#include <stdlib.h>
#include <string.h>

#define KEPT __attribute__((noinline, used))

struct node {
  struct node *next;
  char *name;
};

static struct node *volatile kept;
static char *volatile inside;

/* Compilers delete what nobody uses. */
KEPT void hide(void *p) { __asm__ volatile("" ::"r"(p) : "memory"); }

/* Nodes of 8 bytes, names of 30. */
KEPT struct node *list(int length) {
  struct node *first = NULL;
  while (length--) {
    struct node *node = malloc(sizeof *node);
    node->name = malloc(30);
    memset(node->name, 'x', 30);
    node->next = first;
    first = node;
  }
  hide(first);
  return first;
}

KEPT void drop(struct node *node, int and_names) {
  while (node) {
    struct node *next = node->next;
    if (and_names) free(node->name);
    free(node);
    node = next;
  }
}

/* Other work: what was freed before leaves the quarantine. */
KEPT void work(void) {
  for (int i = 0; i < 3000; i++) {
    char *p = malloc(500 + i % 700);
    memset(p, i, 500);
    hide(p);
    free(p);
  }
}

KEPT void run(int what) {
  switch (what) {
  case 'f': drop(list(10), 1); break;        /* all is freed */
  case 'k': kept = list(10); break;          /* all is reachable */
  case 'i': inside = (char *)malloc(100) + 50; break;
  case 'l': list(10); break;                 /* one node is lost, and all that hangs on it */
  case 'n': drop(list(10), 0); break;        /* ten names are lost */
  case 'e': list(10), exit(0);               /* functions are in progress */
  }
}

int main(int argc, char **argv) {
  run(argc > 1 ? argv[1][0] : 'f');
  work();
  return 0;
}
