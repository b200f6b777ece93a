//! From one document to another: the operations that lead there, few and readable.
//!
//! Steps are told by their ids. Where ids are missing or stand twice, the steps are replaced as a whole. What comes out is
//! carried out while it is found, so that it is known to lead to the target.

mod fields;
mod flat;
mod tree;

use std::collections::HashSet;

use serde_json::Value;

use super::{ClearField, Operation, Refusal, ReplaceDocument, SetField, Touched, nodes, run};
use flat::Flat;

#[cfg(test)]
pub(super) use flat::shell;

/// Operations times steps that are gone through before the steps are replaced as a whole: past that nobody reads them.
const MAX_WORK: usize = 2_000_000;

/// The operations that make `to` of `from`, in order; none where they are equal. Applied together they give exactly `to`.
pub fn edit_script(from: &Value, to: &Value) -> Vec<Operation> {
    between(from, to).operations
}

/// The way from one document to another.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub operations: Vec<Operation>,
    pub touched: Touched,
}

/// The way from one document to another, and what is touched on it.
pub(crate) fn between(from: &Value, to: &Value) -> Way {
    if from == to {
        return Way::default();
    }
    let mut script = Script { work: from.clone(), way: Way::default(), steps: 0 };
    match script.build(from, to) {
        Ok(()) if script.work == *to => script.way,
        _ => whole_steps(from, to).unwrap_or_else(|| whole(to)),
    }
}

/// The way that replaces all steps at once.
fn whole_steps(from: &Value, to: &Value) -> Option<Way> {
    let mut script = Script { work: from.clone(), way: Way::default(), steps: 0 };
    script.flow_fields(from, to).ok()?;
    script.replace_steps(from, to).ok()?;
    (script.work == *to).then_some(script.way)
}

/// The way that replaces everything at once.
fn whole(to: &Value) -> Way {
    let operations = vec![Operation::ReplaceDocument(ReplaceDocument { document: to.clone() })];
    Way { operations, touched: Touched { everything: true, ..Touched::default() } }
}

/// A way under construction, and the document where it has come to.
struct Script {
    work: Value,
    way: Way,
    /// Steps of the documents, for [`MAX_WORK`].
    steps: usize,
}

/// Nothing worth reading leads there.
struct GiveUp;

impl From<Refusal> for GiveUp {
    fn from(_: Refusal) -> Self {
        Self
    }
}

impl Script {
    fn build(&mut self, from: &Value, to: &Value) -> Result<(), GiveUp> {
        self.flow_fields(from, to)?;
        if from.get("steps") == to.get("steps") {
            return Ok(());
        }
        match (Flat::of(from), Flat::of(to)) {
            (Some(from), Some(to)) => {
                self.steps = from.order.len() + to.order.len();
                tree::rebuild(self, &from, &to)
            }
            _ => self.replace_steps(from, to),
        }
    }

    /// Carries the operation out and keeps it.
    fn push(&mut self, operation: Operation) -> Result<(), GiveUp> {
        if (self.way.operations.len() + 1).saturating_mul(self.steps) > MAX_WORK {
            return Err(GiveUp);
        }
        run(&mut self.work, &operation)?;
        self.way.operations.push(operation);
        Ok(())
    }

    fn replace_steps(&mut self, from: &Value, to: &Value) -> Result<(), GiveUp> {
        if from.get("steps") == to.get("steps") {
            return Ok(());
        }
        self.way.touched.everything = true;
        let path = vec!["steps".to_owned()];
        self.push(match to.get("steps") {
            Some(steps) => Operation::SetField(SetField { step_id: None, path, value: steps.clone() }),
            None => Operation::ClearField(ClearField { step_id: None, path }),
        })
    }

    fn touch(&mut self, step_id: &str) {
        add(&mut self.way.touched.steps, step_id);
    }

    fn touch_all(&mut self, node: &Value) {
        let known: HashSet<String> = self.way.touched.steps.iter().cloned().collect();
        let ids = nodes::ids_below(node).into_iter().filter(|id| !known.contains(*id)).map(str::to_owned);
        self.way.touched.steps.extend(ids);
    }

    fn touch_within(&mut self, container: Option<&str>) {
        if let Some(container) = container {
            add(&mut self.way.touched.within, container);
        }
    }
}

fn add(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}
