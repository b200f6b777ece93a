//! The tree: nodes and containers. Knows how deep and wide they may be, and which leaves stand where.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{
    Bounds, block,
    fields::{Fields, Report, expected},
    keys,
};
use crate::{Branch, FlowKind, LeafInfo, Loop, Node, NodeKind, ProblemCode};

/// The tree as far as it has been read.
pub(super) struct Tree<'r> {
    pub(super) report: &'r mut Report,
    pub(super) bounds: &'r Bounds,
    pub(super) flow_kind: FlowKind,
    /// Where each id was first seen.
    ids: HashMap<String, String>,
    leaves: Vec<LeafInfo>,
    nodes_seen: usize,
    /// The containers around the node at hand.
    around: Around,
}

#[derive(Default)]
struct Around {
    depth: usize,
    loops: Vec<Arc<str>>,
    branches: usize,
    units: usize,
}

impl<'r> Tree<'r> {
    pub(super) fn new(bounds: &'r Bounds, flow_kind: FlowKind, report: &'r mut Report) -> Self {
        let (ids, around) = (HashMap::new(), Around::default());
        Self { report, bounds, flow_kind, ids, leaves: Vec::new(), nodes_seen: 0, around }
    }

    /// The leaves in tree order.
    pub(super) fn finish(self) -> Vec<LeafInfo> {
        if self.leaves.len() > self.bounds.blocks {
            let message =
                format!("the flow has {} blocks; at most {} are allowed", self.leaves.len(), self.bounds.blocks);
            self.report.error("steps", ProblemCode::TooLarge, message);
        }
        self.leaves
    }

    /// The nodes of a list, in order; those that cannot be read are reported and left out.
    pub(super) fn nodes(&mut self, path: &str, values: &[Value]) -> Vec<Node> {
        let node = |(index, value)| self.node(&format!("{path}[{index}]"), value);
        values.iter().enumerate().filter_map(node).collect()
    }

    fn node(&mut self, path: &str, value: &Value) -> Option<Node> {
        self.nodes_seen += 1;
        let fields = Fields::read(path, value, self.report)?;
        fields.only(keys::NODE, self.report);
        let id: Arc<str> = self.id(&fields).into();
        let name =
            fields.text("name", self.report).filter(|name| !name.is_empty()).map_or_else(|| id.clone(), Arc::from);
        fields.text("notes", self.report);
        let kind = self.only_kind(&fields)?;
        let first = self.leaves.len();
        let kind = match kind {
            "llm" | "code" | "passthrough" => self.leaf(&fields, kind, &id, &name),
            container => self.container(&fields, container, &id),
        }?;
        Some(Node { id, name, leaves: first..self.leaves.len(), kind })
    }

