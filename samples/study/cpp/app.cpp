// The study's program in C++ (see ../c/app.c): same calls, no global object.
#include <stdlib.h>
#include <string.h>

namespace {

constexpr size_t kChunkSize = 64 * 1024;

class Chunk {
public:
    Chunk() : bytes_(static_cast<char *>(malloc(kChunkSize))) {}
    ~Chunk() { free(bytes_); }
    Chunk(const Chunk &) = delete;
    Chunk &operator=(const Chunk &) = delete;

    bool holds(const char *wanted, const char *name) {
        if (!bytes_) {
            return false;
        }
        strncpy(bytes_, name, kChunkSize - 1);
        return strcmp(wanted, bytes_) == 0;
    }

private:
    char *bytes_;
};

} // namespace

int main(int, char **argv) {
    Chunk chunk;
    return chunk.holds("myapp", argv[0]) ? EXIT_SUCCESS : EXIT_FAILURE;
}
