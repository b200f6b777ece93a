//! The doctor: looks at everything a server needs, and says what to do about what is not well. Changes nothing.

use std::{net::SocketAddr, path::Path};

use noukai_models::{Egress, Probe, probe};
use serde::Serialize;
use time::{Date, OffsetDateTime, format_description::well_known::Rfc2822, macros::date};
use tokio::net::TcpListener;

use crate::{
    config::Config,
    maintenance::{self, SchemaState},
    server::is_locked,
    vault::Vault,
};

/// No clock that is right shows an earlier day.
const RELEASED: Date = date!(2026 - 01 - 01);
/// Seconds that two clocks may differ.
const SKEW: i64 = 60;
/// What is said of a model provider.
const PROVIDER: &str = "provider";
const MEGABYTE: u64 = 1 << 20;
/// Free space below which a server soon stops, and below which it is time to act.
const NO_ROOM: u64 = 200 * MEGABYTE;
const LITTLE_ROOM: u64 = 2_048 * MEGABYTE;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, but should be looked at.
    Warn,
    /// A server cannot work like this.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, health: Health::Ok, found: found.into(), advice: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, health: Health::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, health: Health::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at the data directory, the database, the disk, the clock, the ports and the model provider.
pub async fn doctor(config: &Config) -> Vec<Check> {
    let running = is_locked(&config.data);
    let mut checks = vec![data(&config.data, running)];
    let newest = database(config, &mut checks).await;
    checks.push(disk(&config.data));
    for address in &config.listen {
        checks.push(port(*address, running).await);
    }
    checks.push(master_key(config).await);
    let asked = ask_providers(config).await;
    checks.push(clock(OffsetDateTime::now_utc(), newest, asked.first().map(|(_, found)| found)));
    checks.extend(providers(asked));
    checks
}

fn data(data: &Path, running: bool) -> Check {
    const NAME: &str = "data";
    let shown = data.display();
    if running {
        return Check::ok(NAME, format!("{shown}, in use by a server"));
    }
    if !data.exists() {
        return Check::warn(
            NAME,
            format!("{shown} does not exist yet"),
            "the first start makes it; or name it with --data",
        );
    }
    match tempfile::tempfile_in(data) {
        Ok(_) => Check::ok(NAME, format!("{shown}, no server runs on it")),
        Err(error) => Check::fail(
            NAME,
            format!("{shown} cannot be written: {error}"),
            "give the server's user the right to write there",
        ),
    }
}

/// When the newest run began, where that is known.
async fn database(config: &Config, checks: &mut Vec<Check>) -> Option<OffsetDateTime> {
    const WHOLE: &str = "database";
    if config.database.url.is_some() {
        checks.push(match maintenance::schema(config).await {
            Ok(state) => schema(&state),
            Err(error) => Check::fail(WHOLE, error.to_string(), "check `database.url`, and that the database runs"),
        });
        return None;
    }
    let found = match maintenance::inspect(config, true).await {
        Ok(found) => found,
        Err(error) if !crate::server::database_file(config).exists() => {
            checks.push(Check::warn(WHOLE, error.to_string(), "the first start makes it"));
            return None;
        }
        Err(error) => {
            checks.push(Check::fail(WHOLE, error.to_string(), "see docs/operations.md on restoring a backup"));
            return None;
        }
    };
    checks.push(match found.damage {
        None => Check::ok(WHOLE, format!("whole, {} MB", found.bytes.div_ceil(MEGABYTE))),
        Some(damage) => Check::fail(WHOLE, format!("damaged: {damage}"), "stop the server and restore a backup"),
    });
    checks.push(schema(&found.schema));
    found.newest_run
}

fn schema(state: &SchemaState) -> Check {
    const NAME: &str = "schema";
    if state.pending.is_empty() {
        return Check::ok(NAME, format!("{}, current", state.found));
    }
    let advice = "make a backup, then start the server, or run `noukai migrate`";
    Check::warn(NAME, format!("{} of {}", state.found, state.current), advice)
}

/// Whether the provider keys in the database can be read.
async fn master_key(config: &Config) -> Check {
    const NAME: &str = "master key";
    let vault = Vault::open(&config.master_key, &config.data).await;
    let sealed = match maintenance::sealed_with(config).await {
        Ok(sealed) => sealed.unwrap_or_default(),
        Err(error) => return Check::warn(NAME, format!("cannot look: {error}"), "see the findings above"),
    };
    let all: u64 = sealed.iter().map(|(_, keys)| keys).sum();
    let lost: Vec<&str> = sealed.iter().map(|(id, _)| id.as_str()).filter(|id| !vault.has(id)).collect();
    if let Some(fault) = vault.fault() {
        let found = format!("{fault}; {all} provider keys are stored");
        return Check::fail(NAME, found, "put it in order: without it stored provider keys cannot be used");
    }
    if !lost.is_empty() {
        let found =
            format!("{all} provider keys are stored, and the master keys of some are not there: {}", lost.join(", "));
        let advice = "put them back, each on a line of its own below the current one; see docs/providers.md";
        return Check::fail(NAME, found, advice);
    }
    let Some(current) = vault.ids().next() else { return Check::ok(NAME, "none, and no provider keys are stored") };
    let older: u64 = sealed.iter().filter(|(id, _)| id != current).map(|(_, keys)| keys).sum();
    if older > 0 {
        let found = format!("{current}; {older} of {all} provider keys are still sealed with an earlier one");
        return Check::warn(NAME, found, "run `noukai provider rotate-master-key`");
    }
    Check::ok(NAME, format!("{current} opens all {all} provider keys"))
}

