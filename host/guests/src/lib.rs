//! The room that runs plugins: the only place that knows WebAssembly.
//!
//! Outside stand sessions, which see traits of `weir-session` (inspectors, policies, maskers), and the
//! host, which sees [`Guests`]: start, apply a configuration, open a session's plugins, read counters. Inside,
//! in the order in which a plugin's life goes:
//!
//! * `engine` is what all code runs on, and the clock that cuts it;
//! * `load` takes a file through `trust` (is it the one that was meant?), `surface` (what it exports and wants), `cache`
//!   (compiled before?), `settings` (do they match its schema, which `schema` bounds?) and `trial` (does it start?), or says
//!   in `problem` why not;
//! * `registry` holds generations of loaded plugins and swaps them; `watch` tells it to look;
//! * `rollout` is what is tried beside another or for it, and when that is over;
//! * `instance` is one guest in its fence: a store per session and plugin, limits in memory, time and output;
//! * `offline` runs plugins without a gateway, for commands;
//! * `policy`, `masker`, `inspector`, `http` are the four worlds as sessions see them; `masker_instance` is one of the
//!   instances a masker has, `masker_beside` what a shadow of it says, `edits` applies what maskers say, and `signs` knows
//!   when one need not be asked.
//!
//! Invariants:
//!
//! * A guest touches what its imports give: the log, and what is granted to it (`granted`, `outside`). Of WASI there
//!   are stand-ins with nothing behind them (`wasi`), for languages that cannot do without. Nothing else is linked.
//! * A store serves one session; after a trap, a time-out, a breach of the contract or a call that was given
//!   up it is never entered again.
//! * Everything a guest returns is bounded and checked before anybody sees it.
//! * One operation is decided by one generation.

mod again;
mod cache;
mod contract;
mod convert;
mod edits;
mod engine;
mod fault;
mod flat;
mod granted;
mod http;
mod inspector;
mod instance;
mod limits;
mod load;
mod log;
mod look;
mod masker;
mod masker_beside;
mod masker_instance;
mod metrics;
pub mod offline;
mod outside;
mod pipeline;
mod policy;
mod problem;
mod registry;
mod rollout;
mod schema;
mod settings;
mod signs;
mod state;
mod surface;
mod text;
mod trial;
pub mod trust;
mod wasi;
mod watch;

pub use contract::{ContractVersion, SERVED, World};
pub use engine::{Allocation, EngineConfig};
pub use fault::code;
pub use http::GuestHttpInspector;
pub use inspector::GuestInspector;
pub use limits::{Largest, LimitOverrides, MAX_FILE_BYTES, PluginLimits};
pub use load::{FailureMode, Loaded, Manifest, PluginSpec};
pub use masker::GuestMaskers;
pub use metrics::{Own, PluginMetrics, RoomMetrics, TIME_BUCKETS_NS};
pub use outside::{Answered, Declined, HttpAnswer, HttpRequest, Nothing, Outside};
pub use pipeline::{
    Guests, GuestsConfig, HttpGuests, InspectorLimits, Rehearsed, SessionGuests, SessionJudges, StartError,
    Started, Status,
};
pub use policy::GuestPolicies;
pub use problem::{LoadProblem, Stage};
pub use registry::{Generation, GuestEvent, ReloadOutcome, Version};
pub use rollout::Mode;
pub use surface::{Capability, HTTP_GRANT};
