//! TLS to the database, as `sslmode` asks for it.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio_postgres::config::SslMode;

use crate::StoreError;

/// Whom to trust.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub mode: SslMode,
    /// Whether the certificate must come from an authority that is trusted.
    pub chain: bool,
    /// Whether it must be for the host.
    pub name: bool,
    /// The authorities' certificates (PEM); `None`: the system's.
    pub root: Option<PathBuf>,
}

impl Trust {
    /// `disable`, `prefer`, `require`, `verify-ca` or `verify-full`, with libpq's meanings.
    pub(super) fn set_mode(&mut self, text: &str) -> Result<(), String> {
        (self.mode, self.chain, self.name) = match text {
            "disable" => (SslMode::Disable, false, false),
            "prefer" | "allow" => (SslMode::Prefer, false, false),
            "require" => (SslMode::Require, false, false),
            "verify-ca" => (SslMode::Require, true, false),
            "verify-full" => (SslMode::Require, true, true),
            _ => return Err("`sslmode` is disable, prefer, require, verify-ca or verify-full".to_owned()),
        };
        Ok(())
    }
}

pub(super) fn config(trust: &Trust) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let inner = if trust.chain || trust.root.is_some() { Some(chain(trust, &provider)?) } else { None };
    let lenient = Lenient { inner, name: trust.name, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(lenient)).with_no_client_auth())
}

fn chain(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, StoreError> {
    let Some(path) = &trust.root else {
        return Ok(Arc::new(Verifier::new(provider.clone()).map_err(|error| unusable(&error))?));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error))? {
        let certificate = certificate.map_err(|error| unreadable(path, &error))?;
        roots.add(certificate).map_err(|error| unreadable(path, &error))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    builder.build().map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(|error| unreadable(path, &error))
}

fn unusable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Unusable(format!("TLS to the database cannot be set up: {error}"))
}

fn unreadable(path: &std::path::Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unusable(format!(
        "`sslrootcert` of the database's URL: {} holds no certificates that can be used ({error})",
        path.display()
    ))
}

/// Checks as much as was asked for; signatures always.
#[derive(Debug)]
struct Lenient {
    inner: Option<Arc<dyn ServerCertVerifier>>,
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
