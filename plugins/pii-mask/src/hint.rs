//! What a name says about the values under it: `mobile_no` holds telephone numbers, `token_count` no tokens.

use crate::kind::{Kind, Kinds};

/// What a column's name promises. A hint lowers the bar for a kind; it does not hide the column by itself,
/// except that whatever lies under the name of a secret is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hint {
    pub kinds: Kinds,
    /// kinds the name speaks against
    pub not: Kinds,
}

impl Hint {
    pub const NONE: Hint = Hint { kinds: Kinds::NONE, not: Kinds::NONE };

    /// Reads a name in snake, kebab or camel case.
    pub fn of_name(name: &str) -> Hint {
        let mut words = Words::default();
        words.read(name);
        let words = words.as_slice();
        let mut hint = Hint::NONE;
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let pair = |first: &str, second: &str| {
            words.windows(2).any(|pair| matches!(pair, [a, b] if a.as_str() == first && b.as_str() == second))
        };
        if has(&["version", "versions", "ver", "release", "semver"]) {
            hint.not.insert(Kind::Ip);
        }
        // These words say that the value is about the thing, not the thing.
        if has(ABOUT) {
            return hint;
        }
        if has(&["email", "emails", "mail", "emailaddress"]) || pair("e", "mail") {
            hint.kinds.insert(Kind::Email);
        }
        if has(&[
            "phone",
            "phones",
            "telephone",
            "tel",
            "mobile",
            "cell",
            "cellphone",
            "msisdn",
            "fax",
            "phonenumber",
            "telefon",
            "handy",
        ]) {
            hint.kinds.insert(Kind::Phone);
        }
        if has(&["card", "cards", "cc", "creditcard", "cardnumber", "ccnum", "ccn", "pan", "debitcard"]) {
            hint.kinds.insert(Kind::Card);
        }
        if has(&["iban", "ibans"]) {
            hint.kinds.insert(Kind::Iban);
        }
        if has(&["ssn", "ssns", "socialsecurity", "ssnum"]) || pair("social", "security") {
            hint.kinds.insert(Kind::Ssn);
        }
        if has(&["ip", "ips", "ipaddress", "ipaddr", "ipv4", "ipv6", "inet"])
            || pair("remote", "addr")
            || pair("client", "addr")
        {
            hint.kinds.insert(Kind::Ip);
        }
        let compound = words.iter().any(|word| {
            let word = word.as_str();
            ["password", "passwd", "apikey", "authtoken", "accesstoken", "secretkey", "privatekey"]
                .iter()
                .any(|part| word.contains(part))
        });
        let secret = has(&[
            "pwd",
            "passphrase",
            "passcode",
            "secret",
            "secrets",
            "token",
            "credential",
            "credentials",
            "pw",
            "passwort",
        ]) || pair("api", "key")
            || pair("private", "key")
            || pair("access", "key")
            || pair("secret", "key")
            || pair("auth", "key")
            || pair("signing", "key")
            || pair("encryption", "key");
        if compound || secret {
            hint.kinds.insert(Kind::Secret);
        }
        hint
    }

    pub fn or(self, other: Hint) -> Hint {
        Hint { kinds: self.kinds.or(other.kinds), not: self.not.or(other.not) }
    }
}

/// `password_changed_at`, `token_count`, `email_verified`, `secret_santa`, `phone_type`.
const ABOUT: &[&str] = &[
    "at",
    "on",
    "count",
    "counts",
    "id",
    "ids",
    "type",
    "types",
    "status",
    "state",
    "verified",
    "confirmed",
    "enabled",
    "disabled",
    "is",
    "has",
    "length",
    "len",
    "expires",
    "expiry",
    "expiration",
    "expired",
    "changed",
    "updated",
    "created",
    "ts",
    "date",
    "policy",
    "format",
    "limit",
    "max",
    "min",
    "attempts",
    "required",
    "santa",
    "sent",
    "opt",
    "optin",
    "subject",
    "template",
    "brand",
    "age",
    "days",
    "strength",
    "rule",
    "rules",
    "usage",
    "used",
    "remaining",
    "provider",
    "class",
    "kind",
    "position",
    "index",
    "sort",
    "total",
    "size",
    "valid",
    "flag",
    "model",
    "budget",
    "garden",
];

const LONGEST: usize = 24;

/// A lower-case word of a name, cut to `LONGEST` bytes.
#[derive(Clone, Copy, Default)]
struct Word {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Word {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte.to_ascii_lowercase();
            self.length += 1;
        }
    }
}

/// The first words of a name, without allocating.
#[derive(Default)]
struct Words {
    words: [Word; 8],
    count: usize,
}

impl Words {
    fn read(&mut self, name: &str) {
        let bytes = name.as_bytes();
        let mut word = Word::default();
        let mut previous = 0u8;
        for (index, byte) in bytes.iter().enumerate() {
            let next = bytes.get(index + 1).copied().unwrap_or(0);
            // `cardNumber`, `SSNValue`
            let hump = byte.is_ascii_uppercase()
                && (previous.is_ascii_lowercase()
                    || (previous.is_ascii_uppercase() && next.is_ascii_lowercase()));
            if hump || !byte.is_ascii_alphanumeric() {
                self.end(&mut word);
            }
            if byte.is_ascii_alphanumeric() {
                word.push(*byte);
            }
            previous = *byte;
        }
        self.end(&mut word);
    }

    fn end(&mut self, word: &mut Word) {
        // `phone2` is a phone; `ipv4` and `e164` stay.
        while word.length > 3
            && word.as_str().ends_with(|c: char| c.is_ascii_digit())
            && !word.as_str().starts_with("ipv")
        {
            word.length -= 1;
        }
        if word.length > 0
            && let Some(place) = self.words.get_mut(self.count)
        {
            *place = *word;
            self.count += 1;
        }
        *word = Word::default();
    }

    fn as_slice(&self) -> &[Word] {
        self.words.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table: &[(&str, &[Kind])] = &[
            ("email", &[Kind::Email]),
            ("ContactEmail", &[Kind::Email]),
            ("email_verified", &[]),
            ("email_sent_at", &[]),
            ("mobile_no", &[Kind::Phone]),
            ("phone2", &[Kind::Phone]),
            ("telephone", &[Kind::Phone]),
            ("hotel", &[]),
            ("phone_type", &[]),
            ("cardNumber", &[Kind::Card]),
            ("cc_num", &[Kind::Card]),
            ("pan", &[Kind::Card]),
            ("company", &[]),
            ("discard", &[]),
            ("iban", &[Kind::Iban]),
            ("customer_ssn", &[Kind::Ssn]),
            ("SocialSecurityNo", &[Kind::Ssn]),
            ("client_ip", &[Kind::Ip]),
            ("ship", &[]),
            ("recipient", &[]),
            ("description", &[]),
            ("zip", &[]),
            ("ip_version", &[Kind::Ip]),
            ("password", &[Kind::Secret]),
            ("password_hash", &[Kind::Secret]),
            ("rolpassword", &[Kind::Secret]),
            ("password_changed_at", &[]),
            ("token_count", &[]),
            ("prompt_tokens", &[]),
            ("secret_santa", &[]),
            ("api_key", &[Kind::Secret]),
            ("apiKey", &[Kind::Secret]),
            ("client_secret", &[Kind::Secret]),
            ("access_token", &[Kind::Secret]),
            ("primary_key", &[]),
            ("keyword", &[]),
            ("secretary", &[]),
            ("tokenizer", &[]),
        ];
        for (name, kinds) in table {
            assert_eq!(Hint::of_name(name).kinds, kinds.iter().copied().collect(), "{name}");
        }
    }
}
