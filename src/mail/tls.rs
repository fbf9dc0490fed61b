//! Whom mail connections trust: the system's certificate authorities and, where the operator names one, his own.
//! There is no way to leave the verification out.

use crate::base::fault::Fault;
use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::path::Path;
use std::sync::Arc;

/// A client configuration with the system's roots and those of `ca_file`.
///
/// # Errors
/// Where `ca_file` cannot be read or holds no certificate, and where there are no roots at all.
pub fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(ca_file)?);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The system's certificate authorities, and those of `ca_file`.
///
/// # Errors
/// As `client`.
pub fn roots(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let mut roots = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = ca_file {
        let own = CertificateDer::pem_slice_iter(&authorities(path)?)
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("{} is no PEM file", path.display()))?;
        for certificate in &own {
            let unfit = || format!("a certificate in {} cannot be used", path.display());
            RootCertStore::empty().add(certificate.clone()).with_context(unfit)?;
        }
        roots.extend(own);
    }
    if roots.is_empty() {
        return Err(Fault::config(
            "this system has no certificate authorities, so that no server can be verified",
        )
        .hint("install ca-certificates, or set ca_file")
        .into());
    }
    Ok(roots)
}

/// The text of a `ca_file`, known to hold a certificate.
///
/// # Errors
/// As `client`.
pub fn authorities(path: &Path) -> Result<Vec<u8>> {
    let pem = std::fs::read(path)
        .map_err(|error| Fault::config(format!("cannot read the ca_file {}: {error}", path.display())))?;
    if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|first| first.is_err()) {
        return Err(Fault::config(format!("{} holds no certificate in PEM form", path.display())).into());
    }
    Ok(pem)
}
