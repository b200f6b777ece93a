//! Where people reach the server. Sign-ins and tokens pass there, so that it must be TLS, but on the machine itself.

use url::{Host, Url};

use super::ConfigError;

/// The address without a slash at its end.
pub(super) fn url(text: &str) -> Result<String, ConfigError> {
    let wrong = |why: &str| ConfigError(format!("`public_url`: `{text}` {why}, as in https://noukai.example.org"));
    let url = Url::parse(text).map_err(|_| wrong("must be a whole address"))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(wrong("must begin with https://"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a scheme, a host and at most a port"));
    }
    Ok(url.origin().ascii_serialization())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_addresses_are_taken() {
        let of = |text: &str| url(text).ok();
        assert_eq!(of("https://noukai.example.org/").as_deref(), Some("https://noukai.example.org"));
        assert_eq!(of("https://noukai.example.org:8443").as_deref(), Some("https://noukai.example.org:8443"));
        assert_eq!(of("http://localhost:8080").as_deref(), Some("http://localhost:8080"));
        for bad in [
            "",
            "noukai.example.org",
            "http://noukai.example.org",
            "https://noukai.example.org/api",
            "https://noukai.example.org?x",
            "https://user@noukai.example.org",
            "ftp://noukai.example.org",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
