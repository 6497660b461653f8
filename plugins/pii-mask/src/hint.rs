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
        let mut hint = Hint::NONE;
        let mut about = false;
        let mut last = Word::default();
        each_word(name, |word| {
            let text = word.as_str();
            let says = VOCABULARY.binary_search_by(|(known, _)| (*known).cmp(text)).ok();
            match says.and_then(|place| VOCABULARY.get(place)).map(|(_, says)| *says) {
                Some(Says::Kind(kind)) => hint.kinds.insert(kind),
                Some(Says::Version) => hint.not.insert(Kind::Ip),
                // The value is about the thing, not the thing.
                Some(Says::About) => about = true,
                None if text.len() > 8 && COMPOUNDS.iter().any(|part| has_part(text, part)) => {
                    hint.kinds.insert(Kind::Secret);
                }
                None => {}
            }
            let pair = PAIRS.iter().find(|(first, second, _)| *second == text && *first == last.as_str());
            if let Some((_, _, kind)) = pair {
                hint.kinds.insert(*kind);
            }
            last = *word;
        });
        if about {
            hint.kinds = Kinds::NONE;
        }
        hint
    }

    pub fn or(self, other: Hint) -> Hint {
        Hint { kinds: self.kinds.or(other.kinds), not: self.not.or(other.not) }
    }
}

/// Names and parts are short: what a search needs to prepare would cost more than it does.
pub(crate) fn has_part(name: &str, part: &str) -> bool {
    let part = part.as_bytes();
    name.as_bytes().windows(part.len()).any(|window| window.first() == part.first() && window == part)
}

/// What a word of a name says.
#[derive(Clone, Copy)]
enum Says {
    Kind(Kind),
    /// `password_changed_at`, `token_count`, `email_verified`, `secret_santa`, `phone_type`
    About,
    Version,
}

const EMAIL: Says = Says::Kind(Kind::Email);
const PHONE: Says = Says::Kind(Kind::Phone);
const CARD: Says = Says::Kind(Kind::Card);
const IBAN: Says = Says::Kind(Kind::Iban);
const SSN: Says = Says::Kind(Kind::Ssn);
const IP: Says = Says::Kind(Kind::Ip);
const SECRET: Says = Says::Kind(Kind::Secret);
const ABOUT: Says = Says::About;
const VERSION: Says = Says::Version;

