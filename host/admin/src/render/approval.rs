//! Requests that wait: the list, and the one screen a reviewer decides by.
//!
//! The screen says who, from where, what exactly, why, until when; what is proven apart from what is claimed. The
//! command is never reformatted: it is what the digest below it stands for, as far as no masker hides parts of it.

use super::layout::{Page, duration, table};
use super::lists::who;
use crate::Timestamp;
use crate::views::{ApprovalView, AttributeView};

/// All requests, one a line.
pub fn approvals(all: &[ApprovalView], now: Timestamp) -> String {
    if all.is_empty() {
        return "nothing waits for a review\n".to_owned();
    }
    let rows: Vec<_> = all
        .iter()
        .map(|asked| {
            vec![
                asked.id.clone(),
                duration(now.since(asked.asked_at)),
                who(&asked.requester),
                asked.resource.clone(),
                asked.action.clone(),
                asked.reason.clone(),
                duration(asked.expires_at.since(now)),
            ]
        })
        .collect();
    table(&["ID", "AGE", "WHO", "RESOURCE", "ACTION", "REASON", "EXPIRES IN"], &rows)
}

/// One request, for a terminal of `width` columns.
pub fn approval(asked: &ApprovalView, now: Timestamp, width: usize) -> String {
    let mut page = Page::new(&format!("approval {}", asked.id), width);
    let who = &asked.requester;
    page.field("who", [format!("{} {}", who.kind, who.id)]);
    page.field("on behalf of", &who.on_behalf_of);
    page.field("groups", &who.groups);
    page.field("from", [&asked.client_address]);
    page.field("resource", [&asked.resource]);
    page.field("session", [&asked.session]);
    page.field("action", [format!("{} ({})", asked.action, asked.kind)]);
    page.field("objects", &asked.objects);
    page.field("rule", [&asked.code]);
    page.field("reason", [&asked.reason]);
    let asked_ago = duration(now.since(asked.asked_at));
    page.field("asked", [format!("{} ({asked_ago} ago)", asked.asked_at)]);
    let left = match asked.expires_at > now {
        true => format!("in {}", duration(asked.expires_at.since(now))),
        false => "now".to_owned(),
    };
    page.field("expires", [format!("{} ({left})", asked.expires_at)]);
    page.field("reviewers", &asked.reviewers);
    if let Some(now) = &asked.reviewers_now {
        page.field("and now", now);
    }

    page.heading("exactly this would run:");
    page.text(&asked.text);
    if !asked.parameters.is_empty() {
        page.heading("with these parameters:");
    }
    for parameter in &asked.parameters {
        let kind = if parameter.type_name.is_empty() { "unknown type" } else { &parameter.type_name };
        let value = parameter.value.as_deref().ok_or("NULL, or cannot be read");
        page.named(&format!("{} ({kind})", parameter.name), value);
    }
    attributes(&mut page, "known to the gateway:", &asked.attributes);
    attributes(&mut page, "claimed by the client, not proven:", &asked.claimed);
    page.heading("digest of what would run (sha-256):");
    page.value(&asked.digest);
    if page.escaped > 0 {
        let (count, are) = (page.escaped, if page.escaped == 1 { "character is" } else { "characters are" });
        page.heading(&format!(
            "careful: {count} {are} written as \\u{{…}} above: invisible, reordering others, or looking like others"
        ));
    }
    page.out
}

fn attributes(page: &mut Page, heading: &str, all: &[AttributeView]) {
    if !all.is_empty() {
        page.heading(heading);
    }
    for attribute in all {
        page.named(&attribute.name, Ok(&attribute.value));
    }
}
