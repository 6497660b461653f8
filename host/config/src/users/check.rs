//! From users as written to users as used.

use std::time::SystemTime;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use weir_model::{PrincipalKind, nearest};

use super::{User, password, raw};
use crate::document::{At, Report};
use crate::problem::code;
use crate::secret::Secret;

pub(super) fn users(written: &[raw::User], report: &Report) -> Vec<User> {
    unique(written, report);
    unique_certificates(written, report);
    written.iter().filter_map(|user| self::user(user, written, report)).collect()
}

fn unique(written: &[raw::User], report: &Report) {
    let names: Vec<&At<String>> = written.iter().filter_map(|user| user.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names.iter().take(index).find(|earlier| earlier.value == name.value) {
            report
                .error(code::DUPLICATE_USER, name.span, format!("two users are called {}", name.value))
                .note(format!("the first is at {}", report.place(first.span)));
        }
    }
}

/// A certificate is one user's, so each of its names is, too. A name of one user twice is no matter.
fn unique_certificates(written: &[raw::User], report: &Report) {
    let names = |user: &'_ raw::User| {
        user.certificates.iter().flat_map(|list| list.value.clone()).collect::<Vec<_>>()
    };
    for (index, user) in written.iter().enumerate() {
        for name in names(user) {
            let earlier =
                written.iter().take(index).flat_map(names).find(|earlier| earlier.value == name.value);
            if let Some(first) = earlier {
                report
                    .error(
                        code::DUPLICATE_CERTIFICATE,
                        name.span,
                        format!("two users have the certificate {}", name.value),
                    )
                    .note(format!("the first is at {}", report.place(first.span)));
            }
        }
    }
}

fn user(written: &raw::User, all: &[raw::User], report: &Report) -> Option<User> {
    let owner_fits = owner(written, all, report);
    let password = written.password.as_ref().filter(|text| password::is_verifier(text, report));
    let expires = written.expires.as_ref().map(|text| moment(text, report));
    if !owner_fits {
        return None;
    }
    Some(User {
        name: written.name.as_ref()?.value.clone(),
        kind: written.kind.as_ref()?.value,
        groups: written.groups.iter().flat_map(|list| &list.value).map(|name| name.value.clone()).collect(),
        on_behalf_of: written.on_behalf_of.as_ref().map(|name| name.value.clone()),
        password: password.map(|text| Secret::new(text.value.as_str(), "the users file")),
        tokens: written.tokens.as_ref().is_some_and(|flag| flag.value),
        certificates: written
            .certificates
            .iter()
            .flat_map(|list| &list.value)
            .map(|at| at.value.clone())
            .collect(),
        disabled: written.disabled.as_ref().is_some_and(|flag| flag.value),
        expires: match expires {
            Some(moment) => Some(moment?),
            None => None,
        },
    })
}

/// Every agent acts for one human of the file, and nobody else acts for anybody.
fn owner(written: &raw::User, all: &[raw::User], report: &Report) -> bool {
    let Some(kind) = &written.kind else { return true };
    match (&written.on_behalf_of, kind.value) {
        (None, PrincipalKind::Agent) => {
            report
                .error(
                    code::AGENT_OWNER,
                    kind.span,
                    "an agent acts for somebody, and this one does not say for whom",
                )
                .help("add `on_behalf_of = \"NAME\"`; a program that acts for itself is of kind \"service\"");
            false
        }
        (None, _) => true,
        (Some(owner), PrincipalKind::Agent) => match all.iter().find(|user| is_called(user, &owner.value)) {
            None => {
                let names: Vec<&str> = all
                    .iter()
                    .filter_map(|user| user.name.as_ref())
                    .map(|name| name.value.as_str())
                    .collect();
                report
                    .error(
                        code::OWNER_UNKNOWN,
                        owner.span,
                        format!("there is no user {} to act for", owner.value),
                    )
                    .help(nearest::suggest(&owner.value, &names, "the users are"));
                false
            }
            Some(found) if found.kind.as_ref().is_some_and(|kind| kind.value != PrincipalKind::Human) => {
                let message = format!("{} is not a human, and agents act for humans", owner.value);
                report.error(code::OWNER_KIND, owner.span, message);
                false
            }
            Some(_) => true,
        },
        (Some(owner), kind) => {
            let message = format!("only agents act on behalf of somebody, and this is a {}", kind.as_word());
            report
                .error(code::OWNER_OF_NO_AGENT, owner.span, message)
                .help("write `kind = \"agent\"`, or take it out");
            false
        }
    }
}

fn is_called(user: &raw::User, name: &str) -> bool {
    user.name.as_ref().is_some_and(|own| own.value == name)
}

/// A day means its beginning, UTC.
fn moment(text: &At<String>, report: &Report) -> Option<SystemTime> {
    let day = Date::parse(&text.value, format_description!("[year]-[month]-[day]"))
        .map(|date| date.midnight().assume_utc())
        .or_else(|_| OffsetDateTime::parse(&text.value, &Rfc3339));
    match day {
        Ok(moment) => Some(moment.into()),
        Err(_) => {
            report
                .error(code::BAD_DATE, text.span, format!("`expires`: \"{}\" is not a date", text.value))
                .help("write a day, \"2027-01-31\", or a moment with its offset, \"2027-01-31T18:00:00Z\"");
            None
        }
    }
}
