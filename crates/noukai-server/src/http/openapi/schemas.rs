//! The shapes of the document, taken from the wire types. Requests and replies differ in what may be left out, so each
//! is generated for its own direction.

use noukai_api as api;
use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

/// Where references point to.
const DEFINITIONS: &str = "/components/schemas";

/// Every shape by its name.
pub(super) fn all() -> Map<String, Value> {
    let mut schemas = requests();
    schemas.extend(replies());
    schemas.extend(own());
    schemas
}

fn requests() -> Map<String, Value> {
    let mut generator = generator(Contract::Deserialize);
    add::<api::ExecuteRequest>(&mut generator);
    add::<api::StepRequest>(&mut generator);
    add::<api::CreateKey>(&mut generator);
    add::<api::CreateTestCase>(&mut generator);
    add::<api::UpdateTestCase>(&mut generator);
    add::<api::StartTestRun>(&mut generator);
    add::<api::Gate>(&mut generator);
    add::<api::SetUp>(&mut generator);
    add::<api::SignIn>(&mut generator);
    add::<api::ChangePassword>(&mut generator);
    add::<api::ChangeMember>(&mut generator);
    add::<api::Invite>(&mut generator);
    add::<api::AcceptInvitation>(&mut generator);
    add::<api::CreateProviderKey>(&mut generator);
    add::<api::ReplaceProviderKey>(&mut generator);
    add::<api::UpdateOrganisation>(&mut generator);
    add::<api::CreateProject>(&mut generator);
    add::<api::UpdateProject>(&mut generator);
    add::<api::CreateFlow>(&mut generator);
    add::<api::UpdateFlow>(&mut generator);
    add::<api::ApplyOperations>(&mut generator);
    add::<api::UndoOperation>(&mut generator);
    add::<api::PublishVersion>(&mut generator);
    add::<api::DeprecateVersion>(&mut generator);
    add::<api::SetProduction>(&mut generator);
    add::<api::CreateCheckpoint>(&mut generator);
    add::<api::CreateObjectModel>(&mut generator);
    add::<api::UpdateObjectModel>(&mut generator);
    add::<api::SetBudget>(&mut generator);
    add::<api::Tool>(&mut generator);
    add::<api::ToolChoice>(&mut generator);
    let mut schemas = generator.take_definitions(true);
    narrow_tools(&mut schemas);
    schemas
}

