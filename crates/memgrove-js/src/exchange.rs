//! How bytes come in and go out: the exports of the module.
//!
//! Invariants:
//! 1. An address that [`memgrove_buffer`] or [`memgrove_pointer`] returned is that of a live `Vec` until the next call
//!    of [`memgrove_call`]; JavaScript writes into the former before it, and reads the latter.
//! 2. Nothing is borrowed when control leaves this module.
#![allow(unsafe_code, reason = "exports need names that are not mangled")]

use std::cell::RefCell;

use crate::operation;

thread_local! {
    /// What the next call is about: the request and its inputs.
    static INBOX: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    /// What came out of the last call.
    static OUTBOX: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for one more part of a request and returns its address.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_buffer(length_bytes: usize) -> *mut u8 {
    INBOX.with_borrow_mut(|inbox| {
        inbox.push(vec![0; length_bytes]);
        inbox.last_mut().map_or(std::ptr::null_mut(), |buffer| buffer.as_mut_ptr())
    })
}

/// Does what the first buffer asks for, with the others as inputs; returns the number of parts that came out.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_call() -> usize {
    #[cfg(target_arch = "wasm32")]
    crate::engine::tell_panics();
    let mut parts = INBOX.take().into_iter();
    OUTBOX.take();
    let request = parts.next().unwrap_or_default();
    let out = operation::run(&request, parts.collect());
    let count = out.len();
    OUTBOX.set(out);
    count
}

/// The address of a part that came out.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_pointer(part: usize) -> *const u8 {
    OUTBOX.with_borrow(|out| out.get(part).map_or(std::ptr::null(), |bytes| bytes.as_ptr()))
}

/// Its length in bytes.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_length(part: usize) -> usize {
    OUTBOX.with_borrow(|out| out.get(part).map_or(0, Vec::len))
}

/// The last buffer that JavaScript has filled; empty if there is none.
pub(crate) fn take_last() -> Vec<u8> {
    INBOX.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// What comes out next, as the only part.
pub(crate) fn put(part: Vec<u8>) {
    OUTBOX.set(vec![part]);
}
