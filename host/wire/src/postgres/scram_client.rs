//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS toward an upstream: two messages out, two in.
//!
//! **Job.** Prove that we have the password, and demand proof that the upstream has its verifier.
//!
//! **What it does not do.** It does not derive keys: between server-first and client-final the caller is asked for them, and may
//! have them cached or derive them elsewhere.
//!
//! **Invariants.** The upstream's nonce starts with ours and is longer. Salt, nonce and iteration count have limits, since a
//! hostile upstream could ask for 2³¹ rounds. Only an upstream whose signature fits gets past the last stage. The gs2 flag
//! tells the truth: `p` when the channel is bound, `y` when we could have but PLUS was not offered (the upstream
//! refuses if it had been), `n` when we could not.
//! Sources: RFC 5802 sections 5 to 7, PostgreSQL `fe-auth-scram.c`.

use subtle::ConstantTimeEq;

use super::scram::{
    Key, KeyRequest, Nonce, ScramKeys, decode_key, decode_salt, encode, hmac, is_nonce, parse_iterations, xor,
};
use super::secret::EndPointHash;

/// Most iterations an upstream may ask for unless the caller says otherwise. PostgreSQL asks for 4096 unless told
/// otherwise; a hundred thousand cost a core about 50 ms, which is what one login may cost us at most.
pub const DEFAULT_MAX_ITERATIONS: u32 = 100_000;

/// What the gs2 header says about channel binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gs2Flag {
    /// `n`: we cannot, or will not, bind the channel.
    Unsupported,
    /// `y`: we could, but the upstream did not offer it.
    NotOffered,
    /// `p=tls-server-end-point`: bound to this certificate.
    EndPoint(EndPointHash),
}

impl Gs2Flag {
    fn header(&self) -> &'static str {
        match self {
            Self::Unsupported => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn bound(&self) -> String {
        match self {
            Self::EndPoint(hash) => encode(&[self.header().as_bytes(), hash.as_bytes()].concat()),
            Self::Unsupported | Self::NotOffered => encode(self.header().as_bytes()),
        }
    }
}

/// Why the exchange failed; always the upstream's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramUpstreamFault {
    /// A message that is not what RFC 5802 says.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// Its nonce does not start with ours, adds nothing, or is too long.
    #[error("its nonce does not continue ours")]
    Nonce,
    /// It asks for more work than the options allow.
    #[error("it asks for {asked} iterations, more than {limit}")]
    Iterations {
        /// How many it asks for.
        asked: u32,
        /// How many it may.
        limit: u32,
    },
    /// It reports an error of its own.
    #[error("it reports {0:?}")]
    Reported(String),
    /// It could not prove that it knows the password.
    #[error("its signature does not fit: it does not know the password")]
    Signature,
}

/// An exchange before server-first.
pub(crate) struct ScramClient {
    flag: Gs2Flag,
    nonce: Nonce,
}

impl ScramClient {
    pub(crate) fn new(flag: Gs2Flag, nonce: Nonce) -> Self {
        Self { flag, nonce }
    }

    /// client-first. The user name stays empty, as in libpq: the startup packet has it.
    pub(crate) fn client_first(&self) -> String {
        format!("{}{}", self.flag.header(), self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce.as_str())
    }

    /// Takes server-first; gives what keys are needed for and the next stage.
    pub(crate) fn server_first(
        self,
        message: &[u8],
        max_iterations: u32,
    ) -> Result<(KeyRequest, ScramClientKeys), ScramUpstreamFault> {
        let malformed = ScramUpstreamFault::Malformed;
        let message = std::str::from_utf8(message).map_err(|_| malformed("not UTF-8"))?;
        let mut attributes = message.split(',');
        let mut attribute = |name: &str| attributes.next().and_then(|text| text.strip_prefix(name));

        let nonce = attribute("r=").ok_or(malformed("no nonce"))?;
        let added = nonce.strip_prefix(self.nonce.as_str()).filter(|added| !added.is_empty());
        if added.is_none() || !is_nonce(nonce) {
            return Err(ScramUpstreamFault::Nonce);
        }
        let salt = attribute("s=").and_then(decode_salt).ok_or(malformed("no salt of 1 to 256 bytes"))?;
        let iterations = attribute("i=").and_then(parse_iterations).ok_or(malformed("no iteration count"))?;
        if iterations > max_iterations {
            return Err(ScramUpstreamFault::Iterations { asked: iterations, limit: max_iterations });
        }

        let unproven = format!("c={},r={nonce}", self.flag.bound());
        let auth_message = format!("{},{message},{unproven}", self.bare());
        Ok((KeyRequest { salt, iterations }, ScramClientKeys { unproven, auth_message }))
    }
}

/// An exchange that waits for keys.
pub(crate) struct ScramClientKeys {
    unproven: String,
    auth_message: String,
}

