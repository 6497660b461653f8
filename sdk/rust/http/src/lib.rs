//! World `http-inspector`: understand what is spoken in HTTP exchanges. The contract's text (`wit/http.wit`) tells
//! what each function must keep to; this trait only mirrors it.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use weir_sdk_common as common;

pub use bindings::exports::weir::plugin::http_inspect::{
    AnswerHead, AnswerOutcome, Columns, Found, Header, Headers, Limits, OwnAnswer, OwnRequest, RequestHead,
    RequestOutcome, ResultInfo, Spans, Values,
};
pub use weir_sdk_common::{Attribute, Column, Fault, NoSettings, Operation, Parameter, SessionInfo};

use serde::de::DeserializeOwned;

/// How the rest of a body is shown.
pub mod show {
    /// It passes as it comes.
    pub const UNSEEN: u8 = 0;
    /// In one call, when all of it is there.
    pub const WHOLE: u8 = 1;
    /// Each time more has come.
    pub const GROWING: u8 = 2;
    /// Messages of a WebSocket; only from `request`.
    pub const MESSAGES: u8 = 3;
    /// The body given with the head was looked at; the facade says so, plugins answer `WHOLE`.
    pub const SEEN: u8 = 4;
}

/// Whether a refusal with this code is about the gateway (its trail, a disk, a limit, a shutdown), so that neither the client
/// nor a policy is to blame and the same may work later: classes 53, 57 and 58 of SQLSTATE, and three words of the host's own.
pub fn is_unavailable(code: &str) -> bool {
    let class = code.len() == 5 && ["53", "57", "58"].iter().any(|class| code.starts_with(class));
    class || matches!(code, "shutting-down" | "cut-short" | "request-unsendable")
}

/// Marks starts in `decoded`, and cells that become nothing.
pub const TOP_BIT: u32 = 1 << 31;

/// An HTTP inspector. One value of the type lives for one session.
pub trait HttpInspector: Sized + 'static {
    const NAME: &'static str;
    const VERSION: &'static str = "0.1.0";
    const DESCRIPTION: &'static str = "";
    const SETTINGS_SCHEMA: &'static str = "";

    type Settings: DeserializeOwned + 'static;

    fn check(_settings: &Self::Settings) -> Result<(), Fault> {
        Ok(())
    }

    fn open(
        settings: &Self::Settings,
        session: &SessionInfo,
        limits: Limits,
        masking: bool,
    ) -> Result<Self, Fault>;

    /// `WHOLE` without an operation asks for the body first: if it came with the head, `request_body` is called at once.
    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault>;

    fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault>;

    /// `WHOLE` without values asks for the body: if it came with the head, `answer_body` is called at once.
    fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault>;

    fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault>;

    /// Only for inspectors that answer `show::MESSAGES`.
    fn message(&mut self, _exchange: u32, _text: bool, _data: &[u8]) -> Result<RequestOutcome, Fault> {
        Err(no_messages())
    }

    /// Only for inspectors that answer `show::MESSAGES`.
    fn answer_message(&mut self, _exchange: u32, _text: bool, _data: &[u8]) -> Result<AnswerOutcome, Fault> {
        Err(no_messages())
    }

    fn encode(&mut self, exchange: u32, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault>;

    fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> OwnAnswer;

    /// Only for inspectors that find operations in answers.
    fn refuse_asked(&mut self, _exchange: u32, _refused: &[u32], _why: &Fault) -> Vec<u8> {
        Vec::new()
    }

    /// Only for inspectors whose upstreams wait for answers of the client.
    fn answer_asked(&mut self, _exchange: u32, _refused: &[u32], _why: &Fault) -> Vec<OwnRequest> {
        Vec::new()
    }

    /// Only for inspectors that leave notes. They come in the order in which they were left.
    fn noted(&mut self, _notes: Vec<String>) {}

    fn waiting(&mut self, _exchange: u32, _message: &str) -> Option<OwnAnswer> {
        None
    }

    fn end(&mut self, exchange: u32);
}

/// The calls of a request of which the body is here (or is not): as if it had come later, in one answer.
#[doc(hidden)]
pub fn request<P: HttpInspector>(
    plugin: &mut P,
    ended: &[u32],
    exchange: u32,
    head: &RequestHead,
    body: Option<&[u8]>,
) -> Result<RequestOutcome, Fault> {
    ended.iter().for_each(|exchange| plugin.end(*exchange));
    let asked = plugin.request(exchange, head)?;
    let waits = asked.show == show::WHOLE && asked.operations.is_empty() && asked.refusal.is_none();
    let Some(body) = body.filter(|_| waits) else { return Ok(asked) };
    let mut seen = plugin.request_body(exchange, body, true)?;
    seen.headers.splice(..0, asked.headers);
    Ok(RequestOutcome { show: show::SEEN, ..seen })
}

