//! World `policy`: given an operation, answer a verdict.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub use weir_sdk_common as common;

pub use bindings::exports::weir::plugin::decide::{Decision, Explanation, Finding, HoldRequest, Verdict};
pub use weir_sdk_common::{Attribute, Fault, NoSettings, Operation, Parameter, Principal, SessionInfo};

use serde::de::DeserializeOwned;

/// A policy. One value of the type lives for one session.
pub trait Policy: Sized + 'static {
    const NAME: &'static str;
    const VERSION: &'static str = "0.1.0";
    const DESCRIPTION: &'static str = "";
    /// JSON Schema of the settings; empty when there are none. The host checks them before `open` is reached.
    const SETTINGS_SCHEMA: &'static str = "";

    /// What the settings are read into; [`NoSettings`] when there are none.
    type Settings: DeserializeOwned + 'static;

    /// Checks what a schema cannot say. Called when the file or the configuration is loaded.
    ///
    /// # Errors
    /// A fault refuses the configuration with its message.
    fn check(_settings: &Self::Settings) -> Result<(), Fault> {
        Ok(())
    }

    /// A session begins.
    ///
    /// # Errors
    /// A fault refuses the session.
    fn open(settings: &Self::Settings, session: &SessionInfo) -> Result<Self, Fault>;

    /// Decide about one operation. A panic is a refusal.
    fn decide(&mut self, operation: &Operation) -> Decision;
}

impl Decision {
    pub fn of(verdict: Verdict) -> Self {
        Self { verdict, findings: Vec::new(), tags: Vec::new(), reusable: false, for_any_text: false }
    }

    /// No opinion: another policy, or the resource's default, decides.
    pub fn abstain() -> Self {
        Self::of(Verdict::Abstain)
    }

    pub fn allow() -> Self {
        Self::of(Verdict::Allow)
    }

    /// `reason` is read by the client; no values in it.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::of(Verdict::Deny(Explanation { code: code.into(), reason: reason.into() }))
    }

    /// Ask the resource's reviewers.
    pub fn hold(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::of(Verdict::Hold(HoldRequest {
            code: code.into(),
            reason: reason.into(),
            reviewers: Vec::new(),
        }))
    }

    /// Run this text instead; it is judged again.
    pub fn rewrite(text: impl Into<String>) -> Self {
        Self::of(Verdict::Rewrite(text.into()))
    }

    /// A fact to keep with the operation in the trail.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push(Attribute::new(name, value));
        self
    }

    /// The same holds for operations of this session that differ in nothing but the values of their parameters: the host
    /// need not ask about those. Only for a policy that looks at no parameter's value and remembers nothing.
    pub fn reusable(mut self) -> Self {
        self.reusable = true;
        self
    }

    /// The same holds besides whatever the text is: the host need not ask about operations that differ in nothing but their
    /// text and the values of their parameters. Only for a policy that looked at neither and remembers nothing.
    pub fn reusable_for_any_text(mut self) -> Self {
        self.for_any_text = true;
        self.reusable()
    }

    /// Something noticed, for the trail; `score` from 0 to 100. Never the value itself.
    pub fn finding(mut self, rule: impl Into<String>, place: impl Into<String>, score: u8) -> Self {
        self.findings.push(Finding { rule: rule.into(), place: place.into(), score });
        self
    }
}

/// Makes the type the policy this component exports. Expands to nothing outside WebAssembly.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_export {
            use $crate::bindings::exports::weir::plugin::{decide, lifecycle};
            use $crate::Policy;
            type Plugin = super::$plugin;
            struct Component;

            thread_local! {
                static STATE: $crate::common::state::State<<Plugin as Policy>::Settings, Plugin> =
                    const { $crate::common::state::State::new() };
            }

            $crate::common::export_lifecycle!(Policy);

            impl decide::Guest for Component {
                fn open(info: decide::SessionInfo) -> Result<(), decide::Fault> {
                    STATE.with(|state| state.open(|settings| Plugin::open(settings, &info)))
                }

                fn decide(operation: decide::Operation) -> Result<decide::Decision, decide::Fault> {
                    STATE.with(|state| state.call(|plugin| Ok(plugin.decide(&operation))))
                }
            }

            $crate::bindings::export_world_policy!(Component with_types_in $crate::bindings);
        }
    };
}
