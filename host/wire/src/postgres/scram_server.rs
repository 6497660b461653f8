//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS toward a client: two messages in, two out.
//!
//! ```text
//! client-first   n,,n=,r=<client nonce>
//! server-first   r=<client nonce><server nonce>,s=<salt>,i=<iterations>
//! client-final   c=<gs2 header and channel binding>,r=<both nonces>,p=<proof>
//! server-final   v=<server signature>
//! ```
//!
//! **Job.** Check a client's messages against a verifier, and prove to the client that we hold it.
//!
//! **What it does not do.** It does no framing and finds no verifier. The user name inside client-first is ignored, as in
//! PostgreSQL: who logs in was said in the startup packet.
//!
//! **Invariants.** Each stage is consumed by the next, so a proof is checked once against one nonce. A user that does
//! not exist goes through the same arithmetic and fails at the end, whatever the proof. A client that could have bound the
//! channel but was told otherwise on its way (`y` although we offered PLUS) is refused: somebody edited our offer.
//! Sources: RFC 5802 sections 5 to 7, PostgreSQL `auth-scram.c`.

use subtle::{Choice, ConstantTimeEq};

use super::error::{ErrorReport, SqlState};
use super::names::UserName;
use super::scram::{MockScram, Nonce, ScramVerifier, decode_key, encode, hmac, is_nonce, sha256, xor};
use super::secret::EndPointHash;

pub(crate) const SCRAM: &str = "SCRAM-SHA-256";
pub(crate) const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramFault {
    /// A mechanism that was not offered.
    #[error("the client chose a SASL mechanism that was not offered")]
    Mechanism,
    /// A message that is not what RFC 5802 says.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The client wants to act as somebody else.
    #[error("the client sent an authorization identity")]
    AuthorizationIdentity,
    /// The gs2 flag does not fit the mechanism, or says that our offer was changed on its way.
    #[error("channel binding negotiation failed: {0}")]
    Negotiation(&'static str),
    /// The channel binding in the proof is not that of this connection.
    #[error("the channel binding is not that of this connection")]
    ChannelBinding,
    /// The client's second nonce is not the one we sent.
    #[error("the nonce is not ours")]
    Nonce,
    /// The proof does not fit, or the user does not exist.
    #[error("the proof does not fit")]
    Proof,
}

impl ScramFault {
    /// What the client may read.
    pub fn report(self, user: &UserName) -> ErrorReport {
        match self {
            Self::Mechanism => ErrorReport::fatal(
                SqlState::PROTOCOL_VIOLATION,
                "client selected an invalid SASL authentication mechanism",
            ),
            Self::Malformed(what) => {
                ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "malformed SCRAM message").with_detail(what)
            }
            Self::AuthorizationIdentity => ErrorReport::fatal(
                SqlState::FEATURE_NOT_SUPPORTED,
                "client uses authorization identity, but it is not supported",
            ),
            Self::Negotiation(what) => {
                ErrorReport::fatal(SqlState::INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error")
                    .with_detail(what)
            }
            Self::ChannelBinding => {
                ErrorReport::fatal(SqlState::INVALID_AUTHORIZATION, "SCRAM channel binding check failed")
            }
            Self::Nonce => ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "invalid SCRAM response")
                .with_detail("Nonce does not match."),
            Self::Proof => password_failed(user),
        }
    }
}

