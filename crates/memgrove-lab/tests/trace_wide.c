// A program with 64-bit addresses, its own allocator, and a shadow of its heap: each call of the allocator as the program
// saw it. Compiled without a library.
typedef __SIZE_TYPE__ size;
#define API(name) __attribute__((export_name(#name), noinline))

extern unsigned char __heap_base;
enum { PAGE = 65536, HEADER = 16 };

struct block {
  size bytes;
  struct block *next;
};
static struct block *freed;
static size next, end;

// First fit in what was freed, else from the end of the heap.
API(malloc) void *malloc(size bytes) {
  if (bytes > PAGE) return 0;
  bytes = (bytes + 15) & ~(size)15;
  for (struct block **at = &freed; *at; at = &(*at)->next) {
    if ((*at)->bytes < bytes) continue;
    struct block *found = *at;
    *at = found->next;
    return (unsigned char *)found + HEADER;
  }
  if (!next) {
    next = ((size)&__heap_base + 15) & ~(size)15;
    end = __builtin_wasm_memory_size(0) * PAGE;
  }
  if (next + HEADER + bytes > end) {
    if (__builtin_wasm_memory_grow(0, 2) == (size)-1) return 0;
    end += 2 * PAGE;
  }
  struct block *made = (struct block *)next;
  made->bytes = bytes;
  next += HEADER + bytes;
  return (unsigned char *)made + HEADER;
}

API(free) void free(void *given) {
  if (!given) return;
  struct block *block = (struct block *)((unsigned char *)given - HEADER);
  block->next = freed;
  freed = block;
}

API(calloc) void *calloc(size count, size each) {
  unsigned char *made = malloc(count * each);
  for (size i = 0; made && i < count * each; i++) made[i] = 0;
  return made;
}

API(realloc) void *realloc(void *given, size bytes) {
  unsigned char *made = malloc(bytes);
  if (!made) return 0;
  size old = given ? ((struct block *)((unsigned char *)given - HEADER))->bytes : 0;
  for (size i = 0; i < old && i < bytes; i++) made[i] = ((unsigned char *)given)[i];
  free(given);
  return made;
}

// The shadow: what was done, with which block, of which size. 1 allocated, 2 freed, 3 about to move, 4 moved, 5 refused.
struct call {
  size what, block, bytes;
};
static struct call calls[20000];
static size count;

API(shadow) struct call *shadow(void) { return calls; }
API(shadow_count) size shadow_count(void) { return count; }

static void note(size what, void *block, size bytes) {
  calls[count++] = (struct call){what, (size)block, bytes};
}

static size random_state = 88172645463325252;
static size random(size below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state % below;
}

static void *held[64];

API(keep) void *keep(size bytes) {
  void *made = malloc(bytes);
  note(made ? 1 : 5, made, bytes);
  return made;
}

API(clear) void *clear(size bytes) {
  void *made = calloc(bytes, 1);
  note(made ? 1 : 5, made, bytes);
  return made;
}

API(resize) void *resize(void *old, size bytes) {
  if (old) note(3, old, 0);
  void *made = realloc(old, bytes);
  note(made ? 4 : 5, made, bytes);
  return made ? made : old;
}

API(drop) void drop(void *old) {
  if (old) note(2, old, 0);
  free(old);
}

API(run) size run(int rounds) {
  size sum = 0;
  while (rounds--) {
    void **slot = &held[random(64)];
    // One in some hundred is refused.
    size bytes = random(300) ? 1 + random(400) : 2 * PAGE;
    switch (random(4)) {
      case 0: drop(*slot), *slot = keep(bytes); break;
      case 1: drop(*slot), *slot = clear(bytes); break;
      case 2: *slot = resize(*slot, bytes); break;
      default: drop(*slot), *slot = 0;
    }
    if (*slot) sum = sum * 31 + (*(unsigned char *)*slot = (unsigned char)bytes) + (size)*slot;
  }
  return sum;
}
