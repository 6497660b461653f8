//! World `http-inspector`: understand what is spoken in HTTP exchanges. The contract's text (`wit/http.wit`) tells
//! what each function must keep to; this trait only mirrors it.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use weir_sdk_common as common;

pub use bindings::exports::weir::plugin::http_inspect::{
    AnswerHead, AnswerOutcome, Found, Header, Limits, OwnAnswer, OwnRequest, RequestHead, RequestOutcome,
    ResultInfo, Spans, Values,
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

    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault>;

    fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault>;

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
        Self { columns: Vec::new(), cells: Vec::new(), decoded: Vec::new() }
    }
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

                fn request(exchange: u32, head: RequestHead) -> Result<RequestOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.request(exchange, &head)))
                }

                fn request_body(exchange: u32, data: Vec<u8>, end: bool) -> Result<RequestOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.request_body(exchange, &data, end)))
                }

                fn answer(exchange: u32, head: AnswerHead) -> Result<AnswerOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.answer(exchange, &head)))
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
