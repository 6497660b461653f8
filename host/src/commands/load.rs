//! Loading the configuration for a command, telling what is wrong with it.

use std::path::Path;
use weir_config::{Config, Machine};

/// The configuration was wrong and everything about it has been told.
#[derive(Debug, thiserror::Error)]
#[error("the configuration was refused")]
pub(crate) struct Refused;

/// Loads, prints every problem and warning to standard error.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    match weir_config::load(path, &Machine) {
        Ok(config) => {
            if !config.warnings().is_empty() {
                eprint!("{}", config.warnings());
            }
            Ok(config)
        }
        Err(problems) => {
            eprint!("{problems}");
            Err(Refused)
        }
    }
}
