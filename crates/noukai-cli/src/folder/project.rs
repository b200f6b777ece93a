//! A project on a server: its flows, their drafts and versions, over the management API.

use noukai_api::{
    CreateFlow, FlowChange, FlowDraft, FlowList, FlowSummary, Production, ProjectInfo, ProjectList, PublishVersion,
    SetProduction, VerifiedKey, VersionDiff, VersionInfo,
};
use reqwest::Method;
use serde_json::Value;

use super::manifest::Manifest;
use crate::{
    error::{CliError, Exit},
    remote::Api,
};

/// Rows of a page.
const PAGE: u32 = 100;

/// A project that the key may change.
pub struct Project {
    pub api: Api,
    pub project_id: String,
    /// `org/project`, for people.
    pub label: String,
}

impl Project {
    /// The project that the folder names, else the key's own.
    ///
    /// # Errors
    /// There is none in the key's reach.
    pub async fn find(api: Api, manifest: &Manifest) -> Result<Self, CliError> {
        let key: VerifiedKey = api.get("/keys/verify").await?;
        let org = manifest.org.as_deref().unwrap_or(&key.organization);
        let project = manifest.project.as_deref().unwrap_or(&key.project);
        let label = format!("{org}/{project}");
        if (org, project) == (key.organization.as_str(), key.project.as_str()) {
            return Ok(Self { api, project_id: key.project_id, label });
        }
        let found = projects(&api).await?.into_iter().find(|info| info.organization == org && info.slug == project);
        match found {
            Some(info) => Ok(Self { api, project_id: info.project_id, label }),
            None => {
                let message = format!("the key is for {}/{} and does not reach {label}", key.organization, key.project);
                let hint = "`noukai.yaml` names organisation and project; `noukai login` stores another key";
                Err(CliError::of(Exit::NotFound, message).with_hint(hint))
            }
        }
    }

    /// All flows, by slug.
    ///
    /// # Errors
    /// As every call of the API; so below.
    pub async fn flows(&self) -> Result<Vec<FlowSummary>, CliError> {
        let mut flows = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/flows?project_id={}&limit={PAGE}{cursor}", self.project_id);
            let page: FlowList = self.api.get(&path).await?;
            flows.extend(page.flows);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={}", encoded(&next)),
                None => return Ok(flows),
            }
        }
    }

    /// A flow with its draft.
    pub async fn flow(&self, flow_id: &str) -> Result<FlowDraft, CliError> {
        self.api.get(&format!("/flows/{flow_id}")).await
    }

    /// Makes a flow of a document.
    pub async fn create(&self, document: &Value) -> Result<FlowSummary, CliError> {
        let body = CreateFlow {
            project_id: Some(self.project_id.clone()),
            document: Some(document.clone()),
            ..CreateFlow::default()
        };
        self.api.send(Method::POST, "/flows", &body, None).await
    }

    /// Makes the draft equal to a document, where it is still at the revision.
    pub async fn replace(&self, flow: &FlowSummary, document: &Value) -> Result<FlowChange, CliError> {
        let path = format!("/flows/{}/document", flow.flow_id);
        self.api.send(Method::PUT, &path, document, Some(flow.revision)).await
    }

    /// Publishes the draft, where it is still at the revision.
    pub async fn publish(&self, flow: &FlowSummary, note: &str) -> Result<VersionInfo, CliError> {
        let body = PublishVersion { note: note.to_owned(), revision: Some(flow.revision), ..PublishVersion::default() };
        self.api.send(Method::POST, &format!("/flows/{}/versions", flow.flow_id), &body, None).await
    }

    /// Makes a version the production version.
    pub async fn promote(&self, flow: &FlowSummary, version: u32) -> Result<Production, CliError> {
        let body = SetProduction { version: Some(version), version_id: None };
        self.api.send(Method::PUT, &format!("/flows/{}/production", flow.flow_id), &body, None).await
    }

    /// Which version is production, and which were.
    pub async fn production(&self, flow: &FlowSummary) -> Result<Production, CliError> {
        self.api.get(&format!("/flows/{}/production", flow.flow_id)).await
    }

    /// What differs between two versions; 0 is the draft.
    pub async fn diff(&self, flow: &FlowSummary, from: u32, to: u32) -> Result<VersionDiff, CliError> {
        self.api.get(&format!("/flows/{}/versions/{from}/diff/{to}", flow.flow_id)).await
    }
}

async fn projects(api: &Api) -> Result<Vec<ProjectInfo>, CliError> {
    let mut projects = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: ProjectList = api.get(&format!("/projects?limit={PAGE}{cursor}")).await?;
        projects.extend(page.projects);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={}", encoded(&next)),
            None => return Ok(projects),
        }
    }
}

/// For a query: what is not plain is escaped.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
