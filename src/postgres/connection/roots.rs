//! The roots a certificate chain may lead to.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::postgres::error::Error;

/// Where systems keep the roots of their administrators; the first that is there is read besides
/// the roots that browsers trust.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The word that stands for the system's roots.
pub(super) const SYSTEM: &str = "system";

/// What is trusted: roots, and the certificates of the root file themselves, which a server may
/// also present as its own (a self-signed server certificate).
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    pub(super) pinned: Vec<CertificateDer<'static>>,
}

/// The roots of `file`; without one, or for `system`, those that browsers and the system trust.
pub(super) fn load(file: Option<&Path>) -> Result<Roots, Error> {
    match file {
        Some(path) if path != Path::new(SYSTEM) => from_file(path),
        Some(_) | None => Ok(from_system()),
    }
}

fn from_file(path: &Path) -> Result<Roots, Error> {
    let pinned = certificates(path)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(pinned.iter().cloned());
    if added == 0 && pinned.is_empty() {
        return Err(unusable(path, "it holds no certificate"));
    }
    Ok(Roots { store, pinned })
}

fn from_system() -> Roots {
    let mut store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let chosen = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let known = SYSTEM_FILES.iter().map(PathBuf::from);
    if let Some(path) = chosen.into_iter().chain(known).find(|path| path.is_file())
        && let Ok(found) = certificates(&path)
    {
        store.add_parsable_certificates(found);
    }
    Roots {
        store,
        pinned: Vec::new(),
    }
}

/// Every certificate of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, error))
}

/// A file of certificates or keys that cannot be used.
pub(super) fn unusable(
    path: &Path,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::TlsFile {
        path: path.display().to_string(),
        source: io::Error::other(why),
    }
}
