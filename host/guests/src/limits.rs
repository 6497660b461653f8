//! What a plugin may use, in numbers. Every number is a default that the configuration can replace.
//!
//! Defaults follow the measurements kept with the plugin contract: an honest Rust plugin stays two orders of
//! magnitude below each of them, a JavaScript or Python one about one.

use crate::World;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Limits of one plugin; each instance has them for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// All linear memories of an instance together. Address space is reserved anyway; only touched pages cost.
    pub memory_bytes: usize,
    /// Time inside the guest for one call, counted in ticks of the epoch clock: time in which the task waits
    /// for its turn does not count.
    pub call_time: Duration,
    /// Everything one call may give back, strings and lists together.
    pub output_bytes: usize,
    /// Instantiation, `configure` and `open` together; also `describe`.
    pub start_time: Duration,
}

impl PluginLimits {
    /// The defaults for a world.
    pub fn for_world(world: World) -> Self {
        match world {
            // Holds the largest operation several times over: the bytes, the text, the parsed form, the answer.
            World::StreamInspector => Self {
                memory_bytes: 128 * MIB,
                call_time: Duration::from_millis(50),
                output_bytes: 48 * MIB,
                start_time: Duration::from_secs(2),
            },
            // A Python interpreter needs most of it.
            World::Policy => Self {
                memory_bytes: 128 * MIB,
                call_time: Duration::from_millis(100),
                output_bytes: 4 * MIB,
                start_time: Duration::from_secs(2),
            },
            World::Masker => Self {
                memory_bytes: 128 * MIB,
                call_time: Duration::from_millis(100),
                output_bytes: 16 * MIB,
                start_time: Duration::from_secs(2),
            },
        }
    }
}

/// Single numbers that override the defaults of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub memory_bytes: Option<usize>,
    pub call_time: Option<Duration>,
    pub output_bytes: Option<usize>,
    pub start_time: Option<Duration>,
}

impl LimitOverrides {
    pub fn over(&self, defaults: PluginLimits) -> PluginLimits {
        PluginLimits {
            memory_bytes: self.memory_bytes.unwrap_or(defaults.memory_bytes),
            call_time: self.call_time.unwrap_or(defaults.call_time),
            output_bytes: self.output_bytes.unwrap_or(defaults.output_bytes),
            start_time: self.start_time.unwrap_or(defaults.start_time),
        }
    }
}

/// Largest plugin file. The largest we know (Python with its library) is 18 MiB.
pub const MAX_FILE_BYTES: u64 = 32 * MIB as u64;
/// Component-model handles live at once in one store; the contract has no resources, so a guest needs next to
/// none.
pub(crate) const MAX_HANDLES: usize = 256;
/// Core instances of one component: Python's has 38.
pub(crate) const MAX_CORE_INSTANCES: usize = 100;
/// Memories of one component: QuickJS has 3.
pub(crate) const MAX_MEMORIES: usize = 16;
/// Tables of one component: one per core instance at most.
pub(crate) const MAX_TABLES: usize = 100;
/// Elements of one table: a large program has some ten thousand functions whose address is taken.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 50_000;

/// Codes, rule names and the like.
pub(crate) const MAX_WORD_CHARS: usize = 128;
/// A sentence for a person.
pub(crate) const MAX_SENTENCE_CHARS: usize = 1024;
/// Text for the operator: a backtrace.
pub(crate) const MAX_DETAIL_CHARS: usize = 8 * KIB;
/// Findings and tags of one decision, reviewers of one hold, rules of one plan.
pub(crate) const MAX_FINDINGS: usize = 256;
pub(crate) const MAX_TAGS: usize = 64;
pub(crate) const MAX_REVIEWERS: usize = 64;
pub(crate) const MAX_RULES: usize = 1024;
