//! The PostgreSQL stream inspector: version 3 of the wire protocol, after the login.
//!
//! `client` finds operations, `server` matches the answers with them. Everything is framed by length and
//! nothing unknown passes.

pub mod claimed;
pub mod client;
pub mod copy;
pub mod inspector;
pub mod mask;
pub mod messages;
pub mod names;
pub mod operations;
pub mod outcome;
pub mod parameters;
pub mod queue;
pub mod refusal;
pub mod rewrite;
pub mod server;
pub mod sql;
pub mod types;
pub mod wire;

pub use inspector::Inspector;

use messages::error;
use weir_sdk::inspector::{
    ClientOutcome, Fault, Limits, NoSettings, Operation, ServerOutcome, SessionInfo, StreamInspector,
    Substitute,
};

impl StreamInspector for Inspector {
    const NAME: &'static str = "postgres";
    const DESCRIPTION: &'static str = "PostgreSQL: queries, prepared statements, COPY, rows, errors.";
    type Settings = NoSettings;

    fn open(
        _: &NoSettings,
        _: &SessionInfo,
        parameters: &[(String, String)],
        limits: Limits,
        masking: bool,
    ) -> Result<Self, Fault> {
        Ok(Self::new(parameters, limits, masking))
    }

    fn client(&mut self, data: &[u8], eof: bool) -> Result<ClientOutcome, Fault> {
        Ok(self.read_client(data, eof))
    }

    fn server(&mut self, data: &[u8], eof: bool, kept_from: u32) -> Result<ServerOutcome, Fault> {
        self.forget_shapes_before(kept_from);
        Ok(self.read_server(data, eof))
    }

    fn want(&mut self, columns: &[u16], keep: u32) -> Result<(), Fault> {
        self.want_columns(columns, keep)
    }

    fn edit(
        &mut self,
        data: &[u8],
        kind: u16,
        reference: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Vec<u8>, Fault> {
        self.edit_event(data, kind, reference, cells, texts, ends)
    }

    fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        self.refuse_operation(id, why)
    }

    fn rewrite(&mut self, id: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        self.rewrite_operation(id, text)
    }

    fn notice(&mut self, message: &str) -> Vec<u8> {
        error::notice(message)
    }

    fn closing(&mut self, why: &Fault) -> Vec<u8> {
        error::closing(why)
    }
}

weir_sdk::export_stream_inspector!(Inspector);
