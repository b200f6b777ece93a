//! The pooled HTTP client, with the TLS that was chosen.

use reqwest::{Client, ClientBuilder, Url, redirect::Policy};

use crate::{Error, Result};

/// A client for one server. Without a redirect: a key goes to the server it was given for, and to no other.
pub fn client(base: &Url) -> Result<Client> {
    let builder = Client::builder().redirect(Policy::none()).tcp_nodelay(true);
    // A proxy is of no use on the way to one's own machine.
    let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
    let failed = |error: reqwest::Error| Error::invalid(format!("no HTTP client: {error}")).with_source(error);
    with_tls(builder, base.scheme() == "https")?.build().map_err(failed)
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// rustls with a provider of its own, so that nothing has to be installed for the whole process.
#[cfg(feature = "rustls")]
fn with_tls(builder: ClientBuilder, is_used: bool) -> Result<ClientBuilder> {
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore, crypto::ring};
    use rustls_platform_verifier::BuilderVerifierExt;

    let failed = |error: rustls::Error| Error::invalid(format!("no TLS: {error}")).with_source(error);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(failed)?;
    // Reading the system's certificates takes time; plain HTTP needs none.
    let mut config = if is_used {
        config.with_platform_verifier().map_err(failed)?.with_no_client_auth()
    } else {
        config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    if cfg!(feature = "http2") {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(builder.tls_backend_preconfigured(config))
}

/// The operating system's TLS.
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn with_tls(builder: ClientBuilder, _is_used: bool) -> Result<ClientBuilder> {
    Ok(builder.tls_backend_native())
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn with_tls(builder: ClientBuilder, is_used: bool) -> Result<ClientBuilder> {
    if is_used {
        return Err(Error::invalid("an `https://` base URL needs the feature `rustls` or `native-tls`"));
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_machine_is_known() {
        let own = |url: &str| is_loopback(&Url::parse(url).expect("a URL"));
        assert!(own("http://localhost:1/a") && own("http://127.0.0.1") && own("http://[::1]:8080/api"));
        assert!(!own("http://localhost.example") && !own("http://10.0.0.1") && !own("https://a.example"));
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn https_works_without_anything_installed() {
        assert!(client(&Url::parse("https://flows.example.com/api/v1").expect("a URL")).is_ok());
    }
}