/// PostgreSQL's words for a wrong password and for an unknown user alike.
pub(crate) fn password_failed(user: &UserName) -> ErrorReport {
    ErrorReport::fatal(
        SqlState::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}

/// An exchange before client-first.
pub(crate) struct ScramServer {
    verifier: ScramVerifier,
    /// Whether the verifier is that of a user; no proof is good for one that stands in.
    genuine: Choice,
    nonce: Nonce,
    /// Our certificate's hash, if PLUS is offered.
    binding: Option<EndPointHash>,
}

impl ScramServer {
    pub(crate) fn new(verifier: ScramVerifier, nonce: Nonce, binding: Option<EndPointHash>) -> Self {
        Self { verifier, genuine: Choice::from(1), nonce, binding }
    }

    pub(crate) fn for_unknown(
        mock: &MockScram,
        user: &UserName,
        nonce: Nonce,
        binding: Option<EndPointHash>,
    ) -> Self {
        Self { verifier: mock.verifier(user), genuine: Choice::from(0), nonce, binding }
    }

    /// The mechanisms to offer, the better one first.
    pub(crate) fn offer(&self) -> &'static [&'static str] {
        match self.binding {
            Some(_) => &[SCRAM_PLUS, SCRAM],
            None => &[SCRAM],
        }
    }

    /// Takes client-first; gives server-first and the next stage.
    pub(crate) fn first(
        self,
        mechanism: &[u8],
        client_first: &[u8],
    ) -> Result<(String, ScramServerFinal), ScramFault> {
        let plus = match (mechanism, &self.binding) {
            (name, _) if name == SCRAM.as_bytes() => None,
            (name, Some(hash)) if name == SCRAM_PLUS.as_bytes() => Some(hash),
            _ => return Err(ScramFault::Mechanism),
        };
        let message = std::str::from_utf8(client_first)
            .map_err(|_| ScramFault::Malformed("The message is not UTF-8."))?;
        let (gs2_header, rest) = gs2_header(message, plus.is_some(), self.binding.is_some())?;
        let client_nonce = client_first_nonce(rest)?;

        let nonce = format!("{client_nonce}{}", self.nonce.as_str());
        let server_first =
            format!("r={nonce},s={},i={}", encode(self.verifier.salt()), self.verifier.iterations());
        let bound = match plus {
            Some(hash) => encode(&[gs2_header.as_bytes(), hash.as_bytes()].concat()),
            None => encode(gs2_header.as_bytes()),
        };
        let transcript = format!("{rest},{server_first},");
        let next = ScramServerFinal {
            verifier: self.verifier,
            genuine: self.genuine,
            bound,
            nonce,
            transcript,
            plus: plus.is_some(),
        };
        Ok((server_first, next))
    }
}

/// An exchange before client-final.
pub(crate) struct ScramServerFinal {
    verifier: ScramVerifier,
    genuine: Choice,
    /// What `c=` has to say.
    bound: String,
    /// What `r=` has to say.
    nonce: String,
    /// AuthMessage up to client-final.
    transcript: String,
    plus: bool,
}

impl ScramServerFinal {
    /// Whether the channel is bound (SCRAM-SHA-256-PLUS).
    pub(crate) fn is_plus(&self) -> bool {
        self.plus
    }

    /// Takes client-final; gives server-final if the proof is good.
    pub(crate) fn finish(self, client_final: &[u8]) -> Result<String, ScramFault> {
        let malformed = ScramFault::Malformed;
        let message =
            std::str::from_utf8(client_final).map_err(|_| malformed("The message is not UTF-8."))?;
        let (unproven, proof) = message.rsplit_once(",p=").ok_or(malformed("There is no proof."))?;
        let proof = decode_key(proof).ok_or(malformed("The proof is not base64 of 32 bytes."))?;

        let mut attributes = unproven.split(',');
        let bound = attributes.next().and_then(|text| text.strip_prefix("c="));
        let bound = bound.ok_or(malformed("There is no channel binding."))?;
        let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
        let nonce = nonce.ok_or(malformed("There is no nonce."))?;
        check_extensions(attributes)?;
        if !bool::from(bound.as_bytes().ct_eq(self.bound.as_bytes())) {
            return Err(ScramFault::ChannelBinding);
        }
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(ScramFault::Nonce);
        }

        let auth_message = [self.transcript.as_bytes(), unproven.as_bytes()];
        let client_signature = hmac(&self.verifier.stored_key, &auth_message);
        let client_key = xor(&proof, &client_signature);
        let fits = sha256(client_key.as_slice()).ct_eq(&*self.verifier.stored_key);
        let server_signature = hmac(&self.verifier.server_key, &auth_message);
        if bool::from(fits & self.genuine) {
            Ok(format!("v={}", encode(server_signature.as_slice())))
        } else {
            Err(ScramFault::Proof)
        }
    }
}

