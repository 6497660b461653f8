//! Object ids, names of refs, and capabilities.

use crate::pkt::malformed;
use weir_sdk::Fault;

/// Longer names of refs are refused, in bytes: no file system takes them, and people could not read them.
const MAX_REF: usize = 1024;

/// SHA-1 or SHA-256, in hexadecimal digits.
pub fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Stands for no object.
pub fn is_zero(id: &str) -> bool {
    id.bytes().all(|byte| byte == b'0')
}

/// The rules of git-check-ref-format, for names below `refs/`.
pub fn is_ref(name: &str) -> bool {
    let Some(below) = name.strip_prefix("refs/") else { return false };
    let forbidden = |letter: char| letter.is_control() || " ~^:?*[\\".contains(letter);
    name.len() <= MAX_REF
        && !name.chars().any(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && below.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

/// What a client says it can do, or wants: `report-status side-band-64k agent=git/2.47.3`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<(String, Option<String>)>);

impl Capabilities {
    /// # Errors
    /// When they are not words between single spaces. git itself would take more as a separator, and find a word where
    /// none is seen here.
    pub fn read(list: &str) -> Result<Self, Fault> {
        let list = list.trim_matches(' ');
        if list.is_empty() {
            return Ok(Self::default());
        }
        let mut found = Vec::new();
        for word in list.split(' ') {
            if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(malformed("the capabilities are no words between spaces"));
            }
            found.push(match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word.to_owned(), None),
            });
        }
        Ok(Self(found))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name)?.1.as_deref()
    }

    /// Whether all ids are of the hash the client names (SHA-1 when it names none).
    pub fn fits(&self, id: &str) -> bool {
        match self.value("object-format").unwrap_or("sha1") {
            "sha1" => id.len() == 40,
            "sha256" => id.len() == 64,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_git_does() {
        for good in [
            "refs/heads/main",
            "refs/heads/a/b",
            "refs/for/main",
            "refs/heads/ü",
            "refs/heads/@",
            "refs/stash",
        ] {
            assert!(is_ref(good), "{good}");
        }
        for bad in [
            "HEAD",
            "main",
            "refs/",
            "refs",
            "refs//heads",
            "refs/heads/",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a..b",
            "refs/../HEAD",
            "refs/heads/a.",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/*",
            "refs/heads/a?",
            "refs/heads/a[b",
            "refs/heads/a\\b",
            "refs/heads/a@{1}",
            "refs/heads/a\u{7f}",
            "refs/heads/a\u{85}",
        ] {
            assert!(!is_ref(bad), "{bad}");
        }
        assert!(!is_ref(&format!("refs/heads/{}", "a".repeat(2000))));
    }

    #[test]
    fn capabilities_are_words_between_spaces() {
        let found =
            Capabilities::read(" report-status side-band-64k object-format=sha1 agent=git/2.47.3").unwrap();
        assert!(found.has("report-status") && found.has("agent") && !found.has("report"));
        assert_eq!(found.value("agent"), Some("git/2.47.3"));
        assert!(found.fits(&"a".repeat(40)) && !found.fits(&"a".repeat(64)));
        assert!(Capabilities::read("object-format=sha256").unwrap().fits(&"a".repeat(64)));
        assert!(!Capabilities::read("object-format=md5").unwrap().fits(&"a".repeat(40)));
        Capabilities::read("a\tb").unwrap_err();
        Capabilities::read("a  b").unwrap_err();
        Capabilities::read("a\u{fc}").unwrap_err();
    }
}
