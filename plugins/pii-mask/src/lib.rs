//! The standard masker: hides personal data and secrets in results, messages and the trail.
//!
//! *Detection* (`detect`, `scan`, `hint`, `vote`) knows values by their form. *Named columns* (`columns`, `taint`)
//! are hidden whatever they hold, and so is what a statement computes from them. *Texts* (`message`, `template`, `statement`)
//! lose the values they echo. `sign` says which values need not be looked at. `masker` puts them together; this file is only
//! the glue to the contract.

pub mod bytes;
pub mod cell;
pub mod columns;
pub mod detect;
pub mod form;
pub mod hint;
pub mod kind;
pub mod masker;
pub mod message;
pub mod method;
pub mod normalise;
pub mod profile;
pub mod scan;
pub mod settings;
pub mod shape;
pub mod sign;
pub mod statement;
pub mod structure;
pub mod taint;
pub mod template;
pub mod templates;
pub mod vote;

use masker::PiiMask;
use settings::Settings;
use weir_sdk::masker::{Batch, Column, Edits, Fault, Masker, MaskingPlan, Operation, SessionInfo};

impl Masker for PiiMask {
    const NAME: &'static str = "pii-mask";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Hides personal data and secrets in results, messages and the trail.";
    const SETTINGS_SCHEMA: &'static str = settings::SCHEMA;

    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        settings.rules().map(drop)
    }

    fn open(settings: &Settings, _session: &SessionInfo) -> Result<Self, Fault> {
        settings.rules().map(PiiMask::new)
    }

    fn plan(&mut self, shape: u32, columns: &[Column], operation: &Operation) -> Result<MaskingPlan, Fault> {
        Ok(self.plan_shape(shape, columns, operation))
    }

    fn mask(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault> {
        self.mask_shape(shape, values)
    }

    fn forget(&mut self, shape: u32) {
        self.forget_shape(shape);
    }
}

weir_sdk::export_masker!(PiiMask);