/// Sorted.
#[rustfmt::skip]
const VOCABULARY: &[(&str, Says)] = &[
    ("age", ABOUT),
    ("apikey", SECRET),
    ("at", ABOUT),
    ("attempts", ABOUT),
    ("brand", ABOUT),
    ("budget", ABOUT),
    ("card", CARD),
    ("cardnumber", CARD),
    ("cards", CARD),
    ("cc", CARD),
    ("ccn", CARD),
    ("ccnum", CARD),
    ("cell", PHONE),
    ("cellphone", PHONE),
    ("changed", ABOUT),
    ("class", ABOUT),
    ("confirmed", ABOUT),
    ("count", ABOUT),
    ("counts", ABOUT),
    ("created", ABOUT),
    ("credential", SECRET),
    ("credentials", SECRET),
    ("creditcard", CARD),
    ("date", ABOUT),
    ("days", ABOUT),
    ("debitcard", CARD),
    ("disabled", ABOUT),
    ("email", EMAIL),
    ("emailaddress", EMAIL),
    ("emails", EMAIL),
    ("enabled", ABOUT),
    ("expiration", ABOUT),
    ("expired", ABOUT),
    ("expires", ABOUT),
    ("expiry", ABOUT),
    ("fax", PHONE),
    ("flag", ABOUT),
    ("format", ABOUT),
    ("garden", ABOUT),
    ("handy", PHONE),
    ("has", ABOUT),
    ("iban", IBAN),
    ("ibans", IBAN),
    ("id", ABOUT),
    ("ids", ABOUT),
    ("index", ABOUT),
    ("inet", IP),
    ("ip", IP),
    ("ipaddr", IP),
    ("ipaddress", IP),
    ("ips", IP),
    ("ipv4", IP),
    ("ipv6", IP),
    ("is", ABOUT),
    ("kind", ABOUT),
    ("len", ABOUT),
    ("length", ABOUT),
    ("limit", ABOUT),
    ("mail", EMAIL),
    ("max", ABOUT),
    ("min", ABOUT),
    ("mobile", PHONE),
    ("model", ABOUT),
    ("msisdn", PHONE),
    ("on", ABOUT),
    ("opt", ABOUT),
    ("optin", ABOUT),
    ("pan", CARD),
    ("passcode", SECRET),
    ("passphrase", SECRET),
    ("passwd", SECRET),
    ("password", SECRET),
    ("passwords", SECRET),
    ("passwort", SECRET),
    ("phone", PHONE),
    ("phonenumber", PHONE),
    ("phones", PHONE),
    ("policy", ABOUT),
    ("position", ABOUT),
    ("provider", ABOUT),
    ("pw", SECRET),
    ("pwd", SECRET),
    ("release", VERSION),
    ("remaining", ABOUT),
    ("required", ABOUT),
    ("rule", ABOUT),
    ("rules", ABOUT),
    ("santa", ABOUT),
    ("secret", SECRET),
    ("secrets", SECRET),
    ("semver", VERSION),
    ("sent", ABOUT),
    ("size", ABOUT),
    ("socialsecurity", SSN),
    ("sort", ABOUT),
    ("ssn", SSN),
    ("ssns", SSN),
    ("ssnum", SSN),
    ("state", ABOUT),
    ("status", ABOUT),
    ("strength", ABOUT),
    ("subject", ABOUT),
    ("tel", PHONE),
    ("telefon", PHONE),
    ("telephone", PHONE),
    ("template", ABOUT),
    ("token", SECRET),
    ("total", ABOUT),
    ("ts", ABOUT),
    ("type", ABOUT),
    ("types", ABOUT),
    ("updated", ABOUT),
    ("usage", ABOUT),
    ("used", ABOUT),
    ("valid", ABOUT),
    ("ver", VERSION),
    ("verified", ABOUT),
    ("version", VERSION),
    ("versions", VERSION),
];

/// Two words in a row.
const PAIRS: &[(&str, &str, Kind)] = &[
    ("e", "mail", Kind::Email),
    ("social", "security", Kind::Ssn),
    ("remote", "addr", Kind::Ip),
    ("client", "addr", Kind::Ip),
    ("api", "key", Kind::Secret),
    ("private", "key", Kind::Secret),
    ("access", "key", Kind::Secret),
    ("secret", "key", Kind::Secret),
    ("auth", "key", Kind::Secret),
    ("signing", "key", Kind::Secret),
    ("encryption", "key", Kind::Secret),
];

/// Inside a longer word: `rolpassword`, `accesstoken`.
const COMPOUNDS: &[&str] =
    &["password", "passwd", "apikey", "authtoken", "accesstoken", "secretkey", "privatekey"];

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

/// The words of a name, without allocating.
fn each_word(name: &str, mut found: impl FnMut(&Word)) {
    let bytes = name.as_bytes();
    let mut word = Word::default();
    let mut previous = 0u8;
    for (index, byte) in bytes.iter().enumerate() {
        // `cardNumber`, `SSNValue`
        let hump = byte.is_ascii_uppercase()
            && (previous.is_ascii_lowercase()
                || (previous.is_ascii_uppercase()
                    && bytes.get(index + 1).is_some_and(u8::is_ascii_lowercase)));
        if hump || !byte.is_ascii_alphanumeric() {
            end(&mut word, &mut found);
        }
        if byte.is_ascii_alphanumeric() {
            word.push(*byte);
        }
        previous = *byte;
    }
    end(&mut word, &mut found);
}

fn end(word: &mut Word, found: &mut impl FnMut(&Word)) {
    // `phone2` is a phone; `ipv4` stays.
    while word.length > 3
        && word.bytes.get(word.length - 1).is_some_and(u8::is_ascii_digit)
        && !word.bytes.starts_with(b"ipv")
    {
        word.length -= 1;
    }
    if word.length > 0 {
        found(word);
    }
    word.length = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_sorted() {
        assert!(VOCABULARY.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

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
