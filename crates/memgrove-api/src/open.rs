//! The one module in a file.

use crate::error::{Error, UserError};

/// The one module in a file's bytes, and the JavaScript that it is inlined in, if it is; `verb` says what is to be done
/// with it.
///
/// # Errors
/// If there is none, or more than one.
pub fn open_one(
    bytes: Vec<u8>,
    name: &str,
    max_bytes: u64,
    verb: &str,
) -> Result<(Vec<u8>, Option<String>), Error> {
    let script = is_text(&bytes).then(|| bytes.clone());
    let mut binaries = memgrove_open::binaries(bytes, name, max_bytes)?;
    match (binaries.pop(), binaries.len()) {
        (Some(binary), 0) => {
            let script =
                script.filter(|_| binary.is_inlined()).and_then(|script| String::from_utf8(script).ok());
            Ok((binary.bytes, script))
        }
        (_, more) => Err(UserError::failed(format!("{name} holds {} modules", more + 1))
            .hint(format!("extract the one to {verb} into a file of its own"))
            .into()),
    }
}

/// A file that may be JavaScript: nothing in its head says that it is not text.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(64).any(|&byte| byte == 0)
}
