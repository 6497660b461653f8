//! TLS towards upstreams.

use crate::Stream;
use crate::tls_server::server_end_point;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How much of the upstream's certificate is checked; libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: protects only against those who listen and do not act.
    Require,
    /// It is signed by a known authority.
    Ca,
    /// And it is for the host we connect to.
    Full,
}

/// How to speak TLS with one upstream.
#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    #[error("cannot read the certificate authorities in {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("there are no certificate authorities to trust: name them with `upstream_ca`")]
    NoRoots,
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
    #[error("the gateway's own certificate for the upstream cannot be used: {0}")]
    Own(String),
    #[error("`{0}` is not a host name TLS can check")]
    Name(String),
}

/// What we show an upstream that asks who we are.
#[derive(Clone, Copy)]
pub struct OwnCertificate<'a> {
    /// A chain in PEM, leaf first.
    pub certificate: &'a Path,
    /// Its key: the text of a PEM file.
    pub key: &'a str,
}

impl ClientTls {
    /// `authorities` is a PEM file; without it the system's roots are trusted. `alpn` are the names offered, `own` is
    /// shown to whoever asks.
    ///
    /// # Errors
    /// When a file cannot be read, there is nobody to trust, or the own certificate and its key do not fit.
    pub fn load(
        verify: Verify,
        authorities: Option<&Path>,
        alpn: &[&str],
        own: Option<OwnCertificate<'_>>,
    ) -> Result<Self, ClientTlsError> {
        let setup = |error: rustls::Error| ClientTlsError::Setup(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let builder = match verify {
            Verify::Full => builder.with_root_certificates(roots(authorities)?),
            Verify::Ca => {
                let roots = Arc::new(roots(authorities)?);
                let verifier = Arc::new(Lenient { roots: Some(roots), provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Verify::Require => {
                let verifier = Arc::new(Lenient { roots: None, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let mut config = match own {
            Some(own) => {
                let (chain, key) = own.read()?;
                let unfit = |error: rustls::Error| ClientTlsError::Own(error.to_string());
                builder.with_client_auth_cert(chain, key).map_err(unfit)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// The client's part of the handshake. Also gives the `tls-server-end-point` binding of the certificate.
    ///
    /// # Errors
    /// When the name cannot be checked or the handshake fails; the message names the reason.
    pub async fn connect(&self, host: &str, socket: TcpStream) -> std::io::Result<(Stream, Option<Vec<u8>>)> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| std::io::Error::other(ClientTlsError::Name(host.to_owned())))?;
        let stream = self.connector.connect(name, socket).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let end_point = certificates.and_then(<[_]>::first).and_then(server_end_point);
        Ok((Stream::ToUpstream(Box::new(stream)), end_point))
    }
}

impl OwnCertificate<'_> {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ClientTlsError> {
        let unread = |what: &str, error: rustls::pki_types::pem::Error| {
            ClientTlsError::Own(format!("{what} cannot be read: {error}"))
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unread(&self.certificate.display().to_string(), error))?;
        if chain.is_empty() {
            return Err(ClientTlsError::Own(format!("{} holds no certificate", self.certificate.display())));
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        // What is wrong with the text of a key may be a piece of it.
        let key = key.map_err(|_| ClientTlsError::Own("the key is no private key in PEM".to_owned()))?;
        Ok((chain, key))
    }
}

fn roots(authorities: Option<&Path>) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let unreadable = |cause: String| ClientTlsError::Unreadable { path: path.to_owned(), cause };
            let all = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
            for certificate in all {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            for error in native.errors {
                tracing::warn!(%error, "one of the system's certificate authorities cannot be read");
            }
            roots.add_parsable_certificates(native.certs);
        }
    }
    if roots.is_empty() { Err(ClientTlsError::NoRoots) } else { Ok(roots) }
}

/// Checks less than the name: only the chain (`verify-ca`) or nothing (`require`). Signatures of the
/// handshake itself are always checked.
#[derive(Debug)]
struct Lenient {
    roots: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
