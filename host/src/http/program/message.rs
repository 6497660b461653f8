//! A message of JSON-RPC as far as its way depends on it: what it is, and where its ids stand. Ids are exchanged in
//! the text itself, so everything else stays as it was written: numbers, spaces, the order of keys.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    Response,
}

/// One message on one line.
#[derive(Clone, Debug)]
pub(super) struct Message {
    text: String,
    pub(super) kind: Kind,
    /// Empty for a response.
    pub(super) method: String,
    /// Whether it is a response that says what went wrong.
    pub(super) is_error: bool,
    id: Option<Range<usize>>,
    /// `progressToken`: in a request, what its progress is to be called; in a notification, whose progress this is.
    token: Option<Range<usize>>,
    /// `requestId`: which request is cancelled
    cancelled: Option<Range<usize>>,
    /// `io.modelcontextprotocol/subscriptionId`: the id of the request that listens (2026-07-28)
    subscription: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Inner<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: Option<&'a RawValue>,
}

impl Message {
    /// # Errors
    /// When it is no message: what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        // Outside of strings both are spaces, inside they cannot stand.
        let text = text.trim().replace(['\n', '\r'], " ");
        let outline: Outline<'_> = object(&text)?;
        let inner: Inner<'_> = outline.params.or(outline.result).map_or_else(empty, part)?;
        let meta: Meta<'_> = inner.meta.map_or_else(empty, part)?;
        let kind = match (&outline.method, outline.id) {
            (Some(_), Some(_)) => Kind::Request,
            (Some(_), None) => Kind::Notification,
            (None, Some(_)) if outline.result.is_some() || outline.error.is_some() => Kind::Response,
            (None, _) => return Err("it is neither a request nor a notification nor a response".to_owned()),
        };
        let method = outline.method.clone().unwrap_or_default();
        let span = |part: Option<&RawValue>| part.map(|part| place(&text, part.get()));
        let (id, subscription) = (span(outline.id), span(meta.subscription));
        let token = match kind {
            Kind::Request => span(meta.token),
            Kind::Notification if method == "notifications/progress" => span(inner.token),
            _ => None,
        };
        let cancelled = span(inner.request).filter(|_| method == "notifications/cancelled");
        let is_error = outline.error.is_some();
        Ok(Self { kind, method, is_error, id, token, cancelled, subscription, text })
    }

    /// The messages of a body: one, or a batch.
    ///
    /// # Errors
    /// When it is neither, or a batch of more than `most` messages.
    pub(super) fn read_all(body: &str, most: usize) -> Result<(Vec<Self>, bool), String> {
        if !body.trim_start().starts_with('[') {
            return Ok((vec![Self::read(body)?], false));
        }
        let parts: Vec<&RawValue> = serde_json::from_str(body).map_err(|error| error.to_string())?;
        if parts.is_empty() || parts.len() > most {
            return Err(format!("a batch has 1 to {most} messages"));
        }
        Ok((parts.iter().map(|part| Self::read(part.get())).collect::<Result<_, _>>()?, true))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As it is written.
    pub(super) fn id(&self) -> Option<&str> {
        self.at(&self.id)
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.at(&self.token)
    }

    pub(super) fn cancelled(&self) -> Option<&str> {
        self.at(&self.cancelled)
    }

    pub(super) fn subscription(&self) -> Option<&str> {
        self.at(&self.subscription)
    }

    fn at(&self, range: &Option<Range<usize>>) -> Option<&str> {
        self.text.get(range.clone()?)
    }

    /// The text with other ids where it has one.
    pub(super) fn with(&self, new: &New<'_>) -> String {
        let places = [
            (&self.id, new.id),
            (&self.token, new.token),
            (&self.cancelled, new.cancelled),
            (&self.subscription, new.subscription),
        ];
        let mut changes: Vec<_> =
            places.into_iter().filter_map(|(range, new)| Some((range.clone()?, new?))).collect();
        // From behind, so that what is before stays where it is.
        changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.text.clone();
        for (range, new) in changes {
            text.replace_range(range, new);
        }
        text
    }
}

/// What stands in place of the ids of a message; `None`: they stay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct New<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    pub(super) cancelled: Option<&'a str>,
    pub(super) subscription: Option<&'a str>,
}

/// An error as the answer to a request; `id` as it is written.
pub(super) fn error(id: &str, code: i32, message: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
}

/// A message as an event of a stream. It has no line end.
pub(super) fn event(text: &str) -> String {
    format!("event: message\ndata: {text}\n\n")
}

