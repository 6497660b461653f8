//! The answer to AuthenticationMD5Password.
//!
//! **Job.** One function, for upstreams that still store md5 passwords. **What it does not do.** It is never offered to clients:
//! the stored hash is as good as the password. Source: PostgreSQL documentation, "AuthenticationMD5Password".

use std::fmt::Write;

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::names::UserName;
use super::secret::Password;

/// `"md5" || hex(md5(hex(md5(password || user)) || salt))`, 35 characters.
pub fn md5_response(user: &UserName, password: &Password, salt: [u8; 4]) -> Zeroizing<String> {
    let stored = hex_md5(&[password.expose(), user.as_str().as_bytes()]);
    let answer = hex_md5(&[stored.as_bytes(), &salt]);
    Zeroizing::new(format!("md5{}", *answer))
}

fn hex_md5(parts: &[&[u8]]) -> Zeroizing<String> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    // Reserved at once, so that no half-written copy is left behind by growing.
    let mut hex = Zeroizing::new(String::with_capacity(32));
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_hash_is_what_postgresql_stores() {
        // select 'md5' || md5('secret' || 'alice')
        assert_eq!(*hex_md5(&[b"secret", b"alice"]), "4a0a68b43b6cd5cf266fa02f196e2371");
    }

    #[test]
    fn the_answer_depends_on_the_salt() {
        let user = UserName::new("alice").unwrap();
        let password = Password::new("secret");
        let answer = md5_response(&user, &password, [1, 2, 3, 4]);
        assert_eq!(*answer, "md598a0412b9c31436fc53776e863350083");
        assert_ne!(answer, md5_response(&user, &password, [1, 2, 3, 5]));
    }
}
