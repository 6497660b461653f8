//! What a plugin may use, in numbers. Every number is a default that the configuration can replace; there is no
//! other place with defaults.
//!
//! Defaults follow the measurements kept with the plugin contract: an honest Rust plugin stays two orders of
//! magnitude below each of them, a JavaScript or Python one about one. What has to hold a whole message follows the
//! resource's own limits, so that raising those is enough.

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

/// The largest messages a plugin meets: of all resources whose pipeline names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Largest {
    pub operation_bytes: usize,
    pub answer_bytes: usize,
}

impl Default for Largest {
    /// Those of a resource that says nothing else.
    fn default() -> Self {
        Self { operation_bytes: 8 * MIB, answer_bytes: 16 * MIB }
    }
}

/// A call takes microseconds; this is for a machine that is busy, and short enough that nobody thinks it hangs.
const CALL_TIME: Duration = Duration::from_millis(250);
/// Per MiB of the largest message besides: a plugin that looks at every byte of it, at 20 MB/s.
const CALL_TIME_PER_MIB: Duration = Duration::from_millis(50);
/// Interpreters load their program here.
const START_TIME: Duration = Duration::from_secs(5);
/// A Python interpreter needs most of it; only pages that are touched cost.
const MEMORY_BYTES: usize = 128 * MIB;

/// What all plugins of a session may have together, from the limit of each: one of them may use all of its own, the
/// others what plugins usually do.
pub(crate) fn session_memory(of_each: impl Iterator<Item = usize>) -> usize {
    of_each.max().unwrap_or_default().saturating_add(MEMORY_BYTES)
}

impl PluginLimits {
    /// The defaults for a world.
    pub fn for_world(world: World, largest: Largest) -> Self {
        let Largest { operation_bytes, answer_bytes } = largest;
        let message = operation_bytes.max(answer_bytes);
        let mib = u32::try_from(message / MIB).unwrap_or(u32::MAX);
        let call_time = CALL_TIME.saturating_add(CALL_TIME_PER_MIB.saturating_mul(mib));
        // A message several times over: its bytes, its values as text (binary data is twice as long then), the
        // parsed form, the answer. What is allocated anew while it grows may be there twice.
        let memory_bytes = MEMORY_BYTES.saturating_add(message.saturating_mul(8)).min(MAX_MEMORY);
        match world {
            // One answer of it holds values as text and where they are; or the message put together again.
            World::StreamInspector | World::HttpInspector => Self {
                memory_bytes,
                call_time,
                output_bytes: operation_bytes.saturating_add(answer_bytes).saturating_mul(3),
                start_time: START_TIME,
            },
            World::Policy => Self {
                memory_bytes,
                call_time,
                // Words and sentences, or a text that replaces the operation's.
                output_bytes: operation_bytes.saturating_add(4 * MIB),
                start_time: START_TIME,
            },
            World::Masker => Self {
                memory_bytes,
                call_time,
                // Every value may be replaced by one of its length.
                output_bytes: answer_bytes.saturating_mul(2).saturating_add(4 * MIB),
                start_time: START_TIME,
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

/// All that 32 bits address.
const MAX_MEMORY: usize = 4096 * MIB;
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
/// Words among a masker's signs, and how long each may be, in bytes.
pub(crate) const MAX_SIGNS: usize = 256;
pub(crate) const MIN_SIGN_BYTES: usize = 2;
pub(crate) const MAX_SIGN_BYTES: usize = 64;
/// Columns of a session of which is kept whether they have shown a sign; of more of them all values are sent.
pub(crate) const MAX_SIGNED_COLUMNS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_less_than_its_plugins_one_by_one() {
        assert_eq!(session_memory([1, 3, 2].map(|size| size * MIB).into_iter()), MEMORY_BYTES + 3 * MIB);
        let each = PluginLimits::for_world(World::Policy, Largest::default()).memory_bytes;
        assert_eq!(session_memory([each; 5].into_iter()), 384 * MIB);
    }

    #[test]
    fn an_inspector_may_answer_what_the_resource_lets_through() {
        for answer_bytes in [16 * MIB, 64 * MIB] {
            let largest = Largest { answer_bytes, ..Largest::default() };
            let limits = PluginLimits::for_world(World::StreamInspector, largest);
            // Binary data as text is twice as long.
            assert!(limits.output_bytes > 2 * answer_bytes && limits.memory_bytes > limits.output_bytes);
            let own = LimitOverrides { output_bytes: Some(1), ..LimitOverrides::default() };
            assert_eq!(own.over(limits).output_bytes, 1);
        }
    }
}
