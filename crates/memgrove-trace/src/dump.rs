use core::fmt;

use crate::{Decoder, Error, Event};

/// Writes a trace as text, one event a line. Blocks are numbered by the order of their allocation.
///
/// # Errors
/// The writer's error outside, the trace's inside; what comes before a fault has been written.
pub fn dump(bytes: &[u8], out: &mut impl fmt::Write) -> Result<Result<(), Error>, fmt::Error> {
    let mut decoder = match Decoder::new(bytes) {
        Ok(decoder) => decoder,
        Err(error) => return Ok(Err(error)),
    };
    let header = decoder.header();
    writeln!(out, "threads {} blocks {} events {}", header.threads, header.blocks, header.events)?;
    while let Some(event) = decoder.next() {
        let number = |age: u64| decoder.blocks_seen() - 1 - age;
        match event {
            Ok(Event::Allocate { size_bytes, align_log2, zeroed }) => {
                let verb = if zeroed { "allocate-zeroed" } else { "allocate" };
                writeln!(out, "{verb} {} size {size_bytes} align {}", number(0), 1u64 << align_log2)?;
            }
            Ok(Event::Reallocate { age, new_size_bytes }) => {
                writeln!(out, "reallocate {} size {new_size_bytes}", number(age))?;
            }
            Ok(Event::Free { age }) => writeln!(out, "free {} age {age}", number(age))?,
            Ok(Event::Thread { thread }) => writeln!(out, "thread {thread}")?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}
