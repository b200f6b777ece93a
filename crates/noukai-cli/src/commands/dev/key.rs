//! The developer's API key: made once, kept beside the data, the same at every start.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use noukai_api::Scope;
use noukai_server::{App, KeyRequest, Project};

use crate::error::CliError;

const FILE: &str = "dev-key";

/// The kept key where it still works for the project, else a new one with every scope.
///
/// # Errors
/// No more keys, or the file cannot be written.
pub async fn keep(app: &App, project: &Project, data: &Path) -> Result<String, CliError> {
    let path = data.join(FILE);
    if let Some(key) = kept(app, project, &path).await {
        return Ok(key);
    }
    let request = KeyRequest {
        name: "noukai dev".to_owned(),
        environment: "test".to_owned(),
        scopes: Scope::ALL.to_vec(),
        expires_at: None,
        created_by: super::super::AUTHOR.to_owned(),
    };
    let created = app.issue_key(project, request).await?;
    write(&path, &created.key)
        .map_err(|error| CliError::failure(format!("cannot write {}: {error}", path.display())))?;
    Ok(created.key)
}

async fn kept(app: &App, project: &Project, path: &PathBuf) -> Option<String> {
    let key = fs::read_to_string(path).ok()?.trim().to_owned();
    let caller = app.authenticate(Some(&format!("Bearer {key}"))).await.ok()?;
    (caller.project_id == project.id && Scope::ALL.iter().all(|scope| caller.scopes.contains(scope))).then_some(key)
}

/// Writes a file that only its owner may read, from its first byte on.
fn write(path: &Path, key: &str) -> io::Result<()> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(path)?, "{key}")
}
