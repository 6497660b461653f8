//! The certificates that clients show: whether they are to be believed, and what they say.

use crate::Stream;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, HandshakeKind, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_model::{CertificateFacts, CertificateName, Digest};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Which certificates of clients are to be believed.
#[derive(Clone, Copy, Debug)]
pub struct ClientCertificates<'a> {
    /// Who may have signed them, in PEM.
    pub authorities: &'a Path,
    /// What those have revoked, in PEM; with it, each authority of a chain needs a list that is not out of date.
    pub revoked: Option<&'a Path>,
    /// Whether a client without one is refused.
    pub required: bool,
}

/// Why certificates of clients cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificatesError {
    #[error("cannot read the {what} in {}: {cause}", path.display())]
    Unreadable { what: &'static str, path: PathBuf, cause: String },
    #[error("{} holds no {what}", path.display())]
    Empty { what: &'static str, path: PathBuf },
}

const AUTHORITIES: &str = "certificate authorities for clients";
const REVOKED: &str = "certificate revocation lists for clients";

/// A certificate that a client has proven to have the key of.
#[derive(Debug)]
pub struct ClientCertificate {
    facts: CertificateFacts,
    /// The certificate and what the client sent of its chain.
    chain: Vec<CertificateDer<'static>>,
    /// Under which rules it was good when it was last looked at.
    good_under: Mutex<Option<Digest>>,
}

impl ClientCertificate {
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }
}

/// The check of one listener. As strict as it can be: the purpose has to be written in the certificate.
#[derive(Debug)]
pub(crate) struct Check {
    inner: Arc<dyn ClientCertVerifier>,
    /// Names the rules: authorities and lists.
    rules: Digest,
}

impl Check {
    pub(crate) fn load(
        asked: ClientCertificates<'_>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, ClientCertificatesError> {
        let mut rules = Sha256::new();
        let mut roots = RootCertStore::empty();
        let unreadable = |cause: String| unreadable(AUTHORITIES, asked.authorities, cause);
        let authorities = CertificateDer::pem_file_iter(asked.authorities)
            .map_err(|error| unreadable(error.to_string()))?;
        for authority in authorities {
            let authority = authority.map_err(|error| unreadable(error.to_string()))?;
            rules.update((authority.len() as u64).to_be_bytes());
            rules.update(&authority);
            roots.add(authority).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(ClientCertificatesError::Empty {
                what: "certificate",
                path: asked.authorities.to_owned(),
            });
        }
        let lists = asked.revoked.map(revocation_lists).transpose()?.unwrap_or_default();
        for list in &lists {
            rules.update((list.len() as u64).to_be_bytes());
            rules.update(list);
        }
        // Unknown revocation is refused, which is what the builder does unless told otherwise.
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(lists);
        if asked.revoked.is_some() {
            builder = builder.enforce_revocation_expiration();
        }
        if !asked.required {
            builder = builder.allow_unauthenticated();
        }
        let (what, path) = match asked.revoked {
            Some(path) => (REVOKED, path),
            None => (AUTHORITIES, asked.authorities),
        };
        let inner = builder.build().map_err(|error| self::unreadable(what, path, error.to_string()))?;
        Ok(Arc::new(Self { inner, rules: Digest(rules.finalize().into()) }))
    }

    /// The certificate of a client whose handshake has just been accepted with this check.
    pub(crate) fn shown(&self, stream: &Stream) -> Result<Option<Arc<ClientCertificate>>, String> {
        let Stream::FromClient(tls) = stream else { return Ok(None) };
        let connection = tls.get_ref().1;
        let Some(chain) = connection.peer_certificates().filter(|chain| !chain.is_empty()) else {
            return Ok(None);
        };
        let leaf = chain.first().ok_or("an empty chain")?;
        // Of a resumed session the chain is that of the handshake it began with: good then, perhaps not now.
        let is_fresh = matches!(
            connection.handshake_kind(),
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
        );
        let certificate = ClientCertificate {
            facts: read(leaf).map_err(|error| error.to_string())?,
            chain: chain.iter().map(|each| each.clone().into_owned()).collect(),
            good_under: Mutex::new(is_fresh.then_some(self.rules)),
        };
        Ok(Some(Arc::new(certificate)))
    }

    /// Whether a certificate is good now. Cheap as long as the rules are those it was good under.
    pub(crate) fn stands(&self, certificate: &ClientCertificate, now: SystemTime) -> Result<(), String> {
        if certificate.facts.expires <= now {
            return Err(rustls::Error::from(CertificateError::Expired).to_string());
        }
        let mut good_under = certificate.good_under.lock().unwrap_or_else(PoisonError::into_inner);
        if *good_under == Some(self.rules) {
            return Ok(());
        }
        let (leaf, between) = certificate.chain.split_first().ok_or("an empty chain")?;
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.verify_client_cert(leaf, between, now).map_err(|error| error.to_string())?;
        *good_under = Some(self.rules);
        Ok(())
    }
}

fn unreadable(what: &'static str, path: &Path, cause: String) -> ClientCertificatesError {
    ClientCertificatesError::Unreadable { what, path: path.to_owned(), cause }
}

fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, ClientCertificatesError> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(REVOKED, path, error.to_string()))?;
    if lists.is_empty() {
        return Err(ClientCertificatesError::Empty { what: "revocation list", path: path.to_owned() });
    }
    Ok(lists)
}

/// What a certificate says.
fn read(certificate: &CertificateDer<'_>) -> Result<CertificateFacts, rustls::Error> {
    let unreadable = || rustls::Error::from(CertificateError::BadEncoding);
    let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
    if !rest.is_empty() {
        return Err(unreadable());
    }
    let sha256 = Digest(Sha256::digest(certificate).into());
    let key = Digest(Sha256::digest(parsed.public_key().raw).into());
    let mut names = vec![CertificateName::Certificate(sha256), CertificateName::Key(key)];
    let alternative = parsed.subject_alternative_name().map_err(|_| unreadable())?;
    for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::URI(uri) => names.push(CertificateName::Uri((*uri).to_owned())),
            GeneralName::RFC822Name(email) => names.push(CertificateName::Email((*email).to_owned())),
            GeneralName::DNSName(dns) => names.push(CertificateName::Dns(dns.to_ascii_lowercase())),
            // Nobody is named by these.
            _ => {}
        }
    }
    // Of several common names it would be a matter of taste which one counts.
    let mut common = parsed.subject().iter_common_name();
    if let (Some(name), None) = (common.next(), common.next())
        && let Ok(name) = name.as_str()
    {
        names.push(CertificateName::CommonName(name.to_owned()));
    }
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).map_err(|_| unreadable())?;
    // The last second belongs to it (RFC 5280, section 4.1.2.5).
    let expires = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.saturating_add(1)));
    Ok(CertificateFacts { sha256, names, expires: expires.ok_or_else(unreadable)? })
}

/// Whether it is said to be for clients. A certificate without a purpose may be anything, a server's for instance.
fn is_for_clients(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| {
        parsed.extended_key_usage().ok().flatten().is_some_and(|usage| usage.value.client_auth)
    })
}

impl ClientCertVerifier for Check {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        read(end_entity)?;
        if !is_for_clients(end_entity) {
            return Err(CertificateError::InvalidPurpose.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether a handshake has failed of the client's certificate, or of its absence.
pub fn is_about_certificate(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(
        cause,
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::InvalidCertRevocationList(_)
        )
    )
}

#[cfg(test)]
mod tests;
