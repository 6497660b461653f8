//! `[plugin.NAME]` as written.

use std::time::Duration;

use weir_model::PluginName;

use super::names;
use crate::document::{At, Entry, Fields, Node, Report, Value, choose};
use crate::settings::{CALL_TIME, Capability, FailureMode, MEMORY_BYTES, OUTPUT_BYTES, SHARE, START_TIME};

#[derive(Debug)]
pub(crate) struct Plugin<'d> {
    pub(crate) name: At<PluginName>,
    pub(crate) file: Option<At<String>>,
    /// A table; what is in it is the plugin's language and read in `check/settings.rs`.
    pub(crate) settings: Option<&'d Node>,
    pub(crate) capabilities: Option<At<Vec<At<Capability>>>>,
    pub(crate) http: Option<At<Vec<At<String>>>>,
    pub(crate) failure_mode: Option<At<FailureMode>>,
    pub(crate) mode: Option<At<ModeWord>>,
    pub(crate) of: Option<At<PluginName>>,
    pub(crate) share: Option<At<usize>>,
    pub(crate) limits: PluginLimits,
}

#[derive(Debug, Default)]
pub(crate) struct PluginLimits {
    pub(crate) memory: Option<At<u64>>,
    pub(crate) call_time: Option<At<Duration>>,
    pub(crate) output: Option<At<u64>>,
    pub(crate) start_time: Option<At<Duration>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeWord {
    Enforce,
    Shadow,
    Canary,
}

const MODES: [(&str, ModeWord); 3] =
    [("enforce", ModeWord::Enforce), ("shadow", ModeWord::Shadow), ("canary", ModeWord::Canary)];

const FAILURE_MODES: [(&str, FailureMode); 2] =
    [("closed", FailureMode::Closed), ("open", FailureMode::Open)];

impl<'d> Plugin<'d> {
    /// `None`, and reported, when its name is none or it is not a table.
    pub(crate) fn read(entry: &'d Entry, report: &Report) -> Option<Self> {
        let title = format!("[plugin.{}]", entry.key.value);
        let name = names::name("plugin", entry.key.clone(), report).map(|name| name.map(PluginName::new));
        let mut fields = Fields::open(&entry.node, title, "plugin", report)?;
        let plugin = name.map(|name| Self {
            name,
            file: fields.text("file"),
            settings: settings(&mut fields),
            capabilities: fields.different_texts("capabilities").map(|list| {
                list.map(|words| {
                    let capability = |word| choose("capabilities", word, &Capability::WORDS, report);
                    words.iter().filter_map(capability).collect()
                })
            }),
            http: fields.different_texts("http"),
            failure_mode: fields.word("failure_mode", &FAILURE_MODES),
            mode: fields.word("mode", &MODES),
            of: fields
                .text("of")
                .and_then(|of| names::name("plugin", of, report))
                .map(|name| name.map(PluginName::new)),
            share: fields.count("share", &SHARE),
            limits: fields.table("limits").map(PluginLimits::read).unwrap_or_default(),
        });
        if plugin.is_some() {
            fields.finish();
        }
        plugin
    }
}

fn settings<'d>(fields: &mut Fields<'d, '_>) -> Option<&'d Node> {
    let report = fields.report();
    let node = &fields.take("settings")?.node;
    if !matches!(node.value, Value::Table(_)) {
        // Reports what it is instead.
        Fields::open(node, "`settings`", "settings", report)?;
    }
    Some(node)
}

impl PluginLimits {
    fn read(mut fields: Fields<'_, '_>) -> Self {
        let limits = Self {
            memory: fields.size("memory", &MEMORY_BYTES),
            call_time: fields.duration("call_time", &CALL_TIME),
            output: fields.size("output", &OUTPUT_BYTES),
            start_time: fields.duration("start_time", &START_TIME),
        };
        fields.finish();
        limits
    }
}
