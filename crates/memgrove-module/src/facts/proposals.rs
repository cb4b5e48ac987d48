//! Which extensions of WebAssembly 1.0 a module really uses, each with its first use.

use serde::Serialize;

macro_rules! proposals {
    ($($variant:ident = $id:literal, $doc:literal;)*) => {
        /// An extension of the first version of WebAssembly (the "MVP" of 2017).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Proposal {
            $(#[doc = $doc] $variant,)*
        }

        impl Proposal {
            /// All of them, in the order in which they are reported.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in reports and in `knowledge/engines`: that of the proposal's repository.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }
        }
    };
}

proposals! {
    MutableGlobals = "mutable-globals", "Mutable globals imported or exported.";
    SignExtension = "sign-extension", "`i32.extend8_s` and its like.";
    SaturatingFloatToInt = "saturating-float-to-int", "`i32.trunc_sat_f32_s` and its like.";
    MultiValue = "multi-value", "More than one result, blocks with parameters.";
    BulkMemory = "bulk-memory", "`memory.copy`, `memory.fill`, passive segments.";
    ReferenceTypes = "reference-types", "`externref`, several tables, `table.grow`.";
    Simd = "simd", "128-bit vectors.";
    RelaxedSimd = "relaxed-simd", "Vector instructions with results that depend on the machine.";
    Threads = "threads", "Shared memory and atomic instructions.";
    TailCall = "tail-call", "`return_call`.";
    ExtendedConst = "extended-const", "Arithmetic in constant expressions.";
    LegacyExceptions = "legacy-exceptions", "`try` and `catch` as browsers shipped them in 2021.";
    Exceptions = "exceptions", "Tags, `throw`, `try_table`, `exnref`.";
    Memory64 = "memory64", "64-bit memories and tables.";
    MultiMemory = "multi-memory", "More than one memory.";
    FunctionReferences = "function-references", "Typed function references.";
    Gc = "gc", "Structs and arrays under the engine's collector.";
    CustomPageSizes = "custom-page-sizes", "Memories whose page is one byte.";
    WideArithmetic = "wide-arithmetic", "128-bit integer arithmetic.";
    StackSwitching = "stack-switching", "Continuations, tags with results.";
    MemoryControl = "memory-control", "`memory.discard`.";
    SharedEverythingThreads = "shared-everything-threads", "Shared globals, tables and functions.";
    CustomDescriptors = "custom-descriptors", "Descriptors of structs, exact types.";
    AcquireReleaseAtomics = "acquire-release-atomics", "Atomics with weaker ordering.";
    MultibyteArrayAccess = "multibyte-array-access", "Loads and stores of words in byte arrays.";
    CompactImports = "compact-imports", "Import section with shared module names.";
    ComponentModel = "component-model", "A component instead of a module.";
}

impl Proposal {
    /// The proposal with an id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|proposal| proposal.id() == id)
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl Serialize for Proposal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// The first place at which a proposal is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstUse {
    /// The proposal.
    pub proposal: Proposal,
    /// What needs it: an instruction or a construct.
    pub what: &'static str,
    /// Function index where it is an instruction.
    pub func: Option<u32>,
    /// Byte offset in the file.
    pub offset: u32,
}

/// The first place of a floating-point type or instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatUse {
    pub(super) what: &'static str,
    /// Function index where it is an instruction or a local.
    pub func: Option<u32>,
    /// Byte offset in the file.
    pub offset: u32,
}

/// The proposals a module uses: exactly those without which it does not validate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProposalsUsed {
    seen: u32,
    uses: Vec<FirstUse>,
    /// First use of what both exception proposals have: a tag, or `throw`.
    tag: Option<FirstUse>,
    /// First reference to a defined type, which both function-references and gc have.
    defined_type: Option<FirstUse>,
    floats: Option<FloatUse>,
}

impl ProposalsUsed {
    /// Whether `proposal` is used.
    #[must_use]
    pub fn contains(&self, proposal: Proposal) -> bool {
        self.seen & proposal.bit() != 0
    }

    /// The first use of `proposal`.
    #[must_use]
    pub fn first_use(&self, proposal: Proposal) -> Option<&FirstUse> {
        self.uses.iter().find(|first| first.proposal == proposal)
    }

    /// The first floating-point type or instruction. They are as old as WebAssembly, but some hosts refuse them.
    #[must_use]
    pub fn floats(&self) -> Option<&FloatUse> {
        self.floats.as_ref()
    }

    /// The proposals used, each with its first use, in the order of [`Proposal::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &FirstUse> {
        Proposal::ALL.iter().filter_map(|&proposal| self.first_use(proposal))
    }

    #[inline]
    pub(super) fn note(&mut self, proposal: Proposal, what: &'static str, func: Option<u32>, offset: u64) {
        if self.seen & proposal.bit() == 0 {
            self.add(FirstUse { proposal, what, func, offset: super::offset32(offset) });
        }
    }

    #[cold]
    fn add(&mut self, first: FirstUse) {
        self.seen |= first.proposal.bit();
        self.uses.push(first);
    }

    #[inline]
    pub(super) fn note_float(&mut self, what: &'static str, func: Option<u32>, offset: u64) {
        if self.floats.is_none() {
            self.floats = Some(FloatUse { what, func, offset: super::offset32(offset) });
        }
    }

    /// Notes what both exception proposals have; [`settle`](Self::settle) decides which one it is.
    pub(super) fn note_tag(&mut self, what: &'static str, func: Option<u32>, offset: u64) {
        let offset = super::offset32(offset);
        self.tag.get_or_insert(FirstUse { proposal: Proposal::Exceptions, what, func, offset });
    }

    /// Notes a reference to a defined type; [`settle`](Self::settle) decides which proposal it takes.
    pub(super) fn note_defined_type(&mut self, func: Option<u32>, offset: u64) {
        let (what, offset) = ("reference to a defined type", super::offset32(offset));
        self.defined_type.get_or_insert(FirstUse {
            proposal: Proposal::FunctionReferences,
            what,
            func,
            offset,
        });
    }

    /// Decides where two proposals have the same: tags count as the newer exceptions unless the code catches with the
    /// older ones, references to defined types as function-references unless gc, which has them too, is used anyway.
    pub(super) fn settle(&mut self) {
        if let Some(first) = self.tag
            && !self.contains(Proposal::LegacyExceptions)
            && !self.contains(Proposal::Exceptions)
        {
            self.add(first);
        }
        if let Some(first) = self.defined_type
            && !self.contains(Proposal::Gc)
            && !self.contains(Proposal::FunctionReferences)
        {
            self.add(first);
        }
    }

    /// Takes over what a later part of the file uses.
    pub(super) fn merge(&mut self, later: Self) {
        self.tag = self.tag.or(later.tag);
        self.defined_type = self.defined_type.or(later.defined_type);
        self.floats = self.floats.or(later.floats);
        for first in later.uses {
            if !self.contains(first.proposal) {
                self.add(first);
            }
        }
    }
}
