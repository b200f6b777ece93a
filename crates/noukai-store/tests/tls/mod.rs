//! TLS to the database: each `sslmode` against a cluster with a certificate of an authority of its own, and against one
//! without TLS.

use noukai_store::{PostgresOptions, PostgresStore, StoreError, Upkeep};
use noukai_testbed::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A cluster whose certificate is for `localhost` alone, and the certificates of two authorities in files.
struct Bed {
    cluster: Postgres,
    files: TempDir,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Bed {
    fn new() -> Self {
        let (ours, other) = (authority("ours"), authority("another"));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
        let cluster = Postgres::with_tls(&certificate.pem(), &key.serialize_pem()).unwrap();
        let files = tempfile::tempdir().unwrap();
        for (name, text) in [("ours", ours.pem()), ("other", other.pem()), ("none", "no certificate".to_owned())] {
            std::fs::write(files.path().join(name), text).unwrap();
        }
        Self { cluster, files }
    }

    /// Opens the store at `host`; whether every connection to the database is encrypted, or why it was not opened.
    async fn open(&self, host: &str, mode: &str, root: Option<&str>) -> Result<bool, String> {
        let root = root.map(|name| format!("&sslrootcert={}", self.files.path().join(name).display()));
        let url = format!(
            "postgres://noukai@{host}:{}/postgres?sslmode={mode}{}",
            self.cluster.port(),
            root.unwrap_or_default()
        );
        let store = match PostgresStore::open(PostgresOptions { connections: 2, ..PostgresOptions::at(url) }).await {
            Ok(store) => store,
            Err(StoreError::Unusable(why)) => return Err(why),
            Err(error) => panic!("{error:?}"),
        };
        store.ready().await.unwrap();
        let asked = "SELECT bool_and(ssl), count(*) > 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'noukai'";
        let encrypted = self.cluster.sql("postgres", asked).unwrap();
        store.close().await;
        match encrypted.trim() {
            "t|t" => Ok(true),
            "f|t" => Ok(false),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn each_mode_trusts_as_much_as_it_says() {
    let bed = Bed::new();
    for (host, mode, root) in [
        ("127.0.0.1", "require", None),
        ("127.0.0.1", "prefer", None),
        ("127.0.0.1", "require", Some("ours")),
        ("127.0.0.1", "verify-ca", Some("ours")),
        ("localhost", "verify-full", Some("ours")),
    ] {
        assert_eq!(bed.open(host, mode, root).await, Ok(true), "{host} {mode} {root:?}");
    }
    assert_eq!(bed.open("127.0.0.1", "disable", None).await, Ok(false));
    for (host, mode, root, why) in [
        // For another host, of another authority, of one that the system does not know, of no authority at all.
        ("127.0.0.1", "verify-full", Some("ours"), "not valid for name"),
        ("localhost", "verify-full", Some("other"), "UnknownIssuer"),
        ("localhost", "verify-ca", Some("other"), "UnknownIssuer"),
        ("localhost", "require", Some("other"), "UnknownIssuer"),
        ("localhost", "verify-full", None, "UnknownIssuer"),
        ("localhost", "verify-full", Some("none"), "holds no certificates"),
        ("localhost", "verify-full", Some("missing"), "holds no certificates"),
    ] {
        let refused = bed.open(host, mode, root).await.expect_err(mode);
        assert!(refused.contains(why), "{host} {mode} {root:?}: {refused}");
    }
}

#[tokio::test]
async fn where_the_database_has_no_tls_only_who_may_do_without_connects() {
    let bed = Bed { cluster: Postgres::start().unwrap(), files: tempfile::tempdir().unwrap() };
    assert_eq!(bed.open("127.0.0.1", "prefer", None).await, Ok(false));
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = bed.open("127.0.0.1", mode, None).await.expect_err(mode);
        assert!(refused.contains("does not support TLS"), "{mode}: {refused}");
    }
}