impl ScramClientKeys {
    /// Takes the keys; gives client-final and the next stage.
    pub(crate) fn client_final(self, keys: &ScramKeys) -> (String, ScramClientFinal) {
        let auth_message = self.auth_message.as_bytes();
        let client_signature = hmac(&keys.stored_key(), &[auth_message]);
        let proof = xor(&keys.client_key, &client_signature);
        let message = format!("{},p={}", self.unproven, encode(proof.as_slice()));
        (message, ScramClientFinal { server_signature: hmac(&keys.server_key, &[auth_message]) })
    }
}

/// An exchange before server-final.
pub(crate) struct ScramClientFinal {
    server_signature: Key,
}

impl ScramClientFinal {
    /// Takes server-final; succeeds only if the upstream has proven itself.
    pub(crate) fn verify(self, message: &[u8]) -> Result<(), ScramUpstreamFault> {
        let malformed = ScramUpstreamFault::Malformed;
        let message = std::str::from_utf8(message).map_err(|_| malformed("not UTF-8"))?;
        if let Some(reported) = message.strip_prefix("e=") {
            return Err(ScramUpstreamFault::Reported(reported.chars().take(100).collect()));
        }
        let attribute = message.split(',').next().and_then(|text| text.strip_prefix("v="));
        let signature = attribute.and_then(decode_key).ok_or(malformed("no signature"))?;
        if bool::from(signature.ct_eq(&*self.server_signature)) {
            Ok(())
        } else {
            Err(ScramUpstreamFault::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Password;

    /// RFC 7677, with the user name left out as libpq does: other proof, same rules.
    fn client(flag: Gs2Flag) -> ScramClient {
        ScramClient::new(flag, Nonce::for_test("rOprNGfwEbeRWgbNEkqO"))
    }

    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_proof_of_rfc_7677() {
        let (request, mut next) =
            client(Gs2Flag::Unsupported).server_first(SERVER_FIRST.as_bytes(), 4096).unwrap();
        next.auth_message = next.auth_message.replacen("n=,", "n=user,", 1);
        let (client_final, last) = next.client_final(&request.derive(&Password::new("pencil")));
        assert_eq!(
            client_final,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
    }

    #[test]
    fn flags_are_written_as_the_rfc_says() {
        let check = |flag: Gs2Flag, first: &str, bound: &str| {
            assert_eq!(flag.bound(), bound);
            assert_eq!(client(flag).client_first(), first);
        };
        check(Gs2Flag::Unsupported, "n,,n=,r=rOprNGfwEbeRWgbNEkqO", "biws");
        check(Gs2Flag::NotOffered, "y,,n=,r=rOprNGfwEbeRWgbNEkqO", "eSws");
        check(
            Gs2Flag::EndPoint(EndPointHash::new(*b"hash")),
            "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
            "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==",
        );
    }

    #[test]
    fn server_first_has_limits() {
        let check = |from: &str, to: &str, expect: ScramUpstreamFault| {
            let tampered = SERVER_FIRST.replacen(from, to, 1);
            let result = client(Gs2Flag::Unsupported).server_first(tampered.as_bytes(), 100_000);
            assert_eq!(result.err(), Some(expect), "{tampered}");
        };
        let malformed = ScramUpstreamFault::Malformed;
        check("r=rO", "r=xO", ScramUpstreamFault::Nonce);
        check("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "", ScramUpstreamFault::Nonce);
        check("$k0", &"x".repeat(2000), ScramUpstreamFault::Nonce);
        check("$k0", " k0", ScramUpstreamFault::Nonce);
        check("r=", "m=x,r=", malformed("no nonce"));
        check("W22Z", "*22Z", malformed("no salt of 1 to 256 bytes"));
        check("W22ZaJ0SNY7soEsUEjb6gQ==", "", malformed("no salt of 1 to 256 bytes"));
        check("W22Z", &"W22Z".repeat(200), malformed("no salt of 1 to 256 bytes"));
        check("4096", "100001", ScramUpstreamFault::Iterations { asked: 100_001, limit: 100_000 });
        check("4096", "2147483648", ScramUpstreamFault::Iterations { asked: 1 << 31, limit: 100_000 });
        check("4096", "4294967296", malformed("no iteration count"));
        check("4096", "0", malformed("no iteration count"));
        check("4096", "-1", malformed("no iteration count"));
        check(",i=4096", "", malformed("no iteration count"));
    }

    #[test]
    fn only_a_fitting_signature_will_do() {
        let check = |message: &[u8], expect: ScramUpstreamFault| {
            let last = ScramClientFinal { server_signature: Key::new([7; 32]) };
            assert_eq!(last.verify(message), Err(expect));
        };
        check(b"", ScramUpstreamFault::Malformed("no signature"));
        check(b"v=", ScramUpstreamFault::Malformed("no signature"));
        check(b"v=AAAA", ScramUpstreamFault::Malformed("no signature"));
        check(format!("v={}", encode(&[8; 32])).as_bytes(), ScramUpstreamFault::Signature);
        check(b"e=invalid-proof", ScramUpstreamFault::Reported("invalid-proof".to_owned()));
    }
}