/// A list in place of an object would be read by position, which is no message.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !text.starts_with('{') {
        return Err("it is no object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What is no object has nothing that matters here.
fn part<'a, T: Deserialize<'a> + Default>(raw: &'a RawValue) -> Result<T, String> {
    if raw.get().starts_with('{') { object(raw.get()) } else { Ok(T::default()) }
}

fn empty<T: Default>() -> Result<T, String> {
    Ok(T::default())
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Message {
        Message::read(text).unwrap()
    }

    #[test]
    fn ids_are_exchanged_and_everything_else_stays_as_written() {
        let call = read(
            "{ \"params\": {\"n\": 1.10e400, \"_meta\": {\"progressToken\": \"tö\"}, \"progressToken\": 1},\n \"id\" : \"a\\\"b\", \"method\":\"tools/call\"}",
        );
        assert_eq!((call.kind, call.id(), call.token()), (Kind::Request, Some("\"a\\\"b\""), Some("\"tö\"")));
        let new = New { id: Some("7"), token: Some("8"), cancelled: Some("9"), subscription: Some("9") };
        assert_eq!(
            call.with(&new),
            "{ \"params\": {\"n\": 1.10e400, \"_meta\": {\"progressToken\": 8}, \"progressToken\": 1},  \"id\" : 7, \"method\":\"tools/call\"}"
        );
    }

    #[test]
    fn what_a_message_is() {
        let kind = |text: &str| Message::read(text).map(|message| message.kind).ok();
        assert_eq!(kind(r#"{"method":"a","id":1}"#), Some(Kind::Request));
        assert_eq!(kind(r#"{"method":"a"}"#), Some(Kind::Notification));
        assert_eq!(kind(r#"{"method":"a","params":[1,2]}"#), Some(Kind::Notification));
        assert_eq!(kind(r#"{"id":1,"result":{}}"#), Some(Kind::Response));
        assert!(read(r#"{"id":1,"error":{}}"#).is_error);
        for bad in ["", "a banner", "[]", "1", "{}", r#"{"id":1}"#, r#"{"id":null,"result":{}}"#] {
            assert_eq!(kind(bad), None, "{bad}");
        }
        // Two readers could take different ones.
        assert_eq!(kind(r#"{"id":1,"id":2,"method":"a"}"#), None);
        assert_eq!(kind(r#"{"id":1,"method":"a","params":{"_meta":{},"_meta":{}}}"#), None);
    }

    #[test]
    fn notifications_name_their_request() {
        let progress =
            read(r#"{"method":"notifications/progress","params":{"progressToken":3,"progress":1}}"#);
        assert_eq!(progress.token(), Some("3"));
        let cancelled = read(r#"{"method":"notifications/cancelled","params":{"requestId":"x"}}"#);
        assert_eq!((cancelled.cancelled(), cancelled.id()), (Some("\"x\""), None));
        let heard = read(
            r#"{"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}}}"#,
        );
        assert_eq!(heard.subscription(), Some("5"));
        assert!(heard.with(&New { subscription: Some("\"l\""), ..New::default() }).contains("\":\"l\"}"));
    }

    #[test]
    fn a_body_is_one_message_or_a_batch() {
        let (one, batch) = Message::read_all(r#" {"method":"a"} "#, 2).unwrap();
        assert_eq!((one.len(), batch), (1, false));
        let (two, batch) = Message::read_all(r#"[{"method":"a"},{"method":"b","id":1}]"#, 2).unwrap();
        assert_eq!((two.len(), batch), (2, true));
        for bad in ["[]", r#"[{"method":"a"},{"method":"a"},{"method":"a"}]"#, "[1]", "[", ""] {
            assert!(Message::read_all(bad, 2).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_message_stays_one_line_and_keeps_its_meaning(id in any::<i64>(), text in ".*", space in "[ \n\r\t]*") {
            let value = serde_json::json!({"id": id, "method": "m", "params": {"text": text}});
            let written = serde_json::to_string_pretty(&value).unwrap();
            let message = read(&format!("{space}{written}{space}"));
            prop_assert!(!message.text().contains(['\n', '\r']));
            let own = message.with(&New { id: Some("1"), ..New::default() });
            let back = read(&own).with(&New { id: Some(&id.to_string()), ..New::default() });
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&back).unwrap(), value);
        }

        #[test]
        fn whatever_a_program_writes_is_read_or_refused(text in ".*") {
            let _ = Message::read(&text);
        }
    }
}
