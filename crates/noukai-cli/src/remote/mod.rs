//! A server to call: which one, with which key, and the flows on it.

mod api;
mod call;
mod failure;
mod profiles;
mod tools;

use noukai::{Flow, Noukai, NoukaiBuilder};

pub(crate) use self::call::apply;
pub use self::{
    api::Api,
    call::{CallArgs, read_parameter},
    failure::{EXIT_CODES, call_failed},
    profiles::{Profile, Profiles},
    tools::ToolArgs,
};
use crate::{error::CliError, output};

/// The path that every server has its API under.
const API: &str = "/api/v1";
/// The server on this machine.
const LOCAL: &str = "http://localhost:8080/api/v1";

/// Which server, and with whose key.
#[derive(Debug, Default, clap::Args)]
pub struct Remote {
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Server",
        help = "Server to call, such as https://flows.example.com [default: NOUKAI_BASE_URL, else the profile's, else the \
                one on this machine]"
    )]
    pub server: Option<String>,
    /// Profile to take server and key from, as `noukai login` made it [default: NOUKAI_API_KEY, else the profile in use]
    #[arg(long, value_name = "NAME", conflicts_with = "server", help_heading = "Server")]
    pub profile: Option<String>,
}

/// A server with a key for it.
pub struct Connection {
    client: Noukai,
    /// Where flows without organisation and project are looked for.
    home: Option<(String, String)>,
}

/// What was found out about the server to call.
struct Target {
    server: String,
    key: String,
    home: Option<(String, String)>,
}

impl Remote {
    /// Whether a server was asked for.
    pub const fn is_given(&self) -> bool {
        self.server.is_some() || self.profile.is_some()
    }

    /// A client of that server. Sends nothing yet.
    ///
    /// # Errors
    /// No such profile, no key for the server, a server that is no URL.
    pub fn connect(&self) -> Result<Connection, CliError> {
        self.connect_with(Noukai::builder())
    }

    /// The same, with options of the caller's.
    pub fn connect_with(&self, builder: NoukaiBuilder) -> Result<Connection, CliError> {
        let target = self.target()?;
        let client = builder.base_url(target.server).api_key(target.key).build().map_err(call_failed)?;
        Ok(Connection { client, home: target.home })
    }

    /// The management API of that server; of the one that a folder names where nothing else does.
    ///
    /// # Errors
    /// As [`Remote::connect`]; a key from the environment for a server that only the folder names.
    pub fn api(&self, folder: Option<&str>) -> Result<Api, CliError> {
        let target = match folder.filter(|_| !self.is_given() && variable("NOUKAI_BASE_URL").is_none()) {
            Some(server) => Self::target_of_folder(&base_url(server)?)?,
            None => self.target()?,
        };
        Api::new(&target.server, &target.key)
    }

    /// A folder may come from anywhere, so that a key goes to the server it names only where it was stored for that one,
    /// or where that is this machine.
    fn target_of_folder(server: &str) -> Result<Target, CliError> {
        if let Some(profile) = Profiles::load()?.for_server(server) {
            return Ok(Target::of(profile));
        }
        match variable("NOUKAI_API_KEY") {
            Some(key) if api::is_loopback(server) => Ok(Target { server: server.to_owned(), key, home: None }),
            Some(_) => {
                let message = format!("only noukai.yaml names {server}, so that NOUKAI_API_KEY is not sent there");
                Err(CliError::usage(message)
                    .with_hint("set NOUKAI_BASE_URL too, or store a key with `noukai login --server`"))
            }
            None => Err(no_key_for(server)),
        }
    }

    fn target(&self) -> Result<Target, CliError> {
        if let Some(name) = &self.profile {
            return Ok(Target::of(Profiles::load()?.named(name)?));
        }
        let server = match self.server.clone().or_else(|| variable("NOUKAI_BASE_URL")) {
            Some(server) => Some(base_url(&server)?),
            None => variable("NOUKAI_ENV").map(|_| LOCAL.to_owned()),
        };
        if let Some(key) = variable("NOUKAI_API_KEY") {
            return Ok(Target { server: server.unwrap_or_else(|| LOCAL.to_owned()), key, home: None });
        }
        let profiles = Profiles::load()?;
        match server {
            // A key only ever goes to the server that it was stored for.
            Some(server) => profiles.for_server(&server).map(Target::of).ok_or_else(|| no_key_for(&server)),
            None => profiles.in_use()?.map(Target::of).ok_or_else(no_server),
        }
    }
}

impl Target {
    fn of(profile: &Profile) -> Self {
        let home = profile.org.clone().zip(profile.project.clone());
        Self { server: profile.server.clone(), key: profile.api_key.clone(), home }
    }
}

impl Connection {
    pub const fn client(&self) -> &Noukai {
        &self.client
    }

    /// A flow by `org/project/slug`, or by its slug in the key's own project.
    ///
    /// # Errors
    /// Neither of the two; a slug alone where the server does not know the key.
    pub async fn flow(&self, name: &str) -> Result<Flow, CliError> {
        if name.contains('/') {
            return self.client.flow(name).map_err(call_failed);
        }
        let (org, project) = match &self.home {
            Some(home) => home.clone(),
            None => {
                let key = self.client.verify_key().await.map_err(call_failed)?;
                (key.organization, key.project)
            }
        };
        self.client.flow((org, project, name)).map_err(call_failed)
    }
}

/// `org/project/slug`, and not a path.
pub fn is_address(flow: &str) -> bool {
    let segments: Vec<&str> = flow.split('/').collect();
    segments.len() == 3 && segments.iter().all(|segment| noukai_flow::is_slug(segment))
}

/// A server as people name it, with the path of its API.
///
/// # Errors
/// Something that is no URL of a server.
pub fn base_url(server: &str) -> Result<String, CliError> {
    let server = server.trim_end_matches('/');
    let usage = || {
        let hint = "a server looks like https://flows.example.com or http://localhost:8080";
        CliError::usage(format!("`{}` is no server", output::masked(server))).with_hint(hint)
    };
    let (scheme, rest) = server.split_once("://").ok_or_else(usage)?;
    if !matches!(scheme, "http" | "https") || rest.is_empty() || rest.contains(['@', '?', '#', ' ']) {
        return Err(usage());
    }
    Ok(if rest.contains('/') { server.to_owned() } else { format!("{server}{API}") })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn no_key_for(server: &str) -> CliError {
    let hint = format!("`noukai login --server {}` stores one, or set NOUKAI_API_KEY", server.trim_end_matches(API));
    CliError::usage(format!("there is no key for {server}")).with_hint(hint)
}

fn no_server() -> CliError {
    CliError::usage("there is no server to call: no profile, and no NOUKAI_API_KEY")
        .with_hint("`noukai login --server URL` stores a server with a key; `noukai dev` starts a server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_gets_the_path_of_its_api() {
        let url = |text| base_url(text).ok();
        assert_eq!(url("https://a.example").as_deref(), Some("https://a.example/api/v1"));
        assert_eq!(url("http://localhost:8080/").as_deref(), Some("http://localhost:8080/api/v1"));
        assert_eq!(url("https://a.example/flows/api/v1").as_deref(), Some("https://a.example/flows/api/v1"));
        for bad in ["", "a.example", "ftp://a", "https://", "https://user:pass@a", "https://a?x=1", "https://a b"] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_told_from_a_path() {
        assert!(is_address("acme/demo/hello"));
        for path in ["hello", "flows/hello", "a/b/c/d", "./flows/hello", "examples/x/hello.flow.yaml", "/a/b"] {
            assert!(!is_address(path), "{path}");
        }
    }
}
