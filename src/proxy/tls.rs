//! The session's certificate authority and its leaf certificates. The CA's key is made at each start and never
//! leaves this process's memory.

use crate::base::host::HostName;
use crate::base::limits;
use crate::format::allowlist::Allowlist;
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Makes a certificate for whatever name a client asks for, so that a blocked host can be told why in its own words.
pub struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    /// One key for all leaves: they live as long as this process and guard one local socket.
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    allowlist: Arc<Allowlist>,
    kept: Mutex<HashMap<HostName, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}

/// The provider of cryptography, chosen here for every connection in and out.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Leaves {
    /// Makes a new authority. Also returns its certificate in PEM, for the container to trust.
    pub fn new(allowlist: Arc<Allowlist>, provider: &CryptoProvider) -> Result<(Self, String)> {
        let mut params = params("airut sandbox CA of one session");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().context("cannot make a key")?;
        let ca = params.self_signed(&ca_key).context("cannot make a certificate")?;
        let key = KeyPair::generate().context("cannot make a key")?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = provider.key_provider.load_private_key(der).context("cannot use the key")?;
        let leaves = Self {
            issuer: Issuer::new(params, ca_key),
            ca: ca.der().clone(),
            key,
            signing,
            allowlist,
            kept: Mutex::new(HashMap::new()),
        };
        Ok((leaves, ca.pem()))
    }

    fn leaf(&self, host: &HostName) -> Option<Arc<CertifiedKey>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = kept.get(host) {
            return Some(Arc::clone(leaf));
        }
        let leaf = Arc::new(self.make(host).ok()?);
        // The name is the agent's to choose: only what a rule could allow is worth keeping, and not without end.
        if kept.len() < limits::LEAF_COUNT && self.allowlist.rules.iter().any(|rule| rule.host.matches(host))
        {
            kept.insert(host.clone(), Arc::clone(&leaf));
        }
        Some(leaf)
    }

    fn make(&self, host: &HostName) -> Result<CertifiedKey> {
        // A common name holds 64 characters; the name that counts is the alternative one.
        let mut params = params("airut sandbox leaf");
        params.subject_alt_names = vec![rcgen::SanType::DnsName(host.as_str().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.key, &self.issuer)?;
        Ok(CertifiedKey::new(vec![leaf.der().clone(), self.ca.clone()], Arc::clone(&self.signing)))
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaf(&hello.server_name()?.parse().ok()?)
    }
}

/// Valid from yesterday, for clocks that differ, for as long as a client could accept a leaf.
fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(24 * 3600)).into();
    params.not_after = (now + Duration::from_secs(90 * 24 * 3600)).into();
    params
}

/// The server side of every connection from the sandbox.
pub fn server_config(leaves: Leaves, provider: Arc<CryptoProvider>) -> Result<Arc<rustls::ServerConfig>> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no TLS version is available")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(leaves));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The client side: the system's authorities and the operator's own, always verified.
pub fn client_config(extra_pem: Option<&str>, provider: Arc<CryptoProvider>) -> Result<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    // What cannot be read of the system's store is missing from it: fewer servers are trusted, never more.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = extra_pem {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.context("the upstream CA file is not PEM")?;
            roots.add(certificate).context("the upstream CA file holds something that is no certificate")?;
        }
    }
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no TLS version is available")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
