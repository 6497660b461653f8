//! JSON-RPC 2.0: which kind of message a JSON text is.
//!
//! Readers differ in what they make of a message that is nearly right (some read `Method` as `method`, some take `1.0`
//! for `1`), so what is not exactly right is no message.

use crate::tree::{Node, Value};

/// JSON-RPC error codes, as the specification and the official SDKs have them.
pub mod code {
    pub const PARSE: i32 = -32700;
    pub const INVALID_REQUEST: i32 = -32600;
    pub const INVALID_PARAMS: i32 = -32602;
    pub const INTERNAL: i32 = -32603;
    /// a session of MCP that nobody knows; what MCP's SDKs say
    pub const UNKNOWN_SESSION: i32 = -32001;
    /// the gateway does not let it pass; of the range left to implementations
    pub const REFUSED: i32 = -32003;
    /// a header says something else than the body (2026-07-28)
    pub const HEADER_MISMATCH: i32 = -32020;
    /// (2026-07-28)
    pub const UNSUPPORTED_VERSION: i32 = -32022;
}

/// Longest id that is remembered, in bytes.
const MAX_ID: usize = 512;

/// What pairs an answer with its request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// digits as written
    Number(String),
    Text(String),
}

impl Id {
    /// None: no id, or one that two readers could read in two ways.
    pub fn of(node: &Node<'_>) -> Option<Id> {
        let id = match &node.value {
            Value::Number(digits) if is_integer(digits) => Id::Number((*digits).to_owned()),
            Value::Text(text) => Id::Text(text.clone().into_owned()),
            _ => return None,
        };
        let length = match &id {
            Id::Number(text) | Id::Text(text) => text.len(),
        };
        (length <= MAX_ID).then_some(id)
    }

    /// Whether a lenient reader could take one for the other: the official TypeScript SDK makes a number of the id that
    /// an answer has, so `"5"`, `" 5 "` and `"0x5"` answer 5 there.
    pub fn may_be(&self, other: &Id) -> bool {
        self == other || self.as_number().is_some_and(|number| other.as_number() == Some(number))
    }

    /// What JavaScript's `Number` makes of it; integers that no double tells apart are one.
    fn as_number(&self) -> Option<f64> {
        let (Id::Number(text) | Id::Text(text)) = self;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let radix = match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ if text.is_empty() => return Some(0.0),
            _ => return text.parse().ok(),
        };
        u64::from_str_radix(text.get(2..)?, radix).ok().map(|number| number as f64)
    }

    /// As it stands in a message.
    pub fn json(&self) -> String {
        match self {
            Id::Number(digits) => digits.clone(),
            Id::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

/// `1.0` and `1e0` are the same number to some readers and no id to others; `-0` has no second reader either.
fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').filter(|rest| *rest != "0").unwrap_or(digits);
    digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Request {
        id: Id,
        method: String,
    },
    Notification {
        method: String,
    },
    /// `ok`: it brings a result. No id: an error about something that could not be read.
    Response {
        id: Option<Id>,
        ok: bool,
    },
}

#[derive(Debug)]
pub struct Message<'n, 'a> {
    pub kind: Kind,
    pub whole: &'n Node<'a>,
    /// an object, when there
    pub params: Option<&'n Node<'a>>,
    /// `result` or `error` of a response
    pub body: Option<&'n Node<'a>>,
}

/// Why something is no message. `rpc` is the JSON-RPC code the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub rpc: i32,
    pub message: String,
}

impl Wrong {
    pub fn new(rpc: i32, message: impl Into<String>) -> Wrong {
        Wrong { rpc, message: message.into() }
    }
}

fn invalid(message: impl Into<String>) -> Wrong {
    Wrong::new(code::INVALID_REQUEST, message)
}

/// Who wrote a message. What a client sends is held to the letter; what a server sends is read by the client alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// The messages of a body; `true` when they came as a batch.
///
/// # Errors
/// When one of them is none.
pub fn messages<'n, 'a>(root: &'n Node<'a>, sender: Sender) -> Result<(Vec<Message<'n, 'a>>, bool), Wrong> {
    match &root.value {
        Value::List(elements) if elements.is_empty() => Err(invalid("an empty batch")),
        Value::List(elements) => {
            let messages: Result<Vec<_>, _> =
                elements.iter().map(|element| message(element, sender)).collect();
            Ok((messages?, true))
        }
        _ => Ok((vec![message(root, sender)?], false)),
    }
}

