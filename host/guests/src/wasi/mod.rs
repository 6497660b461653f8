//! WASI 0.2 with nothing behind it, for languages whose runtimes import it whether a plugin uses it or not.
//!
//! A component that imports interfaces of [`KNOWN`] gets stand-ins for just the functions it names: no variables,
//! no arguments, no files, no sockets, an input that has ended, an output that becomes debug lines of the plugin's
//! log. Time stands still at 1970 unless the plugin was granted the clock, and nobody can sleep: whatever a guest
//! waits for is ready. Random numbers are a fixed sequence, the same for every instance: enough for hash seeds,
//! useless as a secret.
//!
//! What could only be called with something the host never hands out (a file, a socket) stops the plugin when it is
//! called, with the function's name. Handles carry no meaning but which output they are, so there is no table of
//! them to fill; the store bounds how many there are at once.

mod offered;
mod state;

pub(crate) use state::Wasi;

use crate::state::GuestState;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

/// Interfaces that are met, of any version 0.2.x. `wasi:http` is not: a plugin that could ask for pages would have to
/// be told each time that it cannot.
const KNOWN: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether an import is one the host has a stand-in for.
pub(crate) fn is_known(import: &str) -> bool {
    interface(import).is_some()
}

/// The name without its version, if it is known.
fn interface(import: &str) -> Option<&'static str> {
    let (name, version) = import.split_once('@')?;
    let known = KNOWN.iter().find(|known| **known == name)?;
    version.strip_prefix("0.2.").is_some_and(|patch| patch.parse::<u32>().is_ok()).then_some(known)
}

/// What every handle of WASI stands for: nothing.
pub(crate) struct Nothing;

/// Defines what the component imports of WASI, and nothing else.
///
/// # Errors
/// When it imports something under a name of WASI that can be no import.
pub(crate) fn define(linker: &mut Linker<GuestState>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    let types = component.component_type();
    for (import, item) in types.imports(&engine) {
        let Some(interface) = interface(import) else { continue };
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            wasmtime::bail!("`{import}` is not imported as an interface");
        };
        let mut stand_ins = linker.instance(import)?;
        for (name, item) in instance.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    stand_ins.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => offered::define(&mut stand_ins, interface, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_name_and_minor_version() {
        for known in ["wasi:cli/environment@0.2.0", "wasi:io/poll@0.2.12", "wasi:sockets/tcp@0.2.9"] {
            assert!(is_known(known), "{known}");
        }
        for strange in [
            "wasi:cli/environment",
            "wasi:cli/environment@0.3.0",
            "wasi:cli/environment@0.2.x",
            "wasi:cli/environment@0.2.0-rc-2023",
            "wasi:cli/run@0.2.0",
            "wasi:http/types@0.2.0",
            "wasi:keyvalue/store@0.2.0",
            "other:io/poll@0.2.0",
        ] {
            assert!(!is_known(strange), "{strange}");
        }
    }
}
