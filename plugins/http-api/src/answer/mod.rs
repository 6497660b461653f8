//! An answer: how its body is looked at, and the values in it.

mod events;
mod form;
mod head;
mod inside;
mod json;
mod lines;
mod values;

pub use values::{Place, encode};

use crate::fault;
use crate::media::{Charset, Look, Media};
use crate::settings::{Malformed, Rules, UnseenAnswers};
use json::{NoValues, Origin};
use values::{Collector, Style};
use weir_sdk::http::{AnswerHead, AnswerOutcome, Fault, show};

/// The body of an answer that is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    Json(Charset),
    Text(Charset),
    Form,
    /// its type is not told: whatever it looks like
    Any,
    Lines(lines::Reader),
    Events(events::Reader),
}

/// What was found: for the host, and for `encode`.
pub type Found = (AnswerOutcome, Vec<Place>);

/// What a head says: the values in it, and how the body is looked at (none: not at all).
///
/// # Errors
/// When the answer cannot be masked.
pub fn read_head(head: &AnswerHead, relation: &str, rules: &Rules) -> Result<(Found, Option<Body>), Fault> {
    let mut collector = Collector::new(relation);
    head::add(&head.headers, &mut collector)?;
    let body = if head.has_body { look(head, rules)? } else { None };
    let (values, places) = collector.finish();
    let show = match body {
        None => show::UNSEEN,
        Some(Body::Json(_) | Body::Text(_) | Body::Form | Body::Any) => show::WHOLE,
        Some(Body::Lines(_) | Body::Events(_)) => show::GROWING,
    };
    Ok(((AnswerOutcome { show, values, ..AnswerOutcome::default() }, places), body))
}

fn look(head: &AnswerHead, rules: &Rules) -> Result<Option<Body>, Fault> {
    let mut types = head.headers.iter().filter(|header| header.name == "content-type");
    let first = types.next();
    if types.next().is_some() {
        return Err(Fault::new(fault::ANSWER_HEAD, "the answer has more than one content-type"));
    }
    let Some(media) = first.and_then(|header| Media::parse(header.value)) else {
        return partial(head, Body::Any);
    };
    let charset = media.charset();
    let look = media.look(&rules.types);
    if charset == Charset::Other && look != Look::Unseen {
        return Err(Fault::new(
            fault::ANSWER_TEXT,
            "an answer in another charset than UTF-8 cannot be masked",
        ));
    }
    match look {
        Look::Json => partial(head, Body::Json(charset)),
        Look::Form => partial(head, Body::Form),
        Look::Text => partial(head, Body::Text(charset)),
        Look::Lines => partial(head, Body::Lines(lines::Reader::default())),
        Look::Events => partial(head, Body::Events(events::Reader::default())),
        Look::Unseen if may_pass(&media, rules) => Ok(None),
        Look::Unseen => Err(Fault::new(
            fault::ANSWER_UNSEEN,
            "an answer of this content-type cannot be masked (settings types, unseen_answers)",
        )),
    }
}

/// Who wants values unmasked asks for them in a form that nobody reads here: MessagePack, protocol buffers, a spreadsheet.
/// Pictures and sounds have no fields.
fn may_pass(media: &Media, rules: &Rules) -> bool {
    let kind = media.essence.split('/').next().unwrap_or_default();
    match rules.unseen_answers {
        UnseenAnswers::Allow => true,
        UnseenAnswers::Media => {
            rules.is_unseen_by_name(&media.essence) || matches!(kind, "image" | "audio" | "video" | "font")
        }
        UnseenAnswers::Refuse => false,
    }
}

/// A part of a text can begin and end in the midst of a value.
fn partial(head: &AnswerHead, body: Body) -> Result<Option<Body>, Fault> {
    const PARTIAL_CONTENT: u16 = 206;
    match head.status {
        PARTIAL_CONTENT => Err(Fault::new(fault::ANSWER_PART, "a part of an answer cannot be masked")),
        _ => Ok(Some(body)),
    }
}

