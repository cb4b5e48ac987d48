// C++'s allocation functions, for programs without a C++ library. All are weak, so a library's own, or the program's,
// come first. A failure traps: there are no exceptions without a library.

using size_t = decltype(sizeof(0));

extern "C" {
void *malloc(size_t);
void *aligned_alloc(size_t, size_t);
void free(void *);
}

namespace std {
enum class align_val_t : size_t {};
struct nothrow_t;
} // namespace std

#define WEAK __attribute__((weak))

static void *or_trap(void *block) {
  if (!block)
    __builtin_trap();
  return block;
}

// [expr.new]: a size of zero gives a block all the same, as malloc does here.
WEAK void *operator new(size_t size) { return or_trap(malloc(size)); }
WEAK void *operator new[](size_t size) { return or_trap(malloc(size)); }
WEAK void *operator new(size_t size, std::align_val_t align) {
  return or_trap(aligned_alloc(static_cast<size_t>(align), size));
}
WEAK void *operator new[](size_t size, std::align_val_t align) {
  return or_trap(aligned_alloc(static_cast<size_t>(align), size));
}
WEAK void *operator new(size_t size, const std::nothrow_t &) noexcept { return malloc(size); }
WEAK void *operator new[](size_t size, const std::nothrow_t &) noexcept { return malloc(size); }
WEAK void *operator new(size_t size, std::align_val_t align, const std::nothrow_t &) noexcept {
  return aligned_alloc(static_cast<size_t>(align), size);
}
WEAK void *operator new[](size_t size, std::align_val_t align, const std::nothrow_t &) noexcept {
  return aligned_alloc(static_cast<size_t>(align), size);
}

WEAK void operator delete(void *block) noexcept { free(block); }
WEAK void operator delete[](void *block) noexcept { free(block); }
WEAK void operator delete(void *block, size_t) noexcept { free(block); }
WEAK void operator delete[](void *block, size_t) noexcept { free(block); }
WEAK void operator delete(void *block, std::align_val_t) noexcept { free(block); }
WEAK void operator delete[](void *block, std::align_val_t) noexcept { free(block); }
WEAK void operator delete(void *block, size_t, std::align_val_t) noexcept { free(block); }
WEAK void operator delete[](void *block, size_t, std::align_val_t) noexcept { free(block); }
WEAK void operator delete(void *block, const std::nothrow_t &) noexcept { free(block); }
WEAK void operator delete[](void *block, const std::nothrow_t &) noexcept { free(block); }
WEAK void operator delete(void *block, std::align_val_t, const std::nothrow_t &) noexcept { free(block); }
WEAK void operator delete[](void *block, std::align_val_t, const std::nothrow_t &) noexcept { free(block); }
