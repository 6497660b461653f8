//! World `masker`: given batches of values, answer edits.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use weir_sdk_common as common;

pub use bindings::exports::weir::plugin::mask::{Batch, Edits, MaskingPlan, Signs};
pub use weir_sdk_common::{Attribute, Column, Fault, NoSettings, Operation, SessionInfo};

use serde::de::DeserializeOwned;

/// A masker. One value of the type lives for one session.
pub trait Masker: Sized + 'static {
    const NAME: &'static str;
    const VERSION: &'static str = "0.1.0";
    const DESCRIPTION: &'static str = "";
    /// JSON Schema of the settings; empty when there are none.
    const SETTINGS_SCHEMA: &'static str = "";

    type Settings: DeserializeOwned + 'static;

    /// Checks what a schema cannot say.
    ///
    /// # Errors
    /// A fault refuses the configuration with its message.
    fn check(_settings: &Self::Settings) -> Result<(), Fault> {
        Ok(())
    }

    /// # Errors
    /// A fault refuses the session.
    fn open(settings: &Self::Settings, session: &SessionInfo) -> Result<Self, Fault>;

    /// Which of these columns are of interest. The answer holds for `shape` until it is planned again.
    ///
    /// # Errors
    /// A fault refuses the operation.
    fn plan(&mut self, shape: u32, columns: &[Column], operation: &Operation) -> Result<MaskingPlan, Fault>;

    /// # Errors
    /// A fault refuses the operation.
    fn mask(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault>;

    fn forget(&mut self, shape: u32);
}

impl Batch {
    /// The cells with their column's index. A cell that is out of bounds or not UTF-8 reads as empty; the host
    /// never sends one.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        // All of it at once is cheaper than cell by cell.
        let all = std::str::from_utf8(&self.cells).ok();
        let mut start = 0;
        self.ends.iter().zip(&self.columns).map(move |(end, column)| {
            let end = *end as usize;
            let cell = match all {
                Some(all) => all.get(start..end),
                None => self.cells.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()),
            };
            start = end;
            (*column, cell.unwrap_or_default())
        })
    }
}

impl Edits {
    pub fn none() -> Self {
        Self {
            cells: Vec::new(),
            starts: Vec::new(),
            stops: Vec::new(),
            replacements: Vec::new(),
            ends: Vec::new(),
            rules: Vec::new(),
            nulls: Vec::new(),
            null_rules: Vec::new(),
        }
    }

    /// None yet, with room for `count`.
    pub fn with_room_for(count: usize) -> Self {
        Self {
            cells: Vec::with_capacity(count),
            starts: Vec::with_capacity(count),
            stops: Vec::with_capacity(count),
            replacements: Vec::with_capacity(count * 8),
            ends: Vec::with_capacity(count),
            rules: Vec::with_capacity(count),
            ..Self::none()
        }
    }

    /// Replace the bytes `start..stop` of a cell. Call in the order of cells, then of starts.
    pub fn replace(&mut self, cell: u32, start: u32, stop: u32, text: &str, rule: u16) {
        self.cells.push(cell);
        self.starts.push(start);
        self.stops.push(stop);
        self.replacements.extend_from_slice(text.as_bytes());
        self.ends.push(self.replacements.len() as u32);
        self.rules.push(rule);
    }

    /// Make a cell NULL. Call in the order of cells.
    pub fn null(&mut self, cell: u32, rule: u16) {
        self.nulls.push(cell);
        self.null_rules.push(rule);
    }
}

/// Makes the type the masker this component exports. Expands to nothing outside WebAssembly.
#[macro_export]
macro_rules! export_masker {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_export {
            use $crate::bindings::exports::weir::plugin::{lifecycle, mask};
            use $crate::Masker;
            type Plugin = super::$plugin;
            struct Component;

            thread_local! {
                static STATE: $crate::common::state::State<<Plugin as Masker>::Settings, Plugin> =
                    const { $crate::common::state::State::new() };
            }

            $crate::common::export_lifecycle!(Masker);

            impl mask::Guest for Component {
                fn open(info: mask::SessionInfo) -> Result<(), mask::Fault> {
                    STATE.with(|state| state.open(|settings| Plugin::open(settings, &info)))
                }

                fn plan(
                    shape: u32,
                    columns: Vec<mask::Column>,
                    operation: mask::Operation,
                ) -> Result<mask::MaskingPlan, mask::Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.plan(shape, &columns, &operation)))
                }

                fn mask(shape: u32, values: mask::Batch) -> Result<mask::Edits, mask::Fault> {
                    STATE.with(|state| state.call(|plugin| plugin.mask(shape, &values)))
                }

                fn forget(shape: u32) {
                    // Before `open` there is nothing to forget.
                    let _ = STATE.with(|state| state.call(|plugin| { plugin.forget(shape); Ok(()) }));
                }
            }

            $crate::bindings::export_world_masker!(Component with_types_in $crate::bindings);
        }
    };
}
