//! The cases: names, and what is to be found.

use memgrove_profile::MisuseKind::{
    self, DoubleFree, InvalidFree, NullOffset, Overflow, ReallocAfterFree, StackOverflow, Underflow,
    UseAfterFree, WrongAlignment, WrongSize,
};

/// By the number of the case: its function, the misuse, and the function that does it.
pub(crate) const CASES: &[(&str, MisuseKind, &str)] = &[
    ("use_after_free_read", UseAfterFree, "get1"),
    ("use_after_free_write", UseAfterFree, "put4"),
    ("use_after_reuse", UseAfterFree, "put8"),
    ("overflow_read_1", Overflow, "get1"),
    ("overflow_write_1", Overflow, "put1"),
    ("overflow_write_whole", Overflow, "put1"),
    ("overflow_read_2", Overflow, "get2"),
    ("overflow_write_2", Overflow, "put2"),
    ("overflow_read_4", Overflow, "get4"),
    ("overflow_write_4", Overflow, "put4"),
    ("overflow_write_last_byte", Overflow, "put8"),
    ("overflow_read_8", Overflow, "get8"),
    ("overflow_read_double", Overflow, "getd"),
    ("overflow_write_float", Overflow, "putf"),
    ("underflow_read_1", Underflow, "get1"),
    ("underflow_write_4", Underflow, "put4"),
    ("underflow_write_8", Underflow, "put8"),
    ("overflow_copy_to", Overflow, "copy"),
    ("overflow_copy_from", Overflow, "copy"),
    ("overflow_fill", Overflow, "fill"),
    ("double_free", DoubleFree, "give"),
    ("invalid_free_inside", InvalidFree, "give"),
    ("invalid_free_of_data", InvalidFree, "give"),
    // C only.
    ("use_after_realloc", UseAfterFree, "put1"),
    ("overflow_of_realloc", Overflow, "put1"),
    ("overflow_of_calloc", Overflow, "put1"),
    ("realloc_after_free", ReallocAfterFree, "realloc_after_free"),
    ("overflow_of_aligned", Overflow, "put1"),
    ("use_of_refused_allocation", NullOffset, "put1"),
    ("stack_overflow", StackOverflow, "deep"),
];
/// Cases that C++ has, too.
pub(crate) const OF_CPP: usize = 23;
/// The same of the guest in Rust.
pub(crate) const OF_RUST: &[(&str, MisuseKind, &str)] = &[
    ("use_after_free_read", UseAfterFree, "get1"),
    ("use_after_free_write", UseAfterFree, "put4"),
    ("use_after_reuse", UseAfterFree, "put8"),
    ("overflow_read_1", Overflow, "get1"),
    ("overflow_write_1", Overflow, "put1"),
    ("overflow_write_whole", Overflow, "put1"),
    ("overflow_read_2", Overflow, "get2"),
    ("overflow_write_2", Overflow, "put2"),
    ("overflow_read_4", Overflow, "get4"),
    ("overflow_write_4", Overflow, "put4"),
    ("overflow_read_8", Overflow, "get8"),
    ("underflow_read_1", Underflow, "get1"),
    ("underflow_write_4", Underflow, "put4"),
    ("underflow_write_8", Underflow, "put8"),
    ("overflow_copy_to", Overflow, "copy"),
    ("overflow_copy_from", Overflow, "copy"),
    ("overflow_fill", Overflow, "fill"),
    ("double_free", DoubleFree, "give"),
    ("invalid_free_inside", InvalidFree, "give"),
    ("wrong_size", WrongSize, "give"),
    ("wrong_alignment", WrongAlignment, "give"),
    ("wrong_size_of_realloc", WrongSize, "wrong_size_of_realloc"),
    ("use_after_realloc", UseAfterFree, "put1"),
    ("overflow_of_realloc", Overflow, "put1"),
    ("overflow_of_zeroed", Overflow, "get1"),
    ("overflow_of_aligned", Overflow, "put1"),
    ("overflow_of_vector", Overflow, "put4"),
    ("use_of_dropped_box", UseAfterFree, "get8"),
];

/// Reports of these tell of no block.
pub(crate) const ABOUT_NO_BLOCK: &[&str] =
    &["invalid_free_of_data", "use_of_refused_allocation", "stack_overflow"];
