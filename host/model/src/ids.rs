//! Names and numbers that must not be mixed up.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One visit of one principal to one resource; in every record of the trail. Chosen by the host.
    SessionId
);
name!(
    /// A `[[resource]]` of the configuration.
    ResourceName
);
name!(
    /// A plugin as the configuration names it: the file's name without `.wasm`.
    PluginName
);

/// SHA-256 of a plugin file, or of anything else that must be named by its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The first twelve hexadecimal digits: enough to tell generations apart in logs.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// Of what `Display` writes: 64 hexadecimal digits.
    pub fn of_hex(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let pairs = hex.as_bytes().chunks(2);
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_as_hex() {
        let digest = Digest([0xab; 32]);
        assert_eq!(digest.to_string().len(), 64);
        assert_eq!(digest.short(), "abababababab");
    }
}
