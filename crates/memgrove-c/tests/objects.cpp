// C++'s new and delete without a C++ library. `run` answers 0, or the line that failed.

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition))                                                                                                  \
      return __LINE__;                                                                                                 \
  } while (0)

namespace {
int alive;

struct Node {
  Node *next;
  int value;
  Node(Node *next, int value) : next(next), value(value) { alive++; }
  ~Node() {
    alive--;
    delete next;
  }
};

struct alignas(256) Wide {
  char bytes[256];
};

// A global constructor that allocates: it runs before anything else.
Node *early = new Node(nullptr, 42);
} // namespace

extern "C" __attribute__((export_name("run"))) int run() {
  CHECK(early && early->value == 42);
  Node *list = nullptr;
  for (int i = 0; i < 1000; i++)
    list = new Node(list, i);
  CHECK(alive == 1001 && list->value == 999);
  delete list;
  CHECK(alive == 1);
  Wide *wide = new Wide[3];
  CHECK(reinterpret_cast<unsigned long>(wide) % 256 == 0);
  delete[] wide;
  int *numbers = new int[100000]();
  CHECK(numbers[99999] == 0);
  delete[] numbers;
  return 0;
}
