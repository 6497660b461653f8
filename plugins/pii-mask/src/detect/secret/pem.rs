//! Private keys in a frame: PEM, PGP, PuTTY. Public keys and certificates are not secrets.

use crate::bytes::at;
use memchr::memmem;

const BEGIN: &[u8] = b"-----BEGIN ";
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

/// The end of the key whose frame starts at `start`.
pub(super) fn starting(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if rest.starts_with(PUTTY) {
        return memmem::find(rest, b"Private-Lines").map(|_| bytes.len());
    }
    if !rest.starts_with(BEGIN) {
        return None;
    }
    let title = rest.get(BEGIN.len()..)?;
    let title = title.get(..memmem::find(title, b"-----")?)?;
    let private = title.len() <= 64 && memmem::find(title, b"PRIVATE KEY").is_some();
    private.then_some(())?;
    // Without its end the rest of the value is the key.
    let Some(end) = memmem::find(rest, b"-----END ") else { return Some(bytes.len()) };
    let after = end + b"-----END ".len();
    let close = memmem::find(rest.get(after..)?, b"-----").map_or(rest.len(), |close| after + close + 5);
    let stop = start + close;
    Some(if at(bytes, stop) == b'-' { stop + 1 } else { stop })
}
