//! Hashes of passwords, as databases and frameworks store them: a prefix names the method.

use crate::bytes::{at, before, run};

/// Prefix and shortest whole.
const PREFIXES: [(&[u8], usize); 21] = [
    (b"$2a$", 60),
    (b"$2b$", 60),
    (b"$2x$", 60),
    (b"$2y$", 60),
    (b"$argon2id$", 40),
    (b"$argon2i$", 40),
    (b"$argon2d$", 40),
    (b"$1$", 25),
    (b"$5$", 45),
    (b"$6$", 88),
    (b"$y$", 40),
    (b"$7$", 40),
    (b"$pbkdf2", 40),
    (b"$scrypt$", 40),
    (b"SCRAM-SHA-256$", 60),
    (b"pbkdf2_sha256$", 50),
    (b"pbkdf2_sha1$", 40),
    (b"bcrypt_sha256$", 60),
    (b"{SSHA}", 34),
    (b"{SSHA512}", 80),
    (b"scrypt:", 60),
];

/// The end of the hash that starts at `start`.
pub(super) fn starting(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if rest.starts_with(b"md5") {
        let stop = run(bytes, start + 3, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        return (stop - start == 35 && !at(bytes, stop).is_ascii_alphanumeric()).then_some(stop);
    }
    let (_, shortest) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix))?;
    let mut stop = run(bytes, start, |b| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'$' | b'.' | b'/' | b'+' | b'=' | b':' | b',' | b'-' | b'_' | b'{' | b'}')
    });
    while matches!(before(bytes, stop), b'.' | b',' | b':') && stop - start > 60 && !rest.starts_with(b"$2") {
        stop -= 1;
    }
    (stop - start >= *shortest).then_some(stop)
}
