//! TLS towards clients.

use crate::Stream;
use crate::client_certificate::{Check, ClientCertificate, ClientCertificates, ClientCertificatesError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate, its key, what channel binding needs to know of it, and how clients' certificates are checked.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    end_point: Option<Vec<u8>>,
    clients: Option<Arc<Check>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    #[error("cannot read {what} {}: {cause}", path.display())]
    Unreadable { what: &'static str, path: PathBuf, cause: String },
    #[error("{} holds no certificate", path.display())]
    Empty { path: PathBuf },
    #[error("the certificate {} and its key {} do not work together: {cause}", certificate.display(), key.display())]
    Mismatch { certificate: PathBuf, key: PathBuf, cause: rustls::Error },
    #[error(transparent)]
    Clients(#[from] ClientCertificatesError),
}

impl ServerTls {
    /// Reads a PEM chain (leaf first) and its PEM key; TLS 1.2 and 1.3. `alpn` are the protocol names offered.
    /// Clients are asked for a certificate of theirs only with `clients`.
    ///
    /// # Errors
    /// When a file is missing, empty, or the two do not belong together.
    pub fn load(
        certificate: &Path,
        key: &Path,
        alpn: &[&str],
        clients: Option<ClientCertificates<'_>>,
    ) -> Result<Self, ServerTlsError> {
        let unreadable = |what, path: &Path, cause: String| ServerTlsError::Unreadable {
            what,
            path: path.to_owned(),
            cause,
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable("the certificate", certificate, error.to_string()))?;
        let leaf = chain.first().ok_or_else(|| ServerTlsError::Empty { path: certificate.to_owned() })?;
        let end_point = server_end_point(leaf);
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable("the key", key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mismatch = |cause| ServerTlsError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            cause,
        };
        let clients = clients.map(|clients| Check::load(clients, Arc::clone(&provider))).transpose()?;
        // Sessions that can be resumed are kept in this configuration, with the chain their client has shown: another
        // configuration (a changed list of revoked certificates, say) knows none of them.
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| match &clients {
                Some(check) => builder.with_client_cert_verifier(Arc::clone(check) as Arc<_>),
                None => builder.with_no_client_auth(),
            })
            .and_then(|builder| builder.with_single_cert(chain, private))
            .map_err(mismatch)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), end_point, clients })
    }

    /// The `tls-server-end-point` channel binding of our certificate (RFC 5929); none where its signature
    /// algorithm defines no hash.
    pub fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    /// The server's part of the handshake. Also tells which ALPN name was chosen.
    ///
    /// # Errors
    /// What the handshake failed of.
    pub async fn accept(&self, socket: TcpStream) -> std::io::Result<(Stream, Option<Vec<u8>>)> {
        let stream = self.acceptor.accept(socket).await?;
        let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok((Stream::FromClient(Box::new(stream)), alpn))
    }

    /// The certificate that the client of a stream has shown; `None` when it has shown none, or was not asked. `stream`
    /// has been accepted here. Ask [`stands`](Self::stands) before it is believed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn client_certificate(&self, stream: &Stream) -> Result<Option<Arc<ClientCertificate>>, String> {
        self.clients.as_ref().map_or(Ok(None), |check| check.shown(stream))
    }

    /// Whether a client's certificate is good here and now: its chain, its time, and that nobody has revoked it. Cheap
    /// if it was asked before and nothing has changed since.
    ///
    /// # Errors
    /// Why it is not.
    pub fn stands(&self, certificate: &ClientCertificate, now: SystemTime) -> Result<(), String> {
        let check = self.clients.as_ref().ok_or("certificates of clients are not looked at here")?;
        check.stands(certificate, now)
    }
}

/// RFC 5929 section 4.1: the certificate hashed with the hash of its signature, MD5 and SHA-1 replaced by
/// SHA-256. Ed25519 and RSA-PSS with parameters we do not read have none.
pub(crate) fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // md5, sha1 and sha256 with RSA; ecdsa with SHA-1 and SHA-256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}
