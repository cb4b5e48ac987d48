//! Sizes as people write them.

/// A size in bytes: a number, or a number of KiB, MiB or GiB.
///
/// # Errors
/// What is wrong with it.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit `{other}`; there are KiB, MiB and GiB")),
    };
    let number: u64 =
        digits.parse().map_err(|_| "not a whole number of bytes, KiB, MiB or GiB".to_owned())?;
    match number.checked_mul(unit) {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("more bytes than 64 bits can count".to_owned()),
    }
}