/// Looks at bytes of a body: all that are there and have not been released.
///
/// # Errors
/// When they cannot be masked.
pub fn read_body(
    body: &mut Body,
    data: &[u8],
    end: bool,
    relation: &str,
    rules: &Rules,
) -> Result<Found, Fault> {
    let mut collector = Collector::of_body(relation, data.len());
    let release = match body {
        Body::Lines(reader) => reader.read(data, end, rules.malformed, &mut collector)?,
        Body::Events(reader) => reader.read(data, end, rules.malformed, &mut collector)?,
        // Whole bodies come when they are whole.
        _ if !end => {
            return Ok((AnswerOutcome { show: show::WHOLE, ..AnswerOutcome::default() }, Vec::new()));
        }
        Body::Json(charset) => {
            whole_json(data, *charset, true, rules.malformed, &mut collector)?;
            data.len()
        }
        Body::Text(charset) => {
            text(data, *charset, rules.malformed, &mut collector)?;
            data.len()
        }
        Body::Form => {
            form::add(data, &mut collector)?;
            data.len()
        }
        Body::Any => {
            // What is no text has no values to be found.
            match std::str::from_utf8(data) {
                Ok(_) => whole_json(data, Charset::Utf8, false, rules.malformed, &mut collector)?,
                Err(_) if rules.unseen_answers == UnseenAnswers::Allow => {}
                Err(_) => {
                    return Err(Fault::new(fault::ANSWER_TEXT, "an answer without content-type is no text"));
                }
            }
            data.len()
        }
    };
    let growing = matches!(body, Body::Lines(_) | Body::Events(_));
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let (values, places) = collector.finish();
    let outcome = AnswerOutcome {
        show: if growing && !end { show::GROWING } else { show::UNSEEN },
        values,
        release: size(release),
        need: if growing && !end { size(data.len() - release).saturating_add(1) } else { 0 },
        ..AnswerOutcome::default()
    };
    Ok((outcome, places))
}

/// Looks at a message of a WebSocket: JSON as its fields, any other text as one.
///
/// # Errors
/// When it cannot be masked.
pub fn read_message(data: &[u8], relation: &str, rules: &Rules) -> Result<Found, Fault> {
    let mut collector = Collector::new(relation);
    whole_json(data, Charset::Utf8, false, rules.malformed, &mut collector)?;
    let (values, places) = collector.finish();
    let (outcome, _) = all(data);
    Ok((AnswerOutcome { values, ..outcome }, places))
}

/// Bytes without values.
pub fn all(data: &[u8]) -> Found {
    let release = u32::try_from(data.len()).unwrap_or(u32::MAX);
    (AnswerOutcome { release, ..AnswerOutcome::default() }, Vec::new())
}

/// `typed`: its type says that it is JSON.
fn whole_json(
    data: &[u8],
    charset: Charset,
    typed: bool,
    malformed: Malformed,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    // Some servers put a mark in front, and all readers pass over it.
    let mark = if data.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let json = data.get(mark..).unwrap_or_default();
    if charset == Charset::Other || (charset == Charset::Ascii && !json.is_ascii()) {
        return text(data, charset, malformed, collector);
    }
    match json::add(json, Origin::At(mark), collector) {
        Ok(()) => Ok(()),
        Err(NoValues::Refused(fault)) => Err(fault),
        Err(NoValues::Malformed(error)) => {
            if typed && malformed == Malformed::Refuse {
                return dressed_json(data, charset, &error, collector);
            }
            allow_text(json, &error, malformed)?;
            text(data, charset, malformed, collector)
        }
    }
}

/// What its type calls JSON may be that behind a guard (`)]}',`) or in a call (JSONP), or nothing; `error` says why it
/// is none as it stands.
fn dressed_json(
    data: &[u8],
    charset: Charset,
    error: &weir_json::Error,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let whole = std::str::from_utf8(data).map_err(|_| inside::not_json(error))?;
    let guard = inside::guard(whole);
    let json = data.get(guard..).unwrap_or_default();
    if json.is_empty() {
        return Ok(());
    }
    match json::add(json, Origin::At(guard), collector) {
        Ok(()) => Ok(()),
        Err(NoValues::Refused(fault)) => Err(fault),
        Err(NoValues::Malformed(_)) if inside::meant(whole).is_some_and(|at| at > guard) => {
            text(data, charset, Malformed::Refuse, collector)
        }
        Err(NoValues::Malformed(_)) => Err(inside::not_json(error)),
    }
}

/// Texts, and the JSON in them.
fn text(
    data: &[u8],
    charset: Charset,
    malformed: Malformed,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let is_text = match charset {
        // With a NUL in it, it is UTF-16 that does not say so.
        Charset::Utf8 => !data.contains(&0),
        Charset::Ascii => !data.contains(&0) && data.is_ascii(),
        Charset::Other => false,
    };
    match std::str::from_utf8(data) {
        Ok(text) if is_text => inside::add(text, 0, Style::Text, malformed, collector),
        _ => Err(Fault::new(fault::ANSWER_TEXT, "the answer is not UTF-8, so it cannot be masked")),
    }
}

/// What was meant to be JSON and is none would be shown without its columns: only when the settings say so.
pub(crate) fn allow_text(data: &[u8], error: &weir_json::Error, malformed: Malformed) -> Result<(), Fault> {
    if malformed == Malformed::Text || !weir_json::begins_like_json(data) {
        return Ok(());
    }
    Err(inside::not_json(error))
}
