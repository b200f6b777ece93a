//! The top of a document: what it is called, what it takes, and its root sequence.

use noukai_api::CaptureMode;
use serde_json::Value;

use super::{
    Bounds,
    fields::{Fields, Report},
    keys,
    node::Tree,
};
use crate::{Flow, FlowKind, InputSchema, Node, ProblemCode, document_hash};

/// The release of the format this one reads and writes.
const SCHEMA: u64 = 1;

/// The flow that `document` describes, as far as it can be read. Good only if `report` has no errors afterwards.
pub(super) fn read(document: &Value, bounds: &Bounds, report: &mut Report) -> Option<Flow> {
    let fields = Fields::read("", document, report)?;
    schema(&fields, report);
    fields.only(keys::FLOW, report);
    let slug = slug(&fields, report);
    let name = fields.text("name", report).filter(|name| !name.is_empty());
    let description = fields.text("description", report).filter(|text| !text.is_empty());
    let kinds = [("pipeline", FlowKind::Pipeline), ("chat", FlowKind::Chat)];
    let kind = fields.one_of("kind", &kinds, report).unwrap_or(FlowKind::Pipeline);
    let input = input(&fields, report);
    let trace_capture = trace_capture(&fields, report);
    let mut tree = Tree::new(bounds, kind, report);
    let root = steps(&fields, &mut tree);
    let leaves = tree.finish();
    Some(Flow {
        slug: slug.to_owned(),
        name: name.unwrap_or(slug).to_owned(),
        description: description.map(str::to_owned),
        kind,
        input,
        trace_capture,
        root,
        leaves,
        hash: document_hash(document),
    })
}

fn schema(fields: &Fields, report: &mut Report) {
    match fields.get("schema").map(|value| value.as_u64()) {
        Some(Some(SCHEMA)) => {}
        Some(Some(newer)) if newer > SCHEMA => {
            let message =
                format!("the document has schema {newer}, which needs a newer release; this one reads {SCHEMA}");
            report.error("schema", ProblemCode::SchemaTooNew, message);
        }
        Some(_) => fields.invalid("schema", format!("has to be {SCHEMA}"), report),
        None => fields.missing("schema", &format!("add `schema: {SCHEMA}` as the first line"), report),
    }
}

fn slug<'a>(fields: &Fields<'a>, report: &mut Report) -> &'a str {
    if fields.get("slug").is_none() {
        fields.missing("slug", "give the flow its address, such as `support-triage`", report);
    }
    let slug = fields.text("slug", report);
    if let Some(slug) = slug.filter(|slug| !is_slug(slug)) {
        let rule = "2 to 50 lower-case letters, digits and hyphens, with no hyphen at either end";
        fields.invalid("slug", format!("`{slug}` is no slug: {rule}"), report);
    }
    slug.unwrap_or_default()
}

/// Whether a text may be the address of an organisation, a project or a flow: 2 to 50 lower-case letters, digits and
/// hyphens, with no hyphen at either end.
pub fn is_slug(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (2..=50).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

fn input(fields: &Fields, report: &mut Report) -> InputSchema {
    let Some(document) = fields.get("input") else { return InputSchema::default() };
    InputSchema::compile(document).unwrap_or_else(|error| {
        report.error("input", ProblemCode::SchemaInvalid, error.to_string());
        InputSchema::default()
    })
}

fn trace_capture(fields: &Fields, report: &mut Report) -> Option<CaptureMode> {
    let modes = [CaptureMode::MetadataOnly, CaptureMode::Full, CaptureMode::Redacted, CaptureMode::Off];
    fields.one_of("trace_capture", &modes.map(|mode| (mode.as_str(), mode)), report)
}

fn steps(fields: &Fields, tree: &mut Tree) -> Vec<Node> {
    let root = fields.list("steps", tree.report).map(|steps| tree.nodes("steps", steps)).unwrap_or_default();
    let is_list = fields.get("steps").is_none_or(Value::is_array);
    // Steps that could not be read have been reported already.
    if tree.is_empty() && is_list && !(tree.saw_nodes() && tree.report.has_errors()) {
        tree.report.error("steps", ProblemCode::NoSteps, "the flow has no blocks; add one, such as an `llm` block");
    }
    root
}
