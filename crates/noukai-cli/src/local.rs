//! The data directory without its server: what `key`, `publish` and `promote` work on. It may be in use by a server.

use std::path::PathBuf;

use noukai_server::{App, Config, Overrides, Project};

use crate::error::CliError;

/// Which data, and which project in it.
#[derive(Debug, clap::Args)]
pub struct Local {
    /// Directory with the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL of the servers, where they share one; better in NOUKAI_DATABASE
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The project; may be left out where there is only one
    #[arg(long, value_name = "ORG/PROJECT")]
    project: Option<String>,
}

/// Opened data with the project that was chosen.
pub struct Opened {
    pub app: App,
    pub project: Project,
}

impl Local {
    /// Opens data that is there.
    ///
    /// # Errors
    /// No data, no such project, or several projects and none chosen.
    pub async fn open(&self) -> Result<Opened, CliError> {
        let config = self.config()?;
        if config.database.url.is_none() && !config.data.is_dir() {
            let message = format!("no data in {}", config.data.display());
            let hint = "start `noukai dev` or `noukai serve` first, or name the directory with --data";
            return Err(CliError::usage(message).with_hint(hint));
        }
        let app = open_app(&config).await?;
        match self.choose(&app).await {
            Ok(project) => Ok(Opened { app, project }),
            Err(error) => {
                app.close().await;
                Err(error)
            }
        }
    }

    /// Opens data, or makes it, with the configured organisation and project in it.
    ///
    /// # Errors
    /// As for [`Local::open`], but for missing data.
    pub async fn open_or_create(&self) -> Result<Opened, CliError> {
        let config = self.config()?;
        let app = open_app(&config).await?;
        match self.choose_or_create(&app, &config).await {
            Ok(project) => Ok(Opened { app, project }),
            Err(error) => {
                app.close().await;
                Err(error)
            }
        }
    }

    /// Opens data, or makes it, whatever projects are in it.
    ///
    /// # Errors
    /// Why it cannot be opened, in one line.
    pub async fn app(&self) -> Result<App, CliError> {
        open_app(&self.config()?).await
    }

    fn config(&self) -> Result<Config, CliError> {
        let overrides = Overrides { data: self.data.clone(), database: self.database.clone(), ..Overrides::default() };
        load_config(self.config.as_deref(), overrides)
    }

    async fn choose(&self, app: &App) -> Result<Project, CliError> {
        let mut projects = app.projects().await?;
        let addresses = projects.iter().map(address).collect::<Vec<_>>().join(", ");
        if let Some(wanted) = &self.project {
            let found = projects.into_iter().find(|project| address(project) == *wanted);
            return found.ok_or_else(|| CliError::usage(format!("no project {wanted}; there is {addresses}")));
        }
        match (projects.pop(), projects.len()) {
            (Some(project), 0) => Ok(project),
            (None, _) => Err(CliError::usage("there is no project yet")
                .with_hint("`noukai dev` makes one, and so does `noukai key create`")),
            _ => Err(CliError::usage(format!("there are several projects: {addresses}"))
                .with_hint("choose one with --project ORG/PROJECT")),
        }
    }

    async fn choose_or_create(&self, app: &App, config: &Config) -> Result<Project, CliError> {
        let configured = format!("{}/{}", config.org, config.project);
        let none_yet = app.projects().await?.is_empty();
        let wants_configured = self.project.as_ref().map_or(none_yet, |wanted| *wanted == configured);
        if wants_configured {
            return Ok(app.ensure_project(&config.org, &config.project).await?);
        }
        self.choose(app).await
    }
}

/// `org/project`.
pub fn address(project: &Project) -> String {
    format!("{}/{}", project.org, project.slug)
}

/// The configuration in force.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn load_config(file: Option<&std::path::Path>, overrides: Overrides) -> Result<Config, CliError> {
    Config::load(file, overrides).map_err(CliError::usage)
}

/// The same, for what is private to a person at work: never on a database that others share.
///
/// # Errors
/// As for [`load_config`].
pub fn load_private_config(file: Option<&std::path::Path>, overrides: Overrides) -> Result<Config, CliError> {
    let mut config = load_config(file, overrides)?;
    config.database.url = None;
    config.workers = config.workers.max(1);
    Ok(config)
}

/// The use cases over a database, without a server.
///
/// # Errors
/// Why it cannot be opened, in one line.
pub async fn open_app(config: &Config) -> Result<App, CliError> {
    App::open(config).await.map_err(CliError::failure)
}
