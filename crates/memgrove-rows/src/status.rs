//! What became of an input.

use memgrove_open::OpenError;

macro_rules! statuses {
    ($($variant:ident = $word:literal, $meaning:literal;)*) => {
        /// What became of an input, as the column `status` says it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status {
            $(#[doc = $meaning] $variant,)*
        }

        impl Status {
            /// All, with what they mean.
            pub const ALL: &[(Self, &'static str)] = &[$((Self::$variant, $meaning),)*];

            /// Its word in the column.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

statuses! {
    Ok = "ok", "inspected";
    NotWasm = "not-wasm", "holds no WebAssembly";
    Broken = "broken", "breaks the specification, or is cut short";
    BadText = "bad-text", "text format that cannot be assembled";
    Damaged = "damaged", "compressed or an archive, and cannot be unpacked";
    Unreadable = "unreadable", "cannot be opened or read";
    BadLine = "bad-line", "a line of --files-from that names nothing";
    TooLarge = "too-large", "more bytes than --max-size, unpacked or not";
    TooNested = "too-nested", "more archives or compressions in each other than --max-nesting";
    TooCompressed = "too-compressed", "unpacks to more than --max-ratio";
    TooManyMembers = "too-many-members", "an archive of more than a million members";
    TooComplex = "too-complex", "a report would take more memory than the module's size allows";
    TimedOut = "timed-out", "took longer than --max-time";
    OutOfMemory = "out-of-memory", "took more than --max-memory";
    Crashed = "crashed", "ended the process that inspected it: a defect of memgrove";
}

impl Status {
    /// Of what could not be opened.
    #[must_use]
    pub fn of_opening(error: &OpenError) -> Self {
        match error {
            OpenError::NoModule { .. } => Self::NotWasm,
            OpenError::TooLarge { .. } | OpenError::TextTooLarge { .. } => Self::TooLarge,
            OpenError::TooDeep { .. } | OpenError::TooNested { .. } => Self::TooNested,
            OpenError::TooCompressed { .. } => Self::TooCompressed,
            OpenError::TooManyMembers { .. } => Self::TooManyMembers,
            OpenError::Text { .. } | OpenError::NotUtf8 { .. } => Self::BadText,
            OpenError::Unpack { source, .. } | OpenError::Member { source, .. } => {
                match Self::of_opening(source) {
                    Self::Unreadable | Self::NotWasm => Self::Damaged,
                    other => other,
                }
            }
            OpenError::Read(error) if error.kind() == std::io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            _ => Self::Unreadable,
        }
    }

    /// Of bytes that are no valid module.
    #[must_use]
    pub const fn of_module(error: &memgrove_inspect::Error) -> Self {
        use memgrove_inspect::Error;
        match error {
            Error::NotWasm { .. } => Self::NotWasm,
            Error::TooComplex { .. } => Self::TooComplex,
            Error::TooLarge { .. } => Self::TooLarge,
            _ => Self::Broken,
        }
    }
}
