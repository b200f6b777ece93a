//! Tools for what surrounds a draft: flows, projects, checkpoints, versions, object models.

use noukai_api::{
    Checkpoint, CreateCheckpoint, CreateFlow, CreateObjectModel, CreateProject, Deleted, FlowDraft, ObjectModelUse,
    Production, ProjectInfo, PublishVersion, SetProduction, UpdateObjectModel, VersionInfo,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Who, read::OfFlow};
use crate::app::AppError;

/// A flow to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct NewFlow {
    /// The project.
    project_id: String,
    /// For people.
    name: String,
    /// Its address: 2 to 50 lowercase letters, digits and hyphens.
    slug: String,
    /// What it is for.
    #[serde(default)]
    description: Option<String>,
}

/// A project to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct NewProject {
    /// Its address: 2 to 50 lowercase letters, digits and hyphens.
    slug: String,
    /// For people.
    #[serde(default)]
    name: Option<String>,
    /// For people.
    #[serde(default)]
    description: Option<String>,
    /// Whether assistants may call its published flows as tools.
    #[serde(default)]
    flows_as_tools: Option<bool>,
}

/// Contents to be saved.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct NewCheckpoint {
    /// The flow.
    flow_id: String,
    /// The block.
    step_id: String,
    /// Why.
    note: String,
}

/// Names saved contents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfCheckpoint {
    /// The flow.
    flow_id: String,
    /// The checkpoint.
    checkpoint_id: String,
}

/// A version to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Publication {
    /// The flow.
    flow_id: String,
    /// What is new.
    note: String,
}

/// Names a version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Promotion {
    /// The flow.
    flow_id: String,
    /// The version, by its id.
    version_id: String,
}

/// A field of an object model.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Field {
    /// What it is called.
    name: String,
    /// `string`, `number`, `integer`, `boolean`, `array` or `object`.
    #[serde(rename = "type")]
    kind: String,
    /// What it means, for people and models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// An object model to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct NewModel {
    /// The project.
    project_id: String,
    /// What outputs name it by.
    name: String,
    /// Its fields, in order.
    fields: Vec<Field>,
}

/// An object model's new contents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ChangedModel {
    /// The object model.
    object_model_id: String,
    /// Its fields from now on, in order.
    #[serde(default)]
    fields: Option<Vec<Field>>,
    /// For people.
    #[serde(default)]
    description: Option<String>,
}

/// Names an object model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfModel {
    /// The object model.
    object_model_id: String,
    /// Also where drafts name it, which then have a problem.
    #[serde(default)]
    force: bool,
}

pub(in crate::mcp) async fn create_flow(who: Who<'_>, new: NewFlow) -> Result<FlowDraft, AppError> {
    let request = CreateFlow {
        project_id: Some(new.project_id),
        slug: Some(new.slug),
        name: Some(new.name),
        description: new.description,
        ..CreateFlow::default()
    };
    who.app.create_flow(who.author, request).await
}

pub(in crate::mcp) async fn delete_flow(who: Who<'_>, of: OfFlow) -> Result<Deleted, AppError> {
    who.app.delete_flow(who.author, &of.flow_id, None).await
}

pub(in crate::mcp) async fn create_project(who: Who<'_>, new: NewProject) -> Result<ProjectInfo, AppError> {
    let NewProject { slug, name, description, flows_as_tools } = new;
    who.app.create_project(who.author, CreateProject { slug, name, description, flows_as_tools }).await
}

pub(in crate::mcp) async fn create_checkpoint(who: Who<'_>, new: NewCheckpoint) -> Result<Checkpoint, AppError> {
    let request = CreateCheckpoint { step_id: new.step_id, note: new.note };
    who.app.create_checkpoint(who.author, &new.flow_id, None, request).await
}

pub(in crate::mcp) async fn delete_checkpoint(who: Who<'_>, of: OfCheckpoint) -> Result<Deleted, AppError> {
    who.app.delete_checkpoint(who.author, &of.flow_id, &of.checkpoint_id, None).await
}

pub(in crate::mcp) async fn publish_version(who: Who<'_>, new: Publication) -> Result<VersionInfo, AppError> {
    let request = PublishVersion { note: new.note, ..PublishVersion::default() };
    who.app.publish_version(who.author, &new.flow_id, request).await
}

pub(in crate::mcp) async fn set_production_version(who: Who<'_>, to: Promotion) -> Result<Production, AppError> {
    let request = SetProduction { version: None, version_id: Some(to.version_id) };
    who.app.set_production(who.author, &to.flow_id, None, request).await
}

pub(in crate::mcp) async fn create_object_model(who: Who<'_>, new: NewModel) -> Result<ObjectModelUse, AppError> {
    let request = CreateObjectModel {
        project_id: Some(new.project_id),
        name: new.name,
        fields: Some(values(&new.fields)?),
        ..CreateObjectModel::default()
    };
    who.app.create_object_model(who.author, request).await
}

pub(in crate::mcp) async fn update_object_model(who: Who<'_>, new: ChangedModel) -> Result<ObjectModelUse, AppError> {
    let fields = new.fields.as_deref().map(values).transpose()?;
    let request = UpdateObjectModel { description: new.description, fields, ..UpdateObjectModel::default() };
    who.app.update_object_model(who.author, &new.object_model_id, None, request).await
}

pub(in crate::mcp) async fn delete_object_model(who: Who<'_>, of: OfModel) -> Result<Deleted, AppError> {
    who.app.delete_object_model(who.author, &of.object_model_id, None, of.force).await
}

fn values(fields: &[Field]) -> Result<Vec<Value>, AppError> {
    fields.iter().map(|field| serde_json::to_value(field).map_err(AppError::internal)).collect()
}