/// The same of an answer.
#[doc(hidden)]
pub fn answer<P: HttpInspector>(
    plugin: &mut P,
    exchange: u32,
    head: &AnswerHead,
    body: Option<&[u8]>,
) -> Result<AnswerOutcome, Fault> {
    let begun = plugin.answer(exchange, head)?;
    let has_more = !begun.values.cells.is_empty()
        || !begun.results.is_empty()
        || !begun.operations.is_empty()
        || !begun.notes.is_empty()
        || begun.refusal.is_some();
    let waits = begun.show == show::WHOLE && !has_more;
    let Some(body) = body.filter(|_| waits) else { return Ok(begun) };
    let seen = plugin.answer_body(exchange, body, true)?;
    Ok(AnswerOutcome { show: show::SEEN, ..seen })
}

fn no_messages() -> Fault {
    Fault { code: "order".to_owned(), message: "messages that were not asked for".to_owned() }
}

/// Nothing found, nothing shown any more.
impl Default for RequestOutcome {
    fn default() -> Self {
        Self {
            show: show::UNSEEN,
            operations: Vec::new(),
            refusal: None,
            release: 0,
            need: 0,
            headers: Vec::new(),
        }
    }
}

/// Nothing found, nothing shown any more.
impl Default for AnswerOutcome {
    fn default() -> Self {
        Self {
            show: show::UNSEEN,
            values: Values::default(),
            changes: Spans::default(),
            release: 0,
            need: 0,
            results: Vec::new(),
            operations: Vec::new(),
            refusal: None,
            notes: Vec::new(),
        }
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Values {
    fn default() -> Self {
        Self { columns: Columns::default(), cells: Vec::new(), decoded: Vec::new() }
    }
}

/// A line of a head. The name is in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

impl Headers {
    pub fn iter(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        let (pairs, _) = self.ends.as_chunks::<2>();
        let mut from = 0;
        pairs.iter().map(move |[name, value]| {
            let (name, value) = (*name as usize, *value as usize);
            let line = Line {
                name: self.texts.get(from..name).unwrap_or_default(),
                value: self.texts.get(name..value).unwrap_or_default(),
            };
            from = value;
            line
        })
    }

    /// Adds a header behind the ones before it.
    pub fn push(&mut self, name: &str, value: &str) {
        push(&mut self.texts, &mut self.ends, name);
        push(&mut self.texts, &mut self.ends, value);
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|line| line.name == name).map(|line| line.value)
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Headers {
    fn default() -> Self {
        Self { texts: String::new(), ends: Vec::new() }
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut headers = Self::default();
        lines.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref()));
        headers
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Columns {
    fn default() -> Self {
        Self { texts: String::new(), ends: Vec::new() }
    }
}

/// Texts of one column.
const TEXTS: usize = 5;

impl Columns {
    pub fn len(&self) -> usize {
        self.ends.len() / TEXTS
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a column behind the ones before it. Labels are words.
    pub fn push(&mut self, name: &str, relation: &str, source: &str, type_name: &str, labels: &[&str]) {
        for text in [name, relation, source, type_name] {
            push(&mut self.texts, &mut self.ends, text);
        }
        for (index, label) in labels.iter().enumerate() {
            self.texts.push_str(if index == 0 { "" } else { " " });
            self.texts.push_str(label);
        }
        push(&mut self.texts, &mut self.ends, "");
    }

    pub fn iter(&self) -> impl Iterator<Item = Column> {
        let (columns, _) = self.ends.as_chunks::<TEXTS>();
        let mut from = 0;
        columns.iter().map(move |ends| {
            let [name, relation, source, type_name, labels] = ends.map(|end| {
                let text = self.texts.get(from..end as usize).unwrap_or_default();
                from = end as usize;
                text
            });
            Column {
                name: name.to_owned(),
                relation: relation.to_owned(),
                source: source.to_owned(),
                type_name: type_name.to_owned(),
                labels: labels.split_whitespace().map(str::to_owned).collect(),
            }
        })
    }
}

/// What passes 4 GiB ends nowhere, and the host refuses it.
fn push(texts: &mut String, ends: &mut Vec<u32>, text: &str) {
    texts.push_str(text);
    ends.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Spans {
    fn default() -> Self {
        Self { starts: Vec::new(), stops: Vec::new(), texts: Vec::new(), ends: Vec::new() }
    }
}

impl Spans {
    /// Adds a change behind the ones before it.
    ///
    /// # Errors
    /// When all texts together pass 4 GiB.
    pub fn push(&mut self, start: u32, stop: u32, text: &[u8]) -> Result<(), Fault> {
        self.starts.push(start);
        self.stops.push(stop);
        self.texts.extend_from_slice(text);
        let end = u32::try_from(self.texts.len());
        self.ends.push(end.map_err(|_| Fault {
            code: "too-large".to_owned(),
            message: "too much text for one answer".to_owned(),
        })?);
        Ok(())
    }
}

/// Makes the type the inspector this component exports. Expands to nothing outside WebAssembly.
#[macro_export]
macro_rules! export_http_inspector {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_export {
            use $crate::bindings::exports::weir::plugin::{http_inspect, lifecycle};
            use $crate::HttpInspector;
            use http_inspect::{
                AnswerHead, AnswerOutcome, Fault, Limits, OwnAnswer, OwnRequest, RequestHead, RequestOutcome,
                SessionInfo, Spans,
            };
            type Plugin = super::$plugin;
            struct Component;

            thread_local! {
                static STATE: $crate::common::state::State<<Plugin as HttpInspector>::Settings, Plugin> =
                    const { $crate::common::state::State::new() };
            }

            $crate::common::export_lifecycle!(HttpInspector);

            /// What a call without an error in its type answers when there is no session.
            fn nothing() -> OwnAnswer {
                OwnAnswer { status: 500, headers: Vec::new(), body: Vec::new() }
            }

            impl http_inspect::Guest for Component {
                fn open(info: SessionInfo, limits: Limits, masking: bool) -> Result<(), Fault> {
                    STATE.with(|state| {
                        state.open(|settings| Plugin::open(settings, &info, limits, masking))
                    })
                }

                fn request(
                    ended: Vec<u32>,
                    exchange: u32,
                    head: RequestHead,
                    body: Option<Vec<u8>>,
                ) -> Result<RequestOutcome, Fault> {
                    let body = body.as_deref();
                    STATE.with(|state| {
                        state.call(|plugin| $crate::request(plugin, &ended, exchange, &head, body))
                    })
                }

                fn request_body(exchange: u32, data: Vec<u8>, end: bool) -> Result<RequestOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.request_body(exchange, &data, end)))
                }

                fn answer(
                    exchange: u32,
                    head: AnswerHead,
                    body: Option<Vec<u8>>,
                ) -> Result<AnswerOutcome, Fault> {
                    let body = body.as_deref();
                    STATE.with(|state| state.call(|plugin| $crate::answer(plugin, exchange, &head, body)))
                }

                fn answer_body(exchange: u32, data: Vec<u8>, end: bool) -> Result<AnswerOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.answer_body(exchange, &data, end)))
                }

                fn message(exchange: u32, text: bool, data: Vec<u8>) -> Result<RequestOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.message(exchange, text, &data)))
                }

                fn answer_message(exchange: u32, text: bool, data: Vec<u8>) -> Result<AnswerOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.answer_message(exchange, text, &data)))
                }

                fn encode(
                    exchange: u32,
                    cells: Vec<u32>,
                    texts: Vec<u8>,
                    ends: Vec<u32>,
                ) -> Result<Spans, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.encode(exchange, &cells, &texts, &ends)))
                }

                fn refuse(exchange: u32, refused: Vec<u32>, why: Fault) -> OwnAnswer {
                    STATE
                        .with(|state| state.call(|plugin| Ok(plugin.refuse(exchange, &refused, &why))))
                        .unwrap_or_else(|_| nothing())
                }

                fn refuse_asked(exchange: u32, refused: Vec<u32>, why: Fault) -> Vec<u8> {
                    STATE
                        .with(|state| state.call(|plugin| Ok(plugin.refuse_asked(exchange, &refused, &why))))
                        .unwrap_or_default()
                }

                fn answer_asked(exchange: u32, refused: Vec<u32>, why: Fault) -> Vec<OwnRequest> {
                    STATE
                        .with(|state| state.call(|plugin| Ok(plugin.answer_asked(exchange, &refused, &why))))
                        .unwrap_or_default()
                }

                fn noted(notes: Vec<String>) {
                    _ = STATE.with(|state| state.call(|plugin| Ok(plugin.noted(notes))));
                }

                fn waiting(exchange: u32, message: String) -> Option<OwnAnswer> {
                    STATE
                        .with(|state| state.call(|plugin| Ok(plugin.waiting(exchange, &message))))
                        .unwrap_or_default()
                }

                fn end(exchange: u32) {
                    _ = STATE.with(|state| state.call(|plugin| Ok(plugin.end(exchange))));
                }
            }

            $crate::bindings::export_world_http!(Component with_types_in $crate::bindings);
        }
    };
}
