//! Functions of the allocator that do nothing but pass their arguments on to another of the same role: `malloc` that calls
//! `dlmalloc`. Each would note the same block again, so their wrappers call what does the work, and only they note it.

use std::collections::BTreeMap;

use wasmparser::Operator;

use super::Role;
use crate::Error;
use crate::edit::Sections;

/// A chain of more is somebody's joke.
const MAX_CHAIN: usize = 8;

/// By function that passes on: the one at the end of its chain that does the work. Linear in the bodies of `functions`.
pub(super) fn behind(
    sections: &Sections<'_>,
    functions: &BTreeMap<u32, Role>,
) -> Result<BTreeMap<u32, u32>, Error> {
    let mut next = BTreeMap::new();
    for (body, func) in sections.bodies()?.zip(sections.imported_funcs..) {
        let body = body?;
        let Some(role) = functions.get(&func) else { continue };
        let mut operators = body.get_operators_reader()?;
        let mut passed = 0_u32;
        let callee = loop {
            match operators.read()? {
                Operator::LocalGet { local_index } if local_index == passed => passed += 1,
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    break Some(function_index).filter(|_| matches!(operators.read(), Ok(Operator::End)));
                }
                _ => break None,
            }
        };
        // A function of the host's has no code to call but itself, which is wrapped.
        let is_other = |callee: &u32| {
            functions.get(callee) == Some(role)
                && *callee != func
                && *callee >= sections.imported_funcs
                && operators.eof()
        };
        let params = sections.func_type(func).map_or(0, |ty| ty.params().len());
        if let Some(callee) = callee.filter(is_other).filter(|_| passed as usize == params) {
            next.insert(func, callee);
        }
    }
    let end = |func: u32| {
        let mut at = func;
        for _ in 0..MAX_CHAIN {
            match next.get(&at) {
                Some(&callee) => at = callee,
                None => return Some(at),
            }
        }
        None
    };
    Ok(next.keys().filter_map(|&func| Some((func, end(func)?))).collect())
}
