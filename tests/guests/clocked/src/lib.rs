//! A policy that looks at the clock.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct Clocked;

impl Policy for Clocked {
    const NAME: &'static str = "clocked";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn decide(&mut self, _: &Operation) -> Decision {
        Decision::allow().tag("unix-ms", unix_ms().to_string())
    }
}

#[cfg(target_arch = "wasm32")]
fn unix_ms() -> u64 {
    weir_sdk::policy::common::bindings::weir::plugin::host_clock::unix_ms()
}

#[cfg(not(target_arch = "wasm32"))]
fn unix_ms() -> u64 {
    0
}

weir_sdk::export_policy!(Clocked);