fn replies() -> Map<String, Value> {
    let mut generator = generator(Contract::Serialize);
    add::<api::ErrorBody>(&mut generator);
    add::<api::ExecuteReply>(&mut generator);
    add::<api::PausedReply>(&mut generator);
    add::<api::JobAccepted>(&mut generator);
    add::<api::JobStatus>(&mut generator);
    add::<api::QueueStatus>(&mut generator);
    add::<api::FlowRun>(&mut generator);
    add::<api::FlowRunList>(&mut generator);
    add::<api::Trace>(&mut generator);
    add::<api::StepTrace>(&mut generator);
    add::<api::StepAttempts>(&mut generator);
    add::<api::Session>(&mut generator);
    add::<api::TestCase>(&mut generator);
    add::<api::TestCaseList>(&mut generator);
    add::<api::TestRun>(&mut generator);
    add::<api::TestRunList>(&mut generator);
    add::<api::TestRunTrace>(&mut generator);
    add::<api::Gate>(&mut generator);
    add::<api::CreatedKey>(&mut generator);
    add::<api::KeyList>(&mut generator);
    add::<api::DeletedKey>(&mut generator);
    add::<api::VerifiedKey>(&mut generator);
    add::<api::SignedIn>(&mut generator);
    add::<api::Me>(&mut generator);
    add::<api::Done>(&mut generator);
    add::<api::Member>(&mut generator);
    add::<api::MemberList>(&mut generator);
    add::<api::CreatedInvitation>(&mut generator);
    add::<api::InvitationList>(&mut generator);
    add::<api::ProviderKeyInfo>(&mut generator);
    add::<api::ProviderKeyList>(&mut generator);
    add::<api::ProviderKeyTest>(&mut generator);
    add::<api::DeletedProviderKey>(&mut generator);
    add::<api::Organisation>(&mut generator);
    add::<api::OrganisationList>(&mut generator);
    add::<api::ProjectInfo>(&mut generator);
    add::<api::ProjectList>(&mut generator);
    add::<api::HydratedProject>(&mut generator);
    add::<api::FlowList>(&mut generator);
    add::<api::FlowDraft>(&mut generator);
    add::<api::FlowChange>(&mut generator);
    add::<api::DraftProblems>(&mut generator);
    add::<api::OperationLog>(&mut generator);
    add::<api::VersionInfo>(&mut generator);
    add::<api::VersionList>(&mut generator);
    add::<api::VersionDocument>(&mut generator);
    add::<api::VersionDiff>(&mut generator);
    add::<api::Production>(&mut generator);
    add::<api::Checkpoint>(&mut generator);
    add::<api::CheckpointList>(&mut generator);
    add::<api::ObjectModelUse>(&mut generator);
    add::<api::ObjectModelList>(&mut generator);
    add::<api::Deleted>(&mut generator);
    add::<api::UsageReport>(&mut generator);
    add::<api::UsageCallList>(&mut generator);
    add::<api::Budget>(&mut generator);
    add::<api::BudgetList>(&mut generator);
    add::<api::RemovedBudget>(&mut generator);
    add::<api::Limits>(&mut generator);
    add::<api::StreamEvent>(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(never_null);
    schemas
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = contract;
        settings.definitions_path = DEFINITIONS.into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _ = generator.subschema_for::<T>();
}

/// The wire types take tools as they come, so that the app can name what is wrong with them. The document says what is
/// right.
fn narrow_tools(schemas: &mut Map<String, Value>) {
    for request in ["ExecuteRequest", "StepRequest"] {
        let Some(properties) = schemas.get_mut(request).and_then(|schema| schema.get_mut("properties")) else {
            continue;
        };
        properties["tools"]["items"] = json!({"$ref": "#/components/schemas/Tool"});
        properties["toolChoice"] = json!({
            "description": properties["toolChoice"]["description"],
            "anyOf": [{"$ref": "#/components/schemas/ToolChoice"}, {"type": "null"}],
        });
    }
}

/// Replies leave out what is empty: a property that may be missing is never `null`.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let required = object.get("required").cloned().unwrap_or_default();
            let required = required.as_array().cloned().unwrap_or_default();
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                let optional = properties.iter_mut().filter(|(name, _)| !required.iter().any(|other| other == *name));
                optional.for_each(|(_, property)| drop_null(property));
            }
            object.values_mut().for_each(never_null);
        }
        Value::Array(items) => items.iter_mut().for_each(never_null),
        _ => {}
    }
}

fn drop_null(property: &mut Value) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            property["type"] = one.clone();
        }
    }
    if let Some(Value::Array(options)) = property.get_mut("anyOf") {
        options.retain(|option| option["type"] != "null");
    }
}

/// Shapes that are no wire types of their own.
fn own() -> Map<String, Value> {
    let shapes = json!({
        "Health": {
            "type": "object",
            "properties": {"status": {"const": "ok"}, "version": {"type": "string"}},
            "required": ["status", "version"],
        },
        "Ready": {
            "type": "object",
            "properties": {"status": {"const": "ready"}},
            "required": ["status"],
        },
        "SetUpDone": {
            "type": "object",
            "properties": {
                "signIn": {"$ref": "#/components/schemas/SignedIn"},
                "key": {"type": "string", "description": "An API key of the project with every scope; shown this once."},
            },
            "required": ["signIn", "key"],
        },
        "FlowDocument": {
            "type": "object",
            "description": "A flow's document; `GET /schemas/flow.json` says what may stand in it.",
        },
        "EventData": {
            "description": "`data` of one event: a stream event and the run it belongs to.",
            "allOf": [{"$ref": "#/components/schemas/StreamEvent"}],
            "properties": {"executionId": {"type": "string", "description": "The run."}},
            "required": ["executionId"],
        },
        "EventStream": {
            "type": "string",
            "description": "Frames `id: <seq>\\nevent: <type>\\ndata: <one-line JSON>\\n\\n`, LF only; `id` is left out for events that are not stored. Comment lines keep the connection alive.",
            "contentMediaType": "text/event-stream",
            "x-event-data": {"$ref": "#/components/schemas/EventData"},
        },
    });
    shapes.as_object().cloned().unwrap_or_default()
}
