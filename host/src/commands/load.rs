//! Loading the configuration for a command, telling what is wrong with it.

use std::path::Path;
use weir_config::{Client, Config, Machine};

/// The configuration was wrong and everything about it has been told.
#[derive(Debug, thiserror::Error)]
#[error("the configuration was refused")]
pub(crate) struct Refused;

/// Loads, prints every problem and warning to standard error.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    match weir_config::load(path, &Machine) {
        Ok(config) => {
            if !config.warnings().is_empty() {
                eprintln!("{}", config.warnings());
            }
            Ok(config)
        }
        Err(problems) => {
            eprintln!("{problems}");
            Err(Refused)
        }
    }
}

/// For commands that ask a running gateway or read its trail: they need two keys of the file and no secret, and must
/// work while the rest of it is being mended.
pub(crate) fn client(path: &Path) -> Result<Client, Refused> {
    weir_config::client(path, &Machine).map_err(|problems| {
        eprintln!("{problems}");
        Refused
    })
}
