//! A client's certificate as far as it says who somebody is, and how users are named by it.

use std::fmt;
use std::time::SystemTime;

use crate::Digest;

/// The attribute of a session that came with a client certificate: the SHA-256 of the certificate. The session ends with
/// it.
pub const CERTIFICATE: &str = "certificate-sha256";

/// Longer ones are not written by hand.
const LONGEST_NAME: usize = 1024;

/// One thing by which a certificate names somebody. Compared exactly; only DNS names are put into lower case first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// A URI of the subject's alternative names: a SPIFFE ID, say.
    Uri(String),
    /// An e-mail address of the subject's alternative names.
    Email(String),
    /// A DNS name of the subject's alternative names, in lower case. Never a pattern.
    Dns(String),
    /// The common name of the subject: what old tools write. Authorities check it less than the others.
    CommonName(String),
    /// The SHA-256 of the whole certificate.
    Certificate(Digest),
    /// The SHA-256 of its public key (SubjectPublicKeyInfo), which a renewed certificate may keep.
    Key(Digest),
}

/// What is no name of a certificate, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateNameError {
    /// It does not begin with a word that says what it is.
    Kind,
    /// Empty, too long, or with characters that such a name does not have.
    Text,
    /// DNS names of users are no patterns.
    Pattern,
    /// Not 64 hexadecimal digits.
    Digits,
}

/// What a certificate says of its owner. Says nothing of whether it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its fingerprint, by which the trail knows it.
    pub sha256: Digest,
    /// All its names, both fingerprints among them.
    pub names: Vec<CertificateName>,
    /// Good until this moment.
    pub expires: SystemTime,
}

impl CertificateName {
    /// Reads `uri:…`, `email:…`, `dns:…`, `cn:…`, `sha256:…` or `key-sha256:…`. Digits may have colons between them, as
    /// openssl prints them.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, CertificateNameError> {
        let (kind, name) = text.split_once(':').ok_or(CertificateNameError::Kind)?;
        let printable = || {
            let fits = is_short(name) && name.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| name.to_owned()).ok_or(CertificateNameError::Text)
        };
        match kind {
            "uri" => printable().map(Self::Uri),
            "email" => printable().map(Self::Email),
            "dns" if name.contains('*') => Err(CertificateNameError::Pattern),
            "dns" => printable().map(|name| Self::Dns(name.to_ascii_lowercase())),
            "cn" if is_short(name) && !name.contains(char::is_control) => {
                Ok(Self::CommonName(name.to_owned()))
            }
            "cn" => Err(CertificateNameError::Text),
            "sha256" => digest(name).map(Self::Certificate).ok_or(CertificateNameError::Digits),
            "key-sha256" => digest(name).map(Self::Key).ok_or(CertificateNameError::Digits),
            _ => Err(CertificateNameError::Kind),
        }
    }
}

impl fmt::Display for CertificateName {
    /// As in the users file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(name) => write!(out, "uri:{name}"),
            Self::Email(name) => write!(out, "email:{name}"),
            Self::Dns(name) => write!(out, "dns:{name}"),
            Self::CommonName(name) => write!(out, "cn:{name}"),
            Self::Certificate(digest) => write!(out, "sha256:{digest}"),
            Self::Key(digest) => write!(out, "key-sha256:{digest}"),
        }
    }
}

fn is_short(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
}

fn digest(text: &str) -> Option<Digest> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut digest = Digest([0; 32]);
    if digits.len() != 2 * digest.0.len() {
        return None;
    }
    for (byte, pair) in digest.0.iter_mut().zip(digits.chunks(2)) {
        let value = |digit: &u8| char::from(*digit).to_digit(16);
        let [high, low] = pair else { return None };
        *byte = u8::try_from(value(high)? * 16 + value(low)?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown_as_they_are_written() {
        let digits = "ab".repeat(32);
        for text in [
            "uri:spiffe://example.org/ann",
            "email:Ann@example.com",
            "dns:ann.example.com",
            "cn:Ann of Example",
            &format!("sha256:{digits}"),
            &format!("key-sha256:{digits}"),
        ] {
            assert_eq!(CertificateName::parse(text).unwrap().to_string(), text);
        }
        let colons = format!("sha256:{}", vec!["AB"; 32].join(":"));
        assert_eq!(CertificateName::parse(&colons), Ok(CertificateName::Certificate(Digest([0xab; 32]))));
        assert_eq!(CertificateName::parse("dns:ANN.example"), Ok(CertificateName::Dns("ann.example".into())));
    }

    #[test]
    fn what_could_be_two_things_is_no_name() {
        use CertificateNameError::{Digits, Kind, Pattern, Text};
        for (text, fault) in [
            ("ann", Kind),
            ("", Kind),
            ("ip:127.0.0.1", Kind),
            ("CN=ann", Kind),
            ("uri:", Text),
            ("uri:a b", Text),
            ("email:\u{e4}nn@example.com", Text),
            ("dns:a\0b", Text),
            ("dns:*.example.com", Pattern),
            ("cn:a\nb", Text),
            ("cn:", Text),
            ("sha256:abcd", Digits),
            (&format!("sha256:{}", "xy".repeat(32)), Digits),
            (&format!("key-sha256:{}0", "ab".repeat(32)), Digits),
            (&format!("uri:{}", "x".repeat(1025)), Text),
        ] {
            assert_eq!(CertificateName::parse(text), Err(fault), "{text}");
        }
    }
}
