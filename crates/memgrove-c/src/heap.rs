//! The archive's allocator, chosen by a feature.

use crate::source::Linear;

#[cfg(not(any(feature = "wee", feature = "dlmalloc", feature = "jemalloc", feature = "hoard")))]
compile_error!("choose the archive's allocator by one of the features wee, dlmalloc, jemalloc, hoard");

#[cfg(feature = "wee")]
type Chosen = memgrove::Wee<Linear>;
#[cfg(feature = "wee")]
const fn chosen() -> Chosen {
    memgrove::Wee::with_source(Linear)
}

#[cfg(feature = "dlmalloc")]
type Chosen = memgrove::Dlmalloc<Linear, { memgrove::c::ALIGN }>;
#[cfg(feature = "dlmalloc")]
const fn chosen() -> Chosen {
    memgrove::Dlmalloc::with_grain(Linear)
}

#[cfg(feature = "jemalloc")]
type Chosen = memgrove::Jemalloc<Linear>;
#[cfg(feature = "jemalloc")]
const fn chosen() -> Chosen {
    memgrove::Jemalloc::with_source(Linear)
}

#[cfg(feature = "hoard")]
type Chosen = memgrove::Hoard<Linear>;
#[cfg(feature = "hoard")]
const fn chosen() -> Chosen {
    memgrove::Hoard::with_source(Linear)
}

#[cfg(not(feature = "hardened"))]
pub(crate) static HEAP: Chosen = chosen();
#[cfg(feature = "hardened")]
pub(crate) static HEAP: memgrove::Hardened<Chosen> = memgrove::Hardened::new(chosen());
