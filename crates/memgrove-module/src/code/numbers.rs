//! Numbers the calls of a function, so that one call is told from another by little.
//!
//! A frame on a stack names its function. That and the function that it called are nearly enough to know the call:
//! only where one function calls another more than once, a number is needed. Calls whose callee the file does not say
//! or whose callee is the host's count together, from -1 down; all others for each callee, from 0 up.

use std::collections::HashMap;

use wasmparser::Operator;

use crate::facts::Facts;

/// A call of a function that the file names or leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Callee {
    /// This function, which the module defines.
    Own(u32),
    /// This import.
    Host(u32),
    /// Whatever a table or a reference holds, of the type with this index.
    Open(u32),
}

/// The numbers of one function's calls, which are told in the order of its code.
#[derive(Debug, Clone)]
pub struct CallNumbers {
    imported_funcs: u32,
    own: HashMap<u32, i32>,
    others: i32,
}

impl CallNumbers {
    /// For a function of a module that imports so many.
    #[must_use]
    pub fn new(imported_funcs: u32) -> Self {
        Self { imported_funcs, own: HashMap::new(), others: 0 }
    }

    /// Begins with another function.
    pub fn clear(&mut self) {
        self.own.clear();
        self.others = 0;
    }

    /// The number of an instruction, if it is a call.
    pub fn of(&mut self, operator: &Operator<'_>) -> Option<(Callee, i32)> {
        let callee = match *operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                match function_index < self.imported_funcs {
                    true => Callee::Host(function_index),
                    false => Callee::Own(function_index),
                }
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallRef { type_index } => Callee::Open(type_index),
            _ => return None,
        };
        let number = match callee {
            Callee::Own(func) => {
                let next = self.own.entry(func).or_default();
                let number = *next;
                *next = next.saturating_add(1);
                number
            }
            Callee::Host(_) | Callee::Open(_) => {
                self.others = self.others.saturating_sub(1);
                self.others
            }
        };
        Some((callee, number))
    }
}

/// Where numbered calls lie.
pub struct CallOffsets<'a> {
    facts: &'a Facts<'a>,
    /// By function: its calls, sorted.
    known: HashMap<u32, Vec<(Key, u32)>>,
}

/// The callee, where the module defines it, and the number.
type Key = (Option<u32>, i32);

impl<'a> CallOffsets<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, known: HashMap::new() }
    }

    /// The offset, from the start of the file, of the call in `caller` with this number whose callee is or may be
    /// `callee`. A function is read once, whatever the number of questions.
    pub fn offset(&mut self, caller: u32, callee: u32, number: i32) -> Option<u32> {
        let facts = self.facts;
        let calls = self.known.entry(caller).or_insert_with(|| calls_of(facts, caller));
        let key = (Some(callee).filter(|_| number >= 0), number);
        let at = calls.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        calls.get(at).map(|(_, offset)| *offset)
    }
}

fn calls_of(facts: &Facts<'_>, caller: u32) -> Vec<(Key, u32)> {
    let mut numbers = CallNumbers::new(facts.imported_func_count());
    let operators = facts.operators(caller).into_iter().flat_map(|reader| reader.into_iter_with_offsets());
    let mut calls: Vec<(Key, u32)> = operators
        .map_while(Result::ok)
        .filter_map(|(operator, offset)| {
            let key = match numbers.of(&operator)? {
                (Callee::Own(func), number) => (Some(func), number),
                (_, number) => (None, number),
            };
            Some((key, u32::try_from(offset).ok()?))
        })
        .collect();
    calls.sort_unstable();
    calls
}
