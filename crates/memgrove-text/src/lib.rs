//! Text for people that no name out of a module can forge.
//!
//! A name in a module, of a file or in a host profile may hold anything: escape sequences, line breaks, marks
//! that reverse the direction of text. So nothing that is shown travels as a `String` that the printing layer
//! would have to believe. A [`Line`] escapes whatever is pushed into it, literals too; line breaks and styles
//! exist only as structure ([`Text`] is a list of lines, a [`Span`] has a [`Tone`]). A caller cannot forget to
//! escape, and a `\n` pushed by mistake shows at once.
#![forbid(unsafe_code)]

mod escape;
mod line;

pub use escape::{
    LONGEST_WORD_BYTES, escape, escape_file_name, escape_json, escape_name, hex, is_hidden, shorten,
};
pub use line::{Line, Span, Text, Tone};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