/// Splits off the gs2 header, `<flag>,<authorization identity>,`, and judges its flag.
fn gs2_header(message: &str, plus: bool, plus_offered: bool) -> Result<(&str, &str), ScramFault> {
    let malformed = ScramFault::Malformed("The gs2 header is incomplete.");
    let (flag, after_flag) = message.split_once(',').ok_or(malformed)?;
    let (authzid, rest) = after_flag.split_once(',').ok_or(malformed)?;
    match flag {
        "n" | "y" if plus => {
            return Err(ScramFault::Negotiation(
                "SCRAM-SHA-256-PLUS was chosen without channel binding data.",
            ));
        }
        "n" => {}
        "y" if plus_offered => {
            return Err(ScramFault::Negotiation(
                "The client supports channel binding but thinks the server does not; this server does.",
            ));
        }
        "y" => {}
        "p=tls-server-end-point" if plus => {}
        _ if flag.starts_with("p=") && plus => {
            return Err(ScramFault::Negotiation("Only tls-server-end-point is supported."));
        }
        _ if flag.starts_with("p=") => {
            return Err(ScramFault::Negotiation("SCRAM-SHA-256 was chosen with channel binding data."));
        }
        _ => return Err(ScramFault::Malformed("Unknown gs2 flag.")),
    }
    match authzid {
        "" => {}
        _ if authzid.starts_with("a=") => return Err(ScramFault::AuthorizationIdentity),
        _ => return Err(malformed),
    }
    let header_bytes = message.len().saturating_sub(rest.len());
    Ok((message.get(..header_bytes).unwrap_or_default(), rest))
}

/// The nonce of client-first-message-bare, `n=<user>,r=<nonce>[,<extensions>]`.
fn client_first_nonce(bare: &str) -> Result<&str, ScramFault> {
    let mut attributes = bare.split(',');
    let first = attributes.next().unwrap_or_default();
    if first.starts_with("m=") {
        return Err(ScramFault::Malformed("Mandatory extensions are not supported."));
    }
    if !first.starts_with("n=") {
        return Err(ScramFault::Malformed("There is no user name."));
    }
    let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
    let nonce = nonce.filter(|nonce| is_nonce(nonce));
    let nonce = nonce.ok_or(ScramFault::Malformed("There is no nonce of printable characters."))?;
    check_extensions(attributes)?;
    Ok(nonce)
}

