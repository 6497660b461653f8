//! Whether the groups and users of the rules exist. A warning: users may come later, and from elsewhere.

use std::collections::BTreeSet;

use weir_model::{Grantee, nearest};

use crate::document::Report;
use crate::problem::code;
use crate::raw;
use crate::users::User;

pub(super) fn known(resources: &[raw::Resource], users: &[User], report: &Report) {
    let names: BTreeSet<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let groups: BTreeSet<&str> =
        users.iter().flat_map(|user| user.groups.iter().map(String::as_str)).collect();
    let list = |set: &BTreeSet<&'_ str>| set.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (names_list, groups_list) = (list(&names), list(&groups));
    let suggest = |word: &str, known: &[String]| match known.is_empty() {
        true => "add one with `weir user add`".to_owned(),
        false => nearest::suggest(word, &known.iter().map(String::as_str).collect::<Vec<_>>(), "there are"),
    };
    let lists = resources.iter().flat_map(|resource| [&resource.allow, &resource.reviewers]);
    for grantee in lists.flatten().flat_map(|list| &list.value) {
        match &grantee.value {
            Grantee::Group(name) if !groups.contains(name.as_str()) => {
                report
                    .warning(code::UNKNOWN_GROUP, grantee.span, format!("nobody is in the group {name}"))
                    .help(suggest(name, &groups_list));
            }
            Grantee::User(name) if !names.contains(name.as_str()) => {
                report
                    .warning(code::UNKNOWN_USER, grantee.span, format!("there is no user {name}"))
                    .help(suggest(name, &names_list));
            }
            _ => {}
        }
    }
}
