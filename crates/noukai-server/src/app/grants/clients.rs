//! Clients register themselves (RFC 7591). Registering proves nothing and grants nothing, so it is bounded and forgotten
//! soon where nobody grants the client anything.

use time::{Duration, OffsetDateTime};
use url::{Host, Url};

use super::{GrantError, GrantFault};
use crate::app::{App, identity::Minted};
use noukai_store::ClientRecord;

/// Clients known at the same time.
const MOST: u32 = 1_000;
/// How long a client is known that nobody has granted anything.
const UNUSED: Duration = Duration::DAY;
const URIS: std::ops::RangeInclusive<usize> = 1..=10;
const URI_CHARS: usize = 2_048;
const NAME_CHARS: usize = 100;
/// Schemes that a browser acts on by itself.
const FORBIDDEN_SCHEMES: [&str; 9] =
    ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "ws", "wss"];

/// What a client says of itself.
#[derive(Debug, Default)]
pub(crate) struct Registration {
    pub name: Option<String>,
    pub redirect_uris: Vec<String>,
}

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub id: String,
    pub name: String,
    pub redirect_uris: Vec<String>,
    pub issued_at: OffsetDateTime,
}

impl From<ClientRecord> for Client {
    fn from(record: ClientRecord) -> Self {
        let ClientRecord { id, name, redirect_uris, created_at, .. } = record;
        Self { id, name, redirect_uris, issued_at: created_at }
    }
}

impl Client {
    /// Whether a browser may be sent back there: exactly as registered, but for the port of a loopback address, which a
    /// native client takes as it finds it (RFC 8252).
    pub fn allows(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == uri || is_same_but_for_the_port(known, uri))
    }
}

impl App {
    /// Registers a client.
    pub(crate) async fn register_client(&self, registration: Registration) -> Result<Client, GrantError> {
        let wrong = |why: String| GrantError::new(GrantFault::InvalidRedirectUri, why);
        if !URIS.contains(&registration.redirect_uris.len()) {
            return Err(wrong(format!("redirect_uris must have {} to {} entries", URIS.start(), URIS.end())));
        }
        for uri in &registration.redirect_uris {
            check_redirect(uri).map_err(|why| wrong(why.to_owned()))?;
        }
        let name = registration.name.as_deref().map_or("", str::trim);
        if name.chars().count() > NAME_CHARS || name.contains(char::is_control) {
            let why = format!("client_name must have at most {NAME_CHARS} characters and no control characters");
            return Err(GrantError::new(GrantFault::InvalidClientMetadata, why));
        }
        let record = ClientRecord {
            id: Minted::new("nka_").secret,
            name: if name.is_empty() { "a program without a name".to_owned() } else { name.to_owned() },
            redirect_uris: registration.redirect_uris,
            created_at: self.now(),
            expires_at: self.now() + UNUSED,
        };
        if !self.store().add_client(&record, MOST, self.now()).await? {
            let why = format!("the server knows {MOST} clients, its limit; try again later");
            return Err(GrantError::new(GrantFault::TemporarilyUnavailable, why));
        }
        Ok(record.into())
    }

    /// A client that is known at this time.
    pub(crate) async fn oauth_client(&self, id: &str) -> Result<Option<Client>, GrantError> {
        Ok(self.store().client(id, self.now()).await?.map(Client::from))
    }
}

/// What is wrong with an address to send a browser back to.
fn check_redirect(uri: &str) -> Result<(), &'static str> {
    let plain = uri.len() <= URI_CHARS && uri.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    let url = Url::parse(uri).ok().filter(|_| plain).ok_or("a redirect URI must be an absolute, plain ASCII URI")?;
    if url.fragment().is_some() {
        return Err("a redirect URI must have no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a redirect URI must hold no credentials");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("a redirect URI with http must be a loopback address; use https"),
        scheme if FORBIDDEN_SCHEMES.contains(&scheme) => Err("a redirect URI must not have that scheme"),
        _ => Ok(()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn is_same_but_for_the_port(known: &str, uri: &str) -> bool {
    if check_redirect(uri).is_err() {
        return false;
    }
    let (Ok(mut known), Ok(mut asked)) = (Url::parse(known), Url::parse(uri)) else { return false };
    let loopback = known.scheme() == "http" && is_loopback(&known) && is_loopback(&asked);
    // `set_port` fails only for addresses that have none.
    loopback && known.set_port(None).is_ok() && asked.set_port(None).is_ok() && known == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uri: &str) -> Client {
        Client {
            id: "c".to_owned(),
            name: "n".to_owned(),
            redirect_uris: vec![uri.to_owned()],
            issued_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn where_a_browser_may_be_sent() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "http://localhost:3118/callback",
            "http://127.0.0.1/cb?x=1",
            "http://[::1]:9/cb",
            "cursor://anysphere.cursor-retrieval/oauth/callback",
            "com.example.app:/callback",
        ] {
            assert_eq!(check_redirect(good), Ok(()), "{good}");
        }
        let long = format!("https://a.test/{}", "a".repeat(URI_CHARS));
        for bad in [
            "",
            "/callback",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://evil.test/cb",
            "http://localhost.evil.test/cb",
            "https://a.test/cb#fragment",
            "https://user:pw@a.test/cb",
            "https://a.test/a b",
            "https://a.test/\r\nx: y",
            "https://ä.test/",
            &long,
        ] {
            assert!(check_redirect(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let native = client("http://127.0.0.1:1000/cb");
        assert!(native.allows("http://127.0.0.1:1000/cb") && native.allows("http://127.0.0.1:55555/cb"));
        for other in [
            "http://127.0.0.1:1000/cb/",
            "http://127.0.0.1:1000/cb?x=1",
            "http://localhost:1000/cb",
            "https://127.0.0.1:1000/cb",
            "http://127.0.0.1:1000/cb#x",
            "http://user@127.0.0.1:1000/cb",
            "http://127.0.0.1.evil.test/cb",
        ] {
            assert!(!native.allows(other), "{other}");
        }
        let web = client("https://a.test/cb");
        assert!(web.allows("https://a.test/cb"));
        for other in ["https://a.test:444/cb", "https://a.test/cb/", "https://a.test/CB", "https://b.test/cb"] {
            assert!(!web.allows(other), "{other}");
        }
    }
}
