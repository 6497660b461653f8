//! `users.toml` as written.

use weir_model::{CertificateName, CertificateNameError, PrincipalKind};

use crate::document::{At, Fields, Node, Report, Value};
use crate::problem::code;
use crate::secret;

#[derive(Debug)]
pub(super) struct User {
    pub(super) name: Option<At<String>>,
    pub(super) kind: Option<At<PrincipalKind>>,
    pub(super) groups: Option<At<Vec<At<String>>>>,
    pub(super) on_behalf_of: Option<At<String>>,
    pub(super) password: Option<At<String>>,
    pub(super) tokens: Option<At<bool>>,
    pub(super) certificates: Option<At<Vec<At<CertificateName>>>>,
    pub(super) disabled: Option<At<bool>>,
    /// A date or a moment, quoted or not.
    pub(super) expires: Option<At<String>>,
}

const KINDS: [(&str, PrincipalKind); 3] =
    [("human", PrincipalKind::Human), ("agent", PrincipalKind::Agent), ("service", PrincipalKind::Service)];

pub(super) fn read(root: &Node, report: &Report) -> Vec<User> {
    let Some(mut fields) = Fields::open(root, "the users file", "", report) else { return Vec::new() };
    let users = fields
        .tables("user")
        .iter()
        .filter_map(|node| Fields::open(node, "[[user]]", "user", report))
        .map(User::read)
        .collect();
    fields.finish();
    users
}

impl User {
    fn read(mut fields: Fields<'_, '_>) -> Self {
        let report = fields.report();
        fields.require("name", "name = \"ann\"");
        fields.require("kind", "kind = \"human\"");
        // Whatever stands here, nobody shall see it.
        if let Some(entry) = fields.take("password") {
            secret::hide(&entry.node, report);
        }
        let user = Self {
            name: fields.text("name").and_then(|name| word("user", name, report)),
            kind: fields.word("kind", &KINDS),
            groups: fields.different_texts("groups").map(|list| {
                list.map(|names| names.into_iter().filter_map(|name| word("group", name, report)).collect())
            }),
            on_behalf_of: fields.text("on_behalf_of"),
            password: fields.text("password"),
            tokens: fields.flag("tokens"),
            certificates: fields.different_texts("certificates").map(|list| {
                list.map(|names| names.iter().filter_map(|name| certificate(name, report)).collect())
            }),
            disabled: fields.flag("disabled"),
            expires: expires(&mut fields),
        };
        fields.finish();
        user
    }
}

fn expires(fields: &mut Fields<'_, '_>) -> Option<At<String>> {
    let entry = fields.take("expires")?;
    match &entry.node.value {
        Value::Date(date) => Some(At::new(date.clone(), entry.node.span)),
        _ => fields.text("expires"),
    }
}

/// The name of a user or group. More is allowed than for resources and plugins, because names of people come from
/// elsewhere; nothing is allowed that a rule, a log line or a list would take apart.
fn word(what: &str, name: At<String>, report: &Report) -> Option<At<String>> {
    let text = &name.value;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if text.len() <= 63 && text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some(name);
    }
    report
        .error(code::USER_NAME, name.span, format!("\"{text}\" cannot be the name of a {what}"))
        .help("write ASCII letters, digits and any of `. _ - @ +`, a letter or digit first, at most 63");
    None
}

/// A name in a certificate that stands for a user.
fn certificate(text: &At<String>, report: &Report) -> Option<At<CertificateName>> {
    let fault = match CertificateName::parse(&text.value) {
        Ok(name) => return Some(At::new(name, text.span)),
        Err(fault) => fault,
    };
    let help = match fault {
        CertificateNameError::Kind => {
            "write `uri:…`, `email:…` or `dns:…` (subject alternative names), `sha256:…` (of the certificate), \
             `key-sha256:…` (of its public key) or `cn:…`"
        }
        CertificateNameError::Text => {
            "write printable characters without spaces, 1024 at most; `cn:` may have spaces"
        }
        CertificateNameError::Pattern => "a user's name is no pattern; write it in full",
        CertificateNameError::Digits => {
            "write 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints them"
        }
    };
    let message =
        format!("`certificates`: \"{}\" is nothing that a certificate says", text.value.escape_debug());
    report.error(code::CERTIFICATE_NAME, text.span, message).help(help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_model() {
        for (word, kind) in KINDS {
            assert_eq!((kind.as_word(), PrincipalKind::from_word(word)), (word, Some(kind)));
        }
    }
}
