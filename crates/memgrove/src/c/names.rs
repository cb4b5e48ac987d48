//! The macros that define C's and C++'s names in a program.

/// Makes a heap the program's `malloc`: defines C's malloc, calloc, realloc, free, aligned_alloc, posix_memalign, memalign,
/// reallocarray, malloc_usable_size, free_sized and free_aligned_sized over it, and `memgrove_notice_growth`. For a Rust
/// program that is linked with C or C++, once, where the heap is named:
///
/// ```
/// #[global_allocator]
/// static HEAP: memgrove::Dlmalloc = memgrove::Dlmalloc::new();
/// memgrove::c_malloc!(HEAP);
/// # fn main() {}
/// ```
///
/// - The C part is linked without one of memgrove's archives, and without another `malloc`.
/// - Blocks are aligned to 16 bytes. [`Dlmalloc`](crate::Dlmalloc) does that with less waste if its grain is 16:
///   `Dlmalloc<Platform, 16>`, made by `Dlmalloc::with_grain(PLATFORM)`.
/// - What C's functions gave goes back through C's functions, and what Rust's gave through Rust's, as everywhere.
/// - Where the program has an `errno`, a second argument sets it when memory is refused:
///   `c_malloc!(HEAP, || set_errno(48))`.
/// - C++'s `new` and `delete` of a C++ library call `malloc`, so they need nothing. Without such a library
///   [`cxx_new!`](crate::cxx_new) defines them.
/// - In a `cdylib` the names are exported from the module as well, as all of Rust's `no_mangle` functions are.
/// - Natively nothing is defined: the machine's own `malloc` stays.
#[macro_export]
macro_rules! c_malloc {
    ($heap:expr) => {
        $crate::c_malloc!($heap, $crate::c::no_errno);
    };
    ($heap:expr, $refused:expr) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use ::core::ffi::{c_int, c_void};

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut c_void {
                $crate::c::malloc(&$heap, size, $refused)
            }

            #[unsafe(no_mangle)]
            extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
                $crate::c::calloc(&$heap, count, size, $refused)
            }

            /// # Safety
            /// `block` is null or came from a function of this family and was not given back.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free(block: *mut c_void) {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::free(&$heap, block) }
            }

            /// # Safety
            /// As for `free`.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_sized(block: *mut c_void, _size: usize) {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::free(&$heap, block) }
            }

            /// # Safety
            /// As for `free`.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_aligned_sized(block: *mut c_void, _align: usize, _size: usize) {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::free(&$heap, block) }
            }

            /// # Safety
            /// As for `free`; on success only the returned block is used afterwards.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::realloc(&$heap, block, size, $refused) }
            }

            /// # Safety
            /// As for `realloc`.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::reallocarray(&$heap, block, count, size, $refused) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
                $crate::c::aligned_alloc(&$heap, align, size, $refused)
            }

            #[unsafe(no_mangle)]
            extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
                $crate::c::aligned_alloc(&$heap, align, size, $refused)
            }

            /// # Safety
            /// `out` may be written to.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::posix_memalign(&$heap, out, align, size) }
            }

            /// # Safety
            /// As for `free`.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
                // SAFETY: the caller's promise.
                unsafe { $crate::c::malloc_usable_size(&$heap, block) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn memgrove_notice_growth() {
                $crate::source::notice_growth();
            }
        };
    };
}

/// Defines C++'s `operator new` and `operator delete`, all of them, over C's `malloc`: for C++ without a C++ library, beside
/// [`c_malloc!`](crate::c_malloc). A refusal traps, but for `std::nothrow`: there are no exceptions without a library.
///
/// ```
/// #[global_allocator]
/// static HEAP: memgrove::Wee = memgrove::Wee::new();
/// memgrove::c_malloc!(HEAP);
/// memgrove::cxx_new!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! cxx_new {
    () => {
        $crate::cxx_new! {
            new { _Znwm, _Znam }
            new aligned { _ZnwmSt11align_val_t, _ZnamSt11align_val_t }
            new nothrow { _ZnwmRKSt9nothrow_t, _ZnamRKSt9nothrow_t }
            new aligned nothrow { _ZnwmSt11align_val_tRKSt9nothrow_t, _ZnamSt11align_val_tRKSt9nothrow_t }
            delete { _ZdlPv, _ZdaPv }
            delete with one more {
                _ZdlPvm, _ZdaPvm, _ZdlPvSt11align_val_t, _ZdaPvSt11align_val_t, _ZdlPvRKSt9nothrow_t, _ZdaPvRKSt9nothrow_t
            }
            delete with two more {
                _ZdlPvmSt11align_val_t, _ZdaPvmSt11align_val_t,
                _ZdlPvSt11align_val_tRKSt9nothrow_t, _ZdaPvSt11align_val_tRKSt9nothrow_t
            }
        }
    };
    (
        new { $($new:ident),* }
        new aligned { $($aligned:ident),* }
        new nothrow { $($nothrow:ident),* }
        new aligned nothrow { $($aligned_nothrow:ident),* }
        delete { $($delete:ident),* }
        delete with one more { $($delete_one:ident),* }
        delete with two more { $($delete_two:ident),* }
    ) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use ::core::ffi::c_void;

            unsafe extern "C" {
                safe fn malloc(size: usize) -> *mut c_void;
                safe fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
                fn free(block: *mut c_void);
            }

            fn or_trap(block: *mut c_void) -> *mut c_void {
                if block.is_null() {
                    $crate::c::trap();
                }
                block
            }

            $(
                #[unsafe(no_mangle)]
                extern "C" fn $new(size: usize) -> *mut c_void {
                    or_trap(malloc(size))
                }
            )*
            $(
                #[unsafe(no_mangle)]
                extern "C" fn $aligned(size: usize, align: usize) -> *mut c_void {
                    or_trap(aligned_alloc(align, size))
                }
            )*
            $(
                #[unsafe(no_mangle)]
                extern "C" fn $nothrow(size: usize, _: usize) -> *mut c_void {
                    malloc(size)
                }
            )*
            $(
                #[unsafe(no_mangle)]
                extern "C" fn $aligned_nothrow(size: usize, align: usize, _: usize) -> *mut c_void {
                    aligned_alloc(align, size)
                }
            )*
            // What follows the block, a size, an alignment or `std::nothrow`, is not needed.
            $(
                /// # Safety
                /// `block` is null or came from C++'s `new` and was not given back.
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $delete(block: *mut c_void) {
                    // SAFETY: the caller's promise.
                    unsafe { free(block) }
                }
            )*
            $(
                /// # Safety
                /// `block` is null or came from C++'s `new` and was not given back.
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $delete_one(block: *mut c_void, _: usize) {
                    // SAFETY: the caller's promise.
                    unsafe { free(block) }
                }
            )*
            $(
                /// # Safety
                /// `block` is null or came from C++'s `new` and was not given back.
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $delete_two(block: *mut c_void, _: usize, _: usize) {
                    // SAFETY: the caller's promise.
                    unsafe { free(block) }
                }
            )*
        };
    };
}