/// Optional extensions are ignored, but must look like attributes: a letter, `=`, a value.
fn check_extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), ScramFault> {
    let is_attribute =
        |text: &str| matches!(text.as_bytes(), [name, b'=', _, ..] if name.is_ascii_alphabetic());
    if attributes.all(is_attribute) {
        Ok(())
    } else {
        Err(ScramFault::Malformed("An extension is no attribute."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Password;

    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn server(binding: Option<EndPointHash>) -> ScramServer {
        let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
        let verifier = ScramVerifier::derive(&Password::new("pencil"), salt, 4096).unwrap();
        ScramServer::new(verifier, Nonce::for_test("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"), binding)
    }

    fn after_first() -> ScramServerFinal {
        server(None).first(SCRAM.as_bytes(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap().1
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        let (server_first, next) =
            server(None).first(SCRAM.as_bytes(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(
            server_first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        assert_eq!(
            next.finish(CLIENT_FINAL.as_bytes()).unwrap(),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn client_final_is_checked_to_the_last_letter() {
        let check = |from: &str, to: &str, expect: ScramFault| {
            assert!(CLIENT_FINAL.contains(from));
            let tampered = CLIENT_FINAL.replacen(from, to, 1);
            assert_eq!(after_first().finish(tampered.as_bytes()).unwrap_err(), expect, "{tampered}");
        };
        check("p=d", "p=e", ScramFault::Proof);
        check("biws", "eSws", ScramFault::ChannelBinding);
        check("biws", "", ScramFault::ChannelBinding);
        check("k0,", "k1,", ScramFault::Nonce);
        check("k0,", "k0x,", ScramFault::Nonce);
        check(CLIENT_NONCE, "", ScramFault::Nonce);
        check("k0,", "k0,x=y,", ScramFault::Proof);
        check("k0,", "k0,,", ScramFault::Malformed("An extension is no attribute."));
        check("c=", "d=", ScramFault::Malformed("There is no channel binding."));
        check(",r=", ",q=", ScramFault::Malformed("There is no nonce."));
        check(",p=", ",q=", ScramFault::Malformed("There is no proof."));
        check("VQ=", "VQ", ScramFault::Malformed("The proof is not base64 of 32 bytes."));
        assert!(matches!(after_first().finish(b"\xff"), Err(ScramFault::Malformed(_))));
    }

    #[test]
    fn a_stand_in_never_succeeds() {
        // Even with a verifier that is known to the caller.
        let mut server = server(None);
        server.genuine = Choice::from(0);
        let (_, next) = server.first(SCRAM.as_bytes(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(next.finish(CLIENT_FINAL.as_bytes()).unwrap_err(), ScramFault::Proof);
    }

    #[test]
    fn flags_and_mechanisms_have_to_fit() {
        let first = |mechanism: &str, message: &str, plus_offered: bool| {
            let binding = plus_offered.then(|| EndPointHash::new([7; 32]));
            server(binding).first(mechanism.as_bytes(), message.as_bytes()).map(|(_, next)| next.is_plus())
        };
        let negotiation = |result: Result<bool, ScramFault>| {
            assert!(matches!(result, Err(ScramFault::Negotiation(_))), "{result:?}");
        };
        assert_eq!(first(SCRAM, "n,,n=,r=x", false), Ok(false));
        assert_eq!(first(SCRAM, "n,,n=,r=x", true), Ok(false));
        assert_eq!(first(SCRAM, "y,,n=,r=x", false), Ok(false));
        assert_eq!(first(SCRAM_PLUS, "p=tls-server-end-point,,n=,r=x", true), Ok(true));
        negotiation(first(SCRAM, "y,,n=,r=x", true));
        negotiation(first(SCRAM, "p=tls-server-end-point,,n=,r=x", true));
        negotiation(first(SCRAM_PLUS, "n,,n=,r=x", true));
        negotiation(first(SCRAM_PLUS, "y,,n=,r=x", true));
        negotiation(first(SCRAM_PLUS, "p=tls-unique,,n=,r=x", true));
        assert_eq!(first(SCRAM_PLUS, "p=tls-server-end-point,,n=,r=x", false), Err(ScramFault::Mechanism));
        assert_eq!(first("SCRAM-SHA-1", "n,,n=,r=x", true), Err(ScramFault::Mechanism));
        assert_eq!(first("", "n,,n=,r=x", true), Err(ScramFault::Mechanism));
    }

    #[test]
    fn client_first_has_to_be_well_formed() {
        let check = |message: &str, ok: bool| {
            let result = server(None).first(SCRAM.as_bytes(), message.as_bytes());
            assert_eq!(result.is_ok(), ok, "{message}");
        };
        check("n,,n=anyone,r=x", true);
        check("n,,n=,r=x,a=b", true);
        check("", false);
        check("n", false);
        check("n,", false);
        check("n,,", false);
        check("q,,n=,r=x", false);
        check("n,b,n=,r=x", false);
        check("n,,m=x,n=,r=x", false);
        check("n,,r=x", false);
        check("n,,n=", false);
        check("n,,n=,r=", false);
        check("n,,n=,r=a b", false);
        check("n,,n=,r=x,", false);
        check(&format!("n,,n=,r={}", "x".repeat(1025)), false);
        let authzid = server(None).first(SCRAM.as_bytes(), b"n,a=root,n=,r=x");
        assert_eq!(authzid.err(), Some(ScramFault::AuthorizationIdentity));
    }
}
