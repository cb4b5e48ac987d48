//! What stands for an instruction.

use memgrove_module::facts::Proposal;
use wasmparser::{Operator, ValType};

use crate::edit::Sections;

/// What stands for an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Both ways over so many bits.
    Shifts32(i32),
    Shifts64(i64),
    /// A call of this function.
    Call(Helper),
    /// The same instruction, its numbers written short.
    Short,
    /// `select` without a type.
    Select,
}

macro_rules! helpers {
    ($($helper:ident $name:literal,)*) => {
        /// A function of `lower/lower.wat`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Helper { $($helper,)* }

        impl Helper {
            /// All of them.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$helper,)*];

            /// The instruction that it is, and its name there.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$helper => $name,)* }
            }
        }
    };
}

helpers! {
    Copy "memory.copy",
    Fill "memory.fill",
    Discard "memory.discard",
    I32F32S "i32.trunc_sat_f32_s",
    I32F32U "i32.trunc_sat_f32_u",
    I32F64S "i32.trunc_sat_f64_s",
    I32F64U "i32.trunc_sat_f64_u",
    I64F32S "i64.trunc_sat_f32_s",
    I64F32U "i64.trunc_sat_f32_u",
    I64F64S "i64.trunc_sat_f64_s",
    I64F64U "i64.trunc_sat_f64_u",
}

/// What of a module is to be lowered.
pub(super) struct Lowerable {
    sign_extension: bool,
    saturating: bool,
    bulk: bool,
    discard: bool,
    reference_types: bool,
}

impl Lowerable {
    pub fn new(sections: &Sections<'_>, wanted: &[Proposal]) -> Self {
        const PAGE_LOG2: u32 = 16;
        // The functions take 32-bit addresses and pages of 64 KiB.
        let is_plain = |ty: &wasmparser::MemoryType| {
            !ty.memory64 && ty.page_size_log2.is_none_or(|log2| log2 == PAGE_LOG2)
        };
        let is_plain = sections.memories.first().is_some_and(is_plain);
        Self {
            sign_extension: wanted.contains(&Proposal::SignExtension),
            saturating: wanted.contains(&Proposal::SaturatingFloatToInt),
            bulk: wanted.contains(&Proposal::BulkMemory) && is_plain,
            discard: wanted.contains(&Proposal::MemoryControl) && is_plain,
            reference_types: wanted.contains(&Proposal::ReferenceTypes),
        }
    }

    /// What stands for an instruction, which `bytes` encode: its proposal, name and form. `None`: it stays.
    pub fn form(&self, operator: &Operator<'_>, bytes: &[u8]) -> Option<(Proposal, &'static str, Form)> {
        use Operator as O;
        let shifts32 = |name, bits| (Proposal::SignExtension, name, Form::Shifts32(bits));
        let shifts64 = |name, bits| (Proposal::SignExtension, name, Form::Shifts64(bits));
        let converts = |helper: Helper| (Proposal::SaturatingFloatToInt, helper.name(), Form::Call(helper));
        let bulk = |helper: Helper| (Proposal::BulkMemory, helper.name(), Form::Call(helper));
        let found = match operator {
            O::I32Extend8S => shifts32("i32.extend8_s", 24),
            O::I32Extend16S => shifts32("i32.extend16_s", 16),
            O::I64Extend8S => shifts64("i64.extend8_s", 56),
            O::I64Extend16S => shifts64("i64.extend16_s", 48),
            O::I64Extend32S => shifts64("i64.extend32_s", 32),
            O::I32TruncSatF32S => converts(Helper::I32F32S),
            O::I32TruncSatF32U => converts(Helper::I32F32U),
            O::I32TruncSatF64S => converts(Helper::I32F64S),
            O::I32TruncSatF64U => converts(Helper::I32F64U),
            O::I64TruncSatF32S => converts(Helper::I64F32S),
            O::I64TruncSatF32U => converts(Helper::I64F32U),
            O::I64TruncSatF64S => converts(Helper::I64F64S),
            O::I64TruncSatF64U => converts(Helper::I64F64U),
            O::MemoryCopy { dst_mem: 0, src_mem: 0 } => bulk(Helper::Copy),
            O::MemoryFill { mem: 0 } => bulk(Helper::Fill),
            O::MemoryDiscard { mem: 0 } => {
                (Proposal::MemoryControl, Helper::Discard.name(), Form::Call(Helper::Discard))
            }
            // The index stands last: where the byte before its last one says that more follows, it is long.
            O::CallIndirect { table_index: 0, .. }
                if bytes.iter().rev().nth(1).is_some_and(|byte| byte & 0x80 != 0) =>
            {
                (Proposal::ReferenceTypes, "call_indirect with a long table index", Form::Short)
            }
            O::TypedSelect { ty: ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 } => {
                (Proposal::ReferenceTypes, "select with a type", Form::Select)
            }
            _ => return None,
        };
        let is_wanted = match found.0 {
            Proposal::SignExtension => self.sign_extension,
            Proposal::SaturatingFloatToInt => self.saturating,
            Proposal::BulkMemory => self.bulk,
            Proposal::MemoryControl => self.discard,
            _ => self.reference_types,
        };
        is_wanted.then_some(found)
    }
}

/// Refers to a data segment.
pub(super) fn names_data(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryInit { .. }
            | Operator::DataDrop { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayInitData { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::Helper;
    use crate::graft::Donor;

    #[test]
    fn every_function_is_there() {
        let donor = Donor::read(super::super::WASM).expect("it can be grafted");
        for helper in Helper::ALL {
            assert!(donor.func(helper.name()).is_some(), "{helper:?}");
        }
    }
}
