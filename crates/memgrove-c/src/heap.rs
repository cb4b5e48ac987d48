//! The archive's allocator, chosen by a feature.

use crate::source::Linear;

/// The heap's type and its first value, by feature.
macro_rules! by_feature {
    ($($feature:literal: $heap:ty = $new:expr;)*) => {
        $(
            #[cfg(feature = $feature)]
            type Chosen = $heap;
            #[cfg(feature = $feature)]
            const fn chosen() -> Chosen {
                $new
            }
        )*
        #[cfg(not(any($(feature = $feature),*)))]
        compile_error!(concat!("choose the archive's allocator by one of the features", $(" ", $feature),*));
    };
}

by_feature! {
    "wee": memgrove::Wee<Linear> = memgrove::Wee::with_source(Linear);
    "dlmalloc": memgrove::Dlmalloc<Linear, { memgrove::c::ALIGN }> = memgrove::Dlmalloc::with_grain(Linear);
    "jemalloc": memgrove::Jemalloc<Linear> = memgrove::Jemalloc::with_source(Linear);
    "hoard": memgrove::Hoard<Linear> = memgrove::Hoard::with_source(Linear);
}

#[cfg(not(feature = "hardened"))]
pub(crate) static HEAP: Chosen = chosen();
#[cfg(feature = "hardened")]
pub(crate) static HEAP: memgrove::Hardened<Chosen> = memgrove::Hardened::new(chosen());
