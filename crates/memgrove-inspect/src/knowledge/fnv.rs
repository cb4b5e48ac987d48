//! FNV-1a with 64 bits: the version of the knowledge. The build script begins it, and hosts that are added go on with it.

/// The hash of nothing.
#[allow(dead_code, reason = "where the build script begins")]
pub(crate) const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what had this hash, with these bytes behind it.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
