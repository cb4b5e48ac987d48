//! Blocks and branches: what is known of locals where ways part and meet.

use wasmparser::Operator;

use super::{Reader, Value};

/// A block that is open.
pub(super) struct Block {
    is_loop: bool,
    /// What the locals are for whoever branches to its end.
    meeting: Option<Vec<Value>>,
    /// What they are where the condition of an `if` does not hold.
    otherwise: Option<Vec<Value>>,
    /// Whether it was never reached.
    dead: bool,
}

impl Reader<'_, '_> {
    /// Opens and closes blocks; whether the operator was one of theirs.
    pub(super) fn block(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::Block { .. } | O::Loop { .. } | O::If { .. } | O::TryTable { .. } | O::Try { .. } => {
                if matches!(operator, O::If { .. }) {
                    self.pop();
                }
                self.blocks.push(Block {
                    is_loop: matches!(operator, O::Loop { .. }),
                    meeting: None,
                    otherwise: matches!(operator, O::If { .. }).then(|| self.locals.clone()),
                    dead: self.left,
                });
            }
            O::Else | O::Catch { .. } | O::CatchAll => {
                let Some(mut block) = self.blocks.pop() else { return true };
                if !self.left {
                    meet(&mut block.meeting, &self.locals);
                }
                self.left = block.dead;
                match block.otherwise.take() {
                    Some(otherwise) => self.locals = otherwise,
                    None => self.locals.fill(Value::Other),
                }
                self.stack.clear();
                self.blocks.push(block);
            }
            O::End if !self.blocks.is_empty() => {
                let Some(mut block) = self.blocks.pop() else { return true };
                if let Some(otherwise) = &block.otherwise {
                    meet(&mut block.meeting, otherwise);
                }
                if self.left {
                    self.stack.clear();
                } else if block.meeting.is_some() {
                    meet(&mut block.meeting, &self.locals);
                }
                self.left = block.dead || (self.left && block.meeting.is_none());
                if let Some(meeting) = block.meeting {
                    self.locals = meeting;
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn branch(&mut self, depth: u32) {
        let at = self.blocks.len().checked_sub(1 + depth as usize);
        if let Some(block) = at.and_then(|at| self.blocks.get_mut(at))
            && !block.is_loop
        {
            meet(&mut block.meeting, &self.locals);
        }
    }
}

/// Where ways meet, a value is known if it is the same on each.
fn meet(meeting: &mut Option<Vec<Value>>, locals: &[Value]) {
    let Some(met) = meeting else { return *meeting = Some(locals.to_vec()) };
    met.resize(met.len().max(locals.len()), Value::Other);
    for (at, value) in met.iter_mut().enumerate() {
        if locals.get(at) != Some(value) {
            *value = Value::Other;
        }
    }
}