fn disk(data: &Path) -> Check {
    const NAME: &str = "disk";
    let there = data.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let free = match fs4::available_space(there) {
        Ok(free) => free,
        Err(error) => return Check::warn(NAME, format!("free space is unknown: {error}"), "look at it yourself"),
    };
    let found = format!("{} MB free", free / MEGABYTE);
    let advice = "make room, or keep less: see `[retention]` in docs/configuration.md";
    if free < NO_ROOM {
        return Check::fail(NAME, found, advice);
    }
    if free < LITTLE_ROOM { Check::warn(NAME, found, advice) } else { Check::ok(NAME, found) }
}

async fn port(address: SocketAddr, running: bool) -> Check {
    const NAME: &str = "port";
    match TcpListener::bind(address).await {
        Ok(_) => Check::ok(NAME, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && running => {
            Check::ok(NAME, format!("{address} is in use, as by the server that runs"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            Check::warn(NAME, format!("this machine has no {address}"), "fine where another address is left")
        }
        Err(error) => Check::fail(NAME, format!("{address}: {error}"), "stop what uses it, or set `listen`"),
    }
}

/// What each provider answers, by its name.
async fn ask_providers(config: &Config) -> Vec<(&str, Probe)> {
    let egress = match Egress::allowing(&config.models.allow) {
        Ok(egress) => egress,
        Err(error) => return vec![("egress", Probe::Unreachable(error.to_string()))],
    };
    let mut asked = Vec::new();
    for provider in &config.models.providers {
        asked.push((provider.name.as_str(), probe(&egress, provider).await));
    }
    asked
}

fn clock(now: OffsetDateTime, newest: Option<OffsetDateTime>, provider: Option<&Probe>) -> Check {
    const NAME: &str = "clock";
    let advice = "set the clock, and keep it right (NTP): leases, retention and key expiry go by it";
    if now.date() < RELEASED {
        return Check::fail(NAME, format!("shows {}", now.date()), advice);
    }
    if newest.is_some_and(|newest| (newest - now).whole_seconds() > SKEW) {
        return Check::fail(NAME, "the newest run lies in the future", advice);
    }
    let theirs = match provider {
        Some(Probe::Ok { date: Some(date) }) => OffsetDateTime::parse(date, &Rfc2822).ok(),
        _ => None,
    };
    match theirs.map(|theirs| (theirs - now).whole_seconds().abs()) {
        Some(skew) if skew > SKEW => Check::warn(NAME, format!("{skew} s apart from the provider's"), advice),
        Some(_) => Check::ok(NAME, "agrees with the provider's"),
        None => Check::ok(NAME, "plausible"),
    }
}

fn providers(asked: Vec<(&str, Probe)>) -> Vec<Check> {
    if asked.is_empty() {
        let found = "no key is set, so that only noukai/echo is served";
        return vec![Check::warn(PROVIDER, found, "set NOUKAI_PROVIDER_API_KEY to use models")];
    }
    asked.into_iter().map(|(name, found)| provider(name, found)).collect()
}

fn provider(name: &str, asked: Probe) -> Check {
    match asked {
        Probe::Ok { .. } => Check::ok(PROVIDER, format!("{name} takes the key")),
        Probe::Refused => Check::fail(PROVIDER, format!("{name} refuses the key"), "set a valid key for this endpoint"),
        Probe::Other(status) => Check::warn(
            PROVIDER,
            format!("{name} answers {status} when asked for its models"),
            "fine where the endpoint lists no models; else check the base URL",
        ),
        Probe::Unreachable(why) => Check::fail(
            PROVIDER,
            format!("{name} cannot be reached: {why}"),
            "check the base URL, the network and the firewall",
        ),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told() {
        let now = datetime!(2026-06-01 12:00 UTC);
        let probe = |date: &str| Probe::Ok { date: Some(date.to_owned()) };
        assert_eq!(clock(now, None, None).health, Health::Ok);
        assert_eq!(clock(datetime!(1970-01-01 0:00 UTC), None, None).health, Health::Fail);
        assert_eq!(clock(now, Some(now), Some(&probe("Mon, 01 Jun 2026 12:00:30 GMT"))).health, Health::Ok);
        assert_eq!(clock(now, None, Some(&probe("Mon, 01 Jun 2026 12:02:00 GMT"))).health, Health::Warn);
        assert_eq!(clock(now, Some(now + time::Duration::hours(1)), None).health, Health::Fail);
    }
}
