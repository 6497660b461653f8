//! World `stream-inspector`: understand one byte-stream protocol. The contract's text (`wit/inspect.wit`)
//! tells what each function must keep to; this trait only mirrors it.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use weir_sdk_common as common;

pub use bindings::exports::weir::plugin::stream_inspect::{
    ClientOutcome, Event, Limits, Request, ResultInfo, ServerOutcome, Substitute, WireColumn,
};
pub use weir_sdk_common::{Attribute, Fault, NoSettings, Operation, Parameter, SessionInfo};

use serde::de::DeserializeOwned;

/// Numbers of `event.kind`.
pub mod kind {
    pub const PASS: u16 = 1;
    pub const DROP: u16 = 2;
    pub const INSERT: u16 = 3;
    pub const OPERATION: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const FATAL: u16 = 6;
    pub const SHAPE: u16 = 7;
    pub const ROWS: u16 = 8;
    pub const MESSAGE: u16 = 9;
    pub const DONE: u16 = 10;
    pub const IDLE: u16 = 11;
    pub const KNOWN: u16 = 12;
}

/// A stream inspector. One value of the type lives for one session.
pub trait StreamInspector: Sized + 'static {
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
        parameters: &[(String, String)],
        limits: Limits,
        masking: bool,
    ) -> Result<Self, Fault>;

    fn client(&mut self, data: &[u8], eof: bool) -> Result<ClientOutcome, Fault>;

    fn server(&mut self, data: &[u8], eof: bool, kept_from: u32) -> Result<ServerOutcome, Fault>;

    fn want(&mut self, columns: &[u16], keep: u32) -> Result<(), Fault>;

    fn edit(
        &mut self,
        data: &[u8],
        kind: u16,
        reference: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Vec<u8>, Fault>;

    fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault>;

    fn rewrite(&mut self, id: u32, text: &str) -> Result<(Substitute, Operation), Fault>;

    fn notice(&mut self, message: &str) -> Vec<u8>;

    fn closing(&mut self, why: &Fault) -> Vec<u8>;
}

/// Makes the type the inspector this component exports. Expands to nothing outside WebAssembly.
#[macro_export]
macro_rules! export_stream_inspector {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_export {
            use $crate::bindings::exports::weir::plugin::{lifecycle, stream_inspect};
            use $crate::StreamInspector;
            use stream_inspect::{
                ClientOutcome, Fault, Limits, Operation, ServerOutcome, SessionInfo, Substitute,
            };
            type Plugin = super::$plugin;
            struct Component;

            thread_local! {
                static STATE: $crate::common::state::State<<Plugin as StreamInspector>::Settings, Plugin> =
                    const { $crate::common::state::State::new() };
            }

            $crate::common::export_lifecycle!(StreamInspector);

            impl stream_inspect::Guest for Component {
                fn open(
                    info: SessionInfo,
                    parameters: Vec<(String, String)>,
                    limits: Limits,
                    masking: bool,
                ) -> Result<(), Fault> {
                    STATE.with(|state| {
                        state.open(|settings| Plugin::open(settings, &info, &parameters, limits, masking))
                    })
                }

                fn client(data: Vec<u8>, eof: bool) -> Result<ClientOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.client(&data, eof)))
                }

                fn server(data: Vec<u8>, eof: bool, kept_from: u32) -> Result<ServerOutcome, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.server(&data, eof, kept_from)))
                }

                fn want(columns: Vec<u16>, keep: u32) -> Result<(), Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.want(&columns, keep)))
                }

                fn edit(
                    data: Vec<u8>,
                    kind: u16,
                    reference: u32,
                    cells: Vec<u32>,
                    texts: Vec<u8>,
                    ends: Vec<u32>,
                ) -> Result<Vec<u8>, Fault> {
                    STATE.with(|state| {
                        state.call(|plugin| plugin.edit(&data, kind, reference, &cells, &texts, &ends))
                    })
                }

                fn refuse(id: u32, why: Fault) -> Result<Substitute, Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.refuse(id, &why)))
                }

                fn rewrite(id: u32, text: String) -> Result<(Substitute, Operation), Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.rewrite(id, &text)))
                }

                fn notice(message: String) -> Vec<u8> {
                    STATE.with(|state| state.call(|plugin| Ok(plugin.notice(&message))).unwrap_or_default())
                }

                fn closing(why: Fault) -> Vec<u8> {
                    STATE.with(|state| state.call(|plugin| Ok(plugin.closing(&why))).unwrap_or_default())
                }
            }

            $crate::bindings::export_world_inspector!(
                Component with_types_in $crate::bindings
            );
        }
    };
}