    fn id(&mut self, fields: &Fields) -> String {
        if fields.get("id").is_none() {
            fields.missing("id", "give the step an id, such as `classify`", self.report);
        }
        let Some(id) = fields.text("id", self.report) else { return String::new() };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
            fields.invalid("id", "has to be 1 to 64 letters, digits, underscores and hyphens", self.report);
        }
        if let Some(first) = self.ids.get(id) {
            let message = format!("`{id}` is also the id of {first}; ids are unique in a flow");
            self.report.error(&fields.at("id"), ProblemCode::DuplicateId, message);
        } else {
            self.ids.insert(id.to_owned(), fields.path.clone());
        }
        id.to_owned()
    }

    fn only_kind(&mut self, fields: &Fields) -> Option<&'static str> {
        let given: Vec<&'static str> = keys::KINDS.iter().copied().filter(|kind| fields.get(kind).is_some()).collect();
        let message = match given.as_slice() {
            [only] => return Some(*only),
            [] => format!("the step says not what it does; add one of {}", keys::KINDS.join(", ")),
            several => format!("a step does one thing, not {}; make it several steps", several.join(" and ")),
        };
        self.report.error(&fields.path, ProblemCode::NodeKind, message);
        None
    }

    fn leaf(&mut self, fields: &Fields, kind: &str, id: &Arc<str>, name: &Arc<str>) -> Option<NodeKind> {
        let at = self.leaves.len();
        let leaf = block::read(self, fields, kind);
        let tools_enabled = leaf.as_ref().is_some_and(block::tools_enabled);
        if tools_enabled && self.around.units > 0 {
            // No error: without tools the flow runs. A call that sends some is refused with the same code.
            let message =
                "a block in a loop or a parallel container cannot take tools; move it out, or remove `tools_enabled`";
            let path = format!("{}.llm.tools_enabled", fields.path);
            self.report.warning(&path, ProblemCode::ToolsInNonSequentialStep, message);
        }
        self.leaves.push(LeafInfo {
            id: Arc::clone(id),
            name: Arc::clone(name),
            loops: self.around.loops.clone(),
            in_branch: self.around.branches > 0,
            in_unit: self.around.units > 0,
            unit: at..at + 1,
            tools_enabled,
        });
        leaf.map(NodeKind::Leaf)
    }

    fn container(&mut self, fields: &Fields, kind: &str, id: &Arc<str>) -> Option<NodeKind> {
        for key in ["retry", "timeout_ms"] {
            if fields.get(key).is_some() {
                let message = format!("`{key}` belongs to a block; put it on the blocks in the `{kind}`");
                self.report.error(&fields.at(key), ProblemCode::UnknownKey, message);
            }
        }
        if self.around.depth == self.bounds.nesting {
            let message = format!("containers are nested deeper than {} levels", self.bounds.nesting);
            self.report.error(&fields.path, ProblemCode::TooLarge, message);
            return None;
        }
        self.around.depth += 1;
        let node = match kind {
            "sequence" => self.children(fields, "sequence").map(NodeKind::Sequence),
            "parallel" => self.parallel(fields),
            "loop" => self.each(fields, id),
            _ => self.branch(fields),
        };
        self.around.depth -= 1;
        node
    }

    /// The nodes under `key`; reports an empty list.
    fn children(&mut self, fields: &Fields, key: &str) -> Option<Vec<Node>> {
        let values = fields.list(key, self.report)?;
        if values.is_empty() {
            self.report.error(
                &fields.at(key),
                ProblemCode::NoSteps,
                "holds no steps; add one, or remove the container",
            );
        }
        Some(self.nodes(&fields.at(key), values))
    }

    fn parallel(&mut self, fields: &Fields) -> Option<NodeKind> {
        let children = self.unit(|tree| tree.children(fields, "parallel"))?;
        if children.len() > self.bounds.parallel_width {
            let message = format!("{} children; at most {} run at once", children.len(), self.bounds.parallel_width);
            self.report.error(&fields.at("parallel"), ProblemCode::TooLarge, message);
        }
        Some(NodeKind::Parallel(children))
    }

    fn each(&mut self, fields: &Fields, id: &Arc<str>) -> Option<NodeKind> {
        let fields = fields.object("loop", self.report)?;
        fields.only(keys::LOOP, self.report);
        let over = self.over(&fields);
        let concurrency = fields.number("concurrency", (1, self.bounds.loop_concurrency), self.report);
        let on_error = fields.one_of("on_item_error", &[("fail", false), ("continue", true)], self.report);
        if fields.get("steps").is_none() {
            fields.missing("steps", "say what is done with each item", self.report);
        }
        self.around.loops.push(Arc::clone(id));
        let steps = self.unit(|tree| tree.children(&fields, "steps"));
        self.around.loops.pop();
        Some(NodeKind::Loop(Loop {
            over: over?,
            concurrency: concurrency.and_then(|number| u32::try_from(number).ok()),
            continue_on_error: on_error.unwrap_or(false),
            steps: steps?,
        }))
    }

    fn over(&mut self, fields: &Fields) -> Option<String> {
        if fields.get("over").is_none() {
            fields.missing("over", "name the list to walk over, such as `items` or `classify.items`", self.report);
        }
        let over = fields.text("over", self.report)?;
        let plain =
            |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "{}[]|()".contains(c));
        if !over.split('.').all(plain) {
            let message =
                format!("`{over}` is no path; write names and indexes with dots, without braces: `classify.items`");
            fields.invalid("over", message, self.report);
        }
        Some(over.to_owned())
    }

    fn branch(&mut self, fields: &Fields) -> Option<NodeKind> {
        let fields = fields.object("branch", self.report)?;
        fields.only(keys::BRANCH, self.report);
        if fields.get("on").is_none() {
            fields.missing("on", "say what the cases are compared with, such as `\"{{ label }}\"`", self.report);
        }
        let on = block::template(&fields, "on", self.report);
        self.around.branches += 1;
        let cases = self.cases(&fields);
        let otherwise = self.branch_steps(&fields.at("else"), fields.get("else"));
        self.around.branches -= 1;
        Some(NodeKind::Branch(Branch { on: on?, cases: cases?, otherwise }))
    }

    fn cases(&mut self, fields: &Fields) -> Option<Vec<(String, Vec<Node>)>> {
        if fields.get("cases").is_none() {
            fields.missing("cases", "give each value its steps: `cases: {bug: [...]}`", self.report);
        }
        let cases = fields.object("cases", self.report)?;
        if cases.keys().next().is_none() {
            fields.invalid("cases", "has no case; give at least one value its steps", self.report);
        }
        for key in cases.keys().filter(|key| key.trim() != *key) {
            cases.invalid(key, "has spaces around it; cases are compared without them", self.report);
        }
        let case = |key: &str| (key.to_owned(), self.branch_steps(&cases.at(key), cases.get(key)));
        Some(cases.keys().map(case).collect())
    }

    /// The steps of a case: a list, possibly empty.
    fn branch_steps(&mut self, path: &str, value: Option<&Value>) -> Vec<Node> {
        match value {
            None => Vec::new(),
            Some(Value::Array(values)) => self.nodes(path, values),
            Some(other) => {
                self.report.error(path, ProblemCode::WrongType, expected("a list of steps", other));
                Vec::new()
            }
        }
    }

    /// Reads what a loop or a parallel container holds; the outermost one is a unit of its leaves.
    fn unit<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let first = self.leaves.len();
        self.around.units += 1;
        let result = read(self);
        self.around.units -= 1;
        if self.around.units == 0 {
            let unit = first..self.leaves.len();
            self.leaves[first..].iter_mut().for_each(|leaf| leaf.unit = unit.clone());
        }
        result
    }

    /// Whether no block has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Whether there was anything that could have been a step.
    pub(super) fn saw_nodes(&self) -> bool {
        self.nodes_seen > 0
    }
}
