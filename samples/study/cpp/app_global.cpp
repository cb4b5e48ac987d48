// The study's program in C++ with a global object: its constructor allocates before
// `main`, and `main` compares with what it made. A host that starts the module without
// running the constructors makes it fail, it cannot pass by luck.
#include <stdlib.h>
#include <string.h>

namespace {

constexpr size_t kChunkSize = 64 * 1024;

struct Chunk {
    char *bytes;

    explicit Chunk(const char *name) : bytes(static_cast<char *>(malloc(kChunkSize))) {
        if (bytes) {
            strncpy(bytes, name, kChunkSize - 1);
        }
    }
    ~Chunk() { free(bytes); }
    Chunk(const Chunk &) = delete;
    Chunk &operator=(const Chunk &) = delete;
};

// Read at run time, so that no compiler can run the constructor at compile time.
const char *volatile wanted_name = "myapp";

Chunk wanted(wanted_name);

} // namespace

int main(int, char **argv) {
    Chunk chunk(argv[0]);
    if (!chunk.bytes || !wanted.bytes) {
        return EXIT_FAILURE;
    }
    return strcmp(wanted.bytes, chunk.bytes) ? EXIT_FAILURE : EXIT_SUCCESS;
}