/// # Errors
/// When it is none.
pub fn message<'n, 'a>(whole: &'n Node<'a>, sender: Sender) -> Result<Message<'n, 'a>, Wrong> {
    if !whole.is_object() {
        return Err(invalid("a message of JSON-RPC is an object"));
    }
    if whole.member_text("jsonrpc") != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    if sender == Sender::Client {
        const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
        if whole.members().iter().any(|(key, _)| !MEMBERS.contains(&&**key)) {
            return Err(invalid("a member that JSON-RPC does not know"));
        }
    }
    let params = whole.member("params");
    if params.is_some_and(|params| !params.is_object()) {
        return Err(Wrong::new(code::INVALID_PARAMS, "`params` must be an object"));
    }
    let (result, error) = (whole.member("result"), whole.member("error"));
    let id = match whole.member("id").map(|node| (node, Id::of(node))) {
        None => None,
        Some((_, Some(id))) => Some(id),
        // The answer to something of which not even the id could be read.
        Some((node, None)) if node.value == Value::Null && error.is_some() => None,
        Some(_) => return Err(invalid("`id` must be a string or an integer")),
    };
    let kind = match (whole.member("method"), result, error) {
        (Some(method), None, None) => {
            let method = method.text().filter(|method| !method.is_empty());
            let method = method.ok_or_else(|| invalid("`method` must be a string"))?.to_owned();
            match id {
                Some(id) => Kind::Request { id, method },
                // A server may run it without an answer, and no rule for such requests would see it.
                None if sender == Sender::Client && !method.starts_with("notifications/") => {
                    return Err(invalid(
                        "a request needs an `id`; a notification's method is `notifications/…`",
                    ));
                }
                None => Kind::Notification { method },
            }
        }
        (None, Some(_), None) if id.is_some() => Kind::Response { id, ok: true },
        (None, None, Some(error)) if error.is_object() => Kind::Response { id, ok: false },
        _ => return Err(invalid("neither a request, nor a notification, nor a response")),
    };
    if matches!(kind, Kind::Response { .. }) && params.is_some() {
        return Err(invalid("a response has no `params`"));
    }
    if sender == Sender::Client {
        if matches!(kind, Kind::Response { id: None, .. }) {
            return Err(invalid("a response needs the `id` of its request"));
        }
        params.map_or(Ok(()), one_spelling)?;
    }
    Ok(Message { kind, whole, params, body: result.or(error) })
}

/// Names of parameters that mean something to the protocol.
const KNOWN: [&str; 12] = [
    "name",
    "arguments",
    "uri",
    "_meta",
    "cursor",
    "ref",
    "argument",
    "task",
    "taskId",
    "level",
    "inputResponses",
    "requestState",
];

/// Some readers match names without regard to case, so that `Name` beside or instead of `name` is read by one and not
/// by the other.
fn one_spelling(params: &Node<'_>) -> Result<(), Wrong> {
    let mut seen = std::collections::BTreeSet::new();
    for (key, _) in params.members() {
        let folded = fold(key);
        let is_other = KNOWN.iter().any(|known| fold(known) == folded && known != key);
        if is_other || !seen.insert(folded) {
            return Err(Wrong::new(code::INVALID_PARAMS, "names of `params` that differ only in case"));
        }
    }
    Ok(())
}

fn fold(key: &str) -> String {
    key.chars().flat_map(char::to_lowercase).map(|c| if c == 'ſ' { 's' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str, sender: Sender) -> Result<Kind, i32> {
        let root = crate::tree::read(text.as_bytes()).unwrap();
        message(&root, sender).map(|message| message.kind).map_err(|wrong| wrong.rpc)
    }

    #[test]
    fn messages_are_told_apart() {
        let request = kind(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Sender::Client);
        assert_eq!(request, Ok(Kind::Request { id: Id::Number("1".into()), method: "ping".into() }));
        let notification =
            kind(r#"{"jsonrpc":"2.0","method":"notifications/x","params":{}}"#, Sender::Client);
        assert_eq!(notification, Ok(Kind::Notification { method: "notifications/x".into() }));
        let notification = kind(r#"{"jsonrpc":"2.0","method":"x"}"#, Sender::Server);
        assert_eq!(notification, Ok(Kind::Notification { method: "x".into() }));
        let response = kind(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Sender::Client);
        assert_eq!(response, Ok(Kind::Response { id: Some(Id::Text("a".into())), ok: true }));
        let error = kind(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#, Sender::Server);
        assert_eq!(error, Ok(Kind::Response { id: None, ok: false }));
    }

    #[test]
    fn what_is_nearly_a_message_is_refused() {
        for text in [
            r#"[]"#,
            r#""x""#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.1","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1e0,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","method":"Notifications/x"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"notifications/x"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["x"]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Arguments":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","argumentſ":{}}}"#,
        ] {
            assert!(kind(text, Sender::Client).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_batch_is_refused_and_others_keep_their_order() {
        let root = crate::tree::read(b"[]").unwrap();
        assert!(messages(&root, Sender::Client).is_err());
        let text = br#"[{"jsonrpc":"2.0","id":2,"method":"a"},{"jsonrpc":"2.0","method":"notifications/b"}]"#;
        let root = crate::tree::read(text).unwrap();
        let (found, batch) = messages(&root, Sender::Client).unwrap();
        assert!(batch);
        assert!(matches!(&found[0].kind, Kind::Request { method, .. } if method == "a"));
        assert!(matches!(&found[1].kind, Kind::Notification { method } if method == "notifications/b"));
        let text = br#"[{"jsonrpc":"2.0","id":2,"method":"a"},{"jsonrpc":"2.0","method":"tools/call"}]"#;
        let root = crate::tree::read(text).unwrap();
        assert!(messages(&root, Sender::Client).is_err());
    }
}
