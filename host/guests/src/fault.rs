//! Faults that this room raises: what the client reads names the plugin and nothing more, what the operator
//! reads has the guest's own words, disarmed.

use crate::instance::{BEFORE_ANY_OPERATION, Bounds};
use crate::limits::{MAX_DETAIL_CHARS, MAX_SENTENCE_CHARS, MAX_WORD_CHARS, PluginLimits};
use crate::metrics::count;
use crate::state::Fence;
use crate::text::{clean, escape};
use weir_model::{Fault, FaultSource, PluginName};

/// Short and stable words for [`Fault::code`].
pub mod code {
    /// Not in the current generation.
    pub const MISSING: &str = "plugin-missing";
    /// Stopped by a trap: a panic, a stack too deep, an access out of bounds.
    pub const TRAP: &str = "plugin-trap";
    pub const TIME_OUT: &str = "plugin-timeout";
    pub const MEMORY: &str = "plugin-memory";
    pub const OUTPUT: &str = "plugin-output";
    /// It answered that it could not.
    pub const FAULT: &str = "plugin-fault";
    /// It answered something the contract does not allow.
    pub const LIE: &str = "plugin-contract";
    /// Its instance failed before, or a call was given up.
    pub const GONE: &str = "plugin-gone";
    /// No room for another instance.
    pub const CAPACITY: &str = "plugin-capacity";
    /// It is of another world than the pipeline needs.
    pub const WORLD: &str = "plugin-world";
    /// The pipeline itself cannot work.
    pub const PIPELINE: &str = "pipeline";
}

pub(crate) fn missing(name: &PluginName) -> Fault {
    Fault::new(FaultSource::Plugin, code::MISSING, format!("plugin {name} is missing"))
}

pub(crate) fn wrong_world(name: &PluginName, is: &str, needed: &str) -> Fault {
    Fault::new(FaultSource::Plugin, code::WORLD, format!("plugin {name} is a {is}, not a {needed}"))
}

pub(crate) fn gone(name: &PluginName) -> Fault {
    Fault::new(FaultSource::Plugin, code::GONE, format!("plugin {name} is not running"))
        .with_detail("its instance failed before, or a call to it was given up")
}

/// The guest's own word for why it could not do its work.
pub(crate) fn said_no(bounds: &Bounds, call: &str, word: String, message: String) -> Fault {
    count(&bounds.metrics.faults);
    let (word, message) = (clean(word, MAX_WORD_CHARS), clean(message, MAX_SENTENCE_CHARS));
    let name = &bounds.plugin;
    Fault::new(FaultSource::Plugin, code::FAULT, format!("plugin {name} could not do its work"))
        .with_detail(format!("{call}: {word}: {message}"))
}

/// An answer that breaks the contract.
pub(crate) fn lie(bounds: &Bounds, call: &str, what: &str) -> Fault {
    count(&bounds.metrics.lies);
    let name = &bounds.plugin;
    Fault::new(FaultSource::Plugin, code::LIE, format!("plugin {name} gave an answer that cannot be used"))
        .with_detail(format!("{call}: {what}"))
}

/// How the engine words that a guest gave back more than the store's hostcall fuel; it has no type for it.
const TOO_MUCH_DATA: &str = "too much data is being copied";

/// A call that ended in an error of the engine.
pub(crate) fn stopped(bounds: &Bounds, call: &str, fence: &Fence, error: &wasmtime::Error) -> Fault {
    let name = &bounds.plugin;
    let metrics = &bounds.metrics;
    let text = format!("{error:?}");
    let (code, message, counter) = if fence.hit_time {
        (code::TIME_OUT, format!("plugin {name} took too long"), &metrics.time_outs)
    } else if fence.hit_memory {
        (code::MEMORY, format!("plugin {name} needed too much memory"), &metrics.limit_hits)
    } else if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        (code::CAPACITY, format!("no room for another instance of plugin {name}"), &metrics.limit_hits)
    } else if error.root_cause().to_string().starts_with(TOO_MUCH_DATA) {
        (code::OUTPUT, format!("plugin {name} answered too much"), &metrics.limit_hits)
    } else {
        (code::TRAP, format!("plugin {name} failed"), &metrics.traps)
    };
    count(counter);
    let source = if code == code::CAPACITY { FaultSource::Host } else { FaultSource::Plugin };
    let mut detail = format!("{call}: {}", escape(&text, MAX_DETAIL_CHARS));
    if let Some((key, now)) = limit_behind(code, call, &bounds.limits) {
        detail = format!("the limit is `{key}` of [plugin.{name}.limits], now {now}\n{detail}");
    }
    Fault::new(source, code, message).with_detail(detail)
}

/// The key of the configuration that would have to be raised, and what it says now.
fn limit_behind(code: &str, call: &str, limits: &PluginLimits) -> Option<(&'static str, String)> {
    let size = |bytes: usize| match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    };
    match code {
        code::MEMORY => Some(("memory", size(limits.memory_bytes))),
        code::OUTPUT => Some(("output", size(limits.output_bytes))),
        code::TIME_OUT if BEFORE_ANY_OPERATION.contains(&call) => {
            Some(("start_time", format!("{:?}", limits.start_time)))
        }
        code::TIME_OUT => Some(("call_time", format!("{:?}", limits.call_time))),
        _ => None,
    }
}
