//! What templates and functions can see: warns of names that are certainly not there, and of fields that hide each other.
//!
//! Only what is certain is said. Where anything before a template may bring any field, the template is left alone.

use std::collections::BTreeSet;

use crate::{
    Block, Flow, InputSchema, Leaf, Node, NodeKind, OutputSchema, Parameters, Problem, ProblemCode, Template,
    nearest::{self, did_you_mean},
    scope::variable,
};

/// Fields an output may have; `None`: any.
type Known = Option<BTreeSet<String>>;

/// The warnings for a flow without errors.
pub(super) fn warnings(flow: &Flow) -> Vec<Problem> {
    let mut walk = Walk { problems: Vec::new(), steps: BTreeSet::new(), loops: 0 };
    walk.sequence("steps", &flow.root, inputs(&flow.input));
    walk.problems
}

struct Walk {
    problems: Vec<Problem>,
    /// Variables of the steps seen so far, whether or not they are in scope everywhere.
    steps: BTreeSet<String>,
    /// Loops around the node at hand. An item may bring any field, so templates in a loop are left alone.
    loops: usize,
}

impl Walk {
    /// Walks nodes in order; gives what the last one gives.
    fn sequence(&mut self, path: &str, nodes: &[Node], input: Known) -> Known {
        let mut known = input;
        for (index, node) in nodes.iter().enumerate() {
            known = self.node(&format!("{path}[{index}]"), node, known);
            self.seen(node);
        }
        known
    }

    fn node(&mut self, path: &str, node: &Node, input: Known) -> Known {
        match &node.kind {
            NodeKind::Leaf(leaf) => self.leaf(path, leaf, input),
            NodeKind::Sequence(nodes) => self.sequence(&format!("{path}.sequence"), nodes, input),
            NodeKind::Parallel(nodes) => self.parallel(&format!("{path}.parallel"), nodes, &input),
            NodeKind::Loop(each) => {
                self.loops += 1;
                self.sequence(&format!("{path}.loop.steps"), &each.steps, None);
                self.loops -= 1;
                Some(["results", "count", &node.id].map(str::to_owned).into())
            }
            NodeKind::Branch(branch) => {
                self.template(&format!("{path}.branch.on"), &branch.on, &input);
                let mut known = self.sequence(&format!("{path}.branch.else"), &branch.otherwise, input.clone());
                for (key, nodes) in &branch.cases {
                    let case = self.sequence(&format!("{path}.branch.cases.{key}"), nodes, input.clone());
                    known = known.zip(case).map(|(known, case)| known.union(&case).cloned().collect());
                }
                known
            }
        }
    }

    fn leaf(&mut self, path: &str, leaf: &Leaf, input: Known) -> Known {
        match &leaf.block {
            Block::Llm(block) => {
                if let Some(system) = &block.system {
                    self.template(&format!("{path}.llm.system"), system, &input);
                }
                self.template(&format!("{path}.llm.prompt"), &block.prompt, &input);
                block.output.as_ref().map_or_else(|| Some(["message".to_owned()].into()), outputs)
            }
            Block::Code(block) => {
                self.parameters(&block.path, &block.input, &input);
                block.output.as_ref().and_then(outputs)
            }
            Block::Passthrough => input,
        }
    }

    fn parallel(&mut self, path: &str, nodes: &[Node], input: &Known) -> Known {
        let mut all = Some(BTreeSet::new());
        let mut seen = BTreeSet::new();
        for (index, node) in nodes.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let known = self.node(&path, node, input.clone());
            let fields = known.clone().unwrap_or_default();
            self.collisions(&path, &node.id, seen.intersection(&fields));
            seen.extend(fields);
            all = all.zip(known).map(|(mut all, known)| {
                all.extend(known);
                all.insert(node.id.to_string());
                all
            });
        }
        nodes.iter().for_each(|node| self.seen(node));
        all
    }

    fn collisions<'a>(&mut self, path: &str, id: &str, fields: impl Iterator<Item = &'a String>) {
        for field in fields {
            let message = format!(
                "`{field}` is also a field of an earlier child; the later one wins. Give it another name, or read both by \
                 id, such as `{id}.{field}`"
            );
            self.problems.push(Problem::warning(path, ProblemCode::FieldCollision, message));
        }
    }

    fn template(&mut self, path: &str, template: &Template, input: &Known) {
        for name in template.required_names() {
            self.name(path, &name, input);
        }
    }

    /// A code block's parameters are looked up as names in a template are.
    fn parameters(&mut self, path: &str, parameters: &Parameters, input: &Known) {
        let required = parameters.names().iter().enumerate().filter(|(_, name)| parameters.is_required(name));
        for (index, name) in required {
            self.name(&parameters.place(&format!("{path}.input"), index), name, input);
        }
    }

    fn name(&mut self, path: &str, name: &str, input: &Known) {
        let Some(fields) = input.as_ref().filter(|_| self.loops == 0) else { return };
        let given = ["initial", "previous_output", "message"];
        let names: Vec<&str> = fields.iter().chain(&self.steps).map(String::as_str).chain(given).collect();
        if !names.contains(&name) {
            let meant = did_you_mean(name, names.iter().copied());
            let message =
                format!("nothing before this step gives `{name}`; names in scope: {}{meant}", nearest::list(&names));
            self.problems.push(Problem::warning(path, ProblemCode::UnknownName, message));
        }
    }

    fn seen(&mut self, node: &Node) {
        self.steps.extend([node.id.to_string(), node.id.replace('-', "_"), variable(&node.name)]);
    }
}

fn inputs(schema: &InputSchema) -> Known {
    let fields = schema.fields().iter().cloned().chain(["message".to_owned()]);
    schema.is_closed().then(|| fields.collect())
}

fn outputs(schema: &OutputSchema) -> Known {
    schema.is_closed().then(|| schema.fields().iter().cloned().collect())
}
