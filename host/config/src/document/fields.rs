//! Taking the keys of one table, each by its name and type, and telling what is left over.
//!
//! A section asks for every key it has, also for those it then finds missing: so the list of known keys, which
//! unknown ones are compared with and the example file is tested against, cannot drift from the code.
//!
//! A value that does not fit is reported and then treated as absent. So the checks that follow see either a good
//! value or none, and a mistake is told once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{At, Entry, Node, Report, Span, Value};
use crate::problem::code;
use crate::secret;
use crate::settings::{Bounds, Knob};
use crate::units;
use weir_model::nearest;

/// What a key takes, as the message says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Text,
    Texts,
    Flag,
    Count,
    Duration,
    Size,
    Table,
    Tables,
    Words,
}

/// The keys of a table that are still to be taken.
pub(crate) struct Fields<'d, 'r> {
    /// For messages: `[server]`.
    title: String,
    /// For the list of known keys: `server`.
    path: String,
    span: Span,
    entries: &'d [Entry],
    asked: Vec<&'static str>,
    /// Keys that are known elsewhere and have been reported.
    strangers: Vec<&'static str>,
    report: &'r Report,
}

impl<'d, 'r> Fields<'d, 'r> {
    /// `None`, and reported, when the node is not a table.
    pub(crate) fn open(
        node: &'d Node,
        title: impl Into<String>,
        path: impl Into<String>,
        report: &'r Report,
    ) -> Option<Self> {
        let (title, path) = (title.into(), path.into());
        let Value::Table(entries) = &node.value else {
            wrong_type(&title, Wanted::Table, node, report);
            return None;
        };
        Some(Self { title, path, span: node.span, entries, asked: Vec::new(), strangers: Vec::new(), report })
    }

    pub(crate) fn report(&self) -> &'r Report {
        self.report
    }

    /// The key with its value, whatever it is.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'d Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key.value == key)
    }

    /// Reports the key when it is not there. `example` is the line that would be.
    pub(crate) fn require(&mut self, key: &'static str, example: &str) {
        if self.take(key).is_none() {
            let message = format!("{} needs the key `{key}`", self.title);
            self.report.error(code::MISSING_KEY, self.span, message).help(format!("for example `{example}`"));
        }
    }

    /// Reports a key that belongs to another table like this one. What may be a secret is not shown.
    pub(crate) fn refuse(&mut self, key: &'static str, whose: &str, help: &str) {
        self.pass_over(key);
        let Some(entry) = self.entries.iter().find(|entry| entry.key.value == key) else { return };
        let message = format!("`{key}` means nothing for {whose}");
        self.report.error(code::NOT_HERE, entry.key.span, message).help(help);
    }

    /// A key that belongs to another table like this one, when it is not known which one this is.
    pub(crate) fn pass_over(&mut self, key: &'static str) {
        self.strangers.push(key);
        if let Some(entry) = self.entries.iter().find(|entry| entry.key.value == key)
            && (secret::is_name_of_secret(key) || entry.node.is_table())
        {
            secret::hide(&entry.node, self.report);
        }
    }

    /// Where an empty list is written. A list whose entries are all wrong is not empty.
    pub(crate) fn empty_list(&mut self, key: &'static str) -> Option<Span> {
        let node = &self.take(key)?.node;
        matches!(&node.value, Value::List(nodes) if nodes.is_empty()).then_some(node.span)
    }

    /// A table below this one.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Fields<'d, 'r>> {
        let (title, path) = (format!("`{key}`"), self.path_of(key));
        self.take(key).and_then(|entry| Fields::open(&entry.node, title, path, self.report))
    }

    /// A text with something in it.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let entry = self.take(key)?;
        text_of(key, &entry.node, self.report)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<At<T>> {
        let word = self.text(key)?;
        choose(key, &word, choices, self.report)
    }

    pub(crate) fn flag(&mut self, key: &'static str) -> Option<At<bool>> {
        let entry = self.take(key)?;
        match entry.node.value {
            Value::Boolean(flag) => Some(At::new(flag, entry.node.span)),
            _ => self.wrong_type(key, Wanted::Flag, &entry.node),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &'static str, wanted: Wanted) -> Option<At<Vec<At<String>>>> {
        let entry = self.take(key)?;
        let Value::List(nodes) = &entry.node.value else {
            return self.wrong_type(key, wanted, &entry.node);
        };
        let texts = nodes.iter().filter_map(|node| text_of(key, node, self.report)).collect();
        Some(At::new(texts, entry.node.span))
    }

    /// A list of texts in which none should stand twice; what does is told and left out.
    pub(crate) fn different_texts(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let mut list = self.texts(key, Wanted::Texts)?;
        let mut seen = BTreeSet::new();
        list.value.retain(|text| {
            let new = seen.insert(text.value.clone());
            if !new {
                let message = format!("`{key}` names \"{}\" twice", text.value);
                self.report.warning(code::REPEATED_ENTRY, text.span, message).help("once is enough");
            }
            new
        });
        Some(list)
    }

    /// A number of things.
    pub(crate) fn count(&mut self, key: &'static str, knob: &Knob<usize>) -> Option<At<usize>> {
        let bounds = Bounds::from(knob);
        let entry = self.take(key)?;
        let Value::Integer(number) = entry.node.value else {
            return self.wrong_type(key, Wanted::Count, &entry.node);
        };
        match usize::try_from(number).ok().filter(|number| bounds.contains(number)) {
            Some(count) => Some(At::new(count, entry.node.span)),
            None => {
                let message = format!("`{key}` must be from {} to {}", knob.least, knob.most);
                self.report
                    .error(code::COUNT_BOUNDS, entry.node.span, message)
                    .help(format!("the default is {}", knob.default));
                None
            }
        }
    }

    /// How long.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        bounds: impl Into<Bounds<Duration>>,
    ) -> Option<At<Duration>> {
        let bounds = bounds.into();
        let entry = self.take(key)?;
        let Value::Text(text) = &entry.node.value else {
            return self.wrong_type(key, Wanted::Duration, &entry.node);
        };
        let Some(duration) = units::parse_duration(text) else {
            self.report
                .error(code::BAD_DURATION, entry.node.span, format!("`{key}`: \"{text}\" is not a duration"))
                .help("write a whole number and its unit, one of ms, s, m, h, d: \"250ms\", \"30s\", \"5m\"");
            return None;
        };
        if !bounds.contains(&duration) {
            let [least, most] = [bounds.least, bounds.most].map(units::show_duration);
            let told = self.report.error(
                code::DURATION_BOUNDS,
                entry.node.span,
                format!("`{key}` must be from {least} to {most}"),
            );
            if let Some(default) = bounds.default.map(units::show_duration) {
                told.help(format!("the default is \"{default}\""));
            }
            return None;
        }
        Some(At::new(duration, entry.node.span))
    }

    /// How many bytes.
    pub(crate) fn size(&mut self, key: &'static str, bounds: impl Into<Bounds<u64>>) -> Option<At<u64>> {
        let bounds = bounds.into();
        let entry = self.take(key)?;
        let size = match &entry.node.value {
            // A negative number is out of bounds below, not a wrong type.
            Value::Integer(number) => {
                u64::try_from(*number).unwrap_or(if *number < 0 { 0 } else { u64::MAX })
            }
            Value::Text(text) => match units::parse_size(text) {
                Some(size) => size,
                None => {
                    let message = format!("`{key}`: \"{text}\" is not a size");
                    self.report.error(code::BAD_SIZE, entry.node.span, message).help(
                        "write a whole number and its unit, one of B, KiB, MiB, GiB, TiB: \"64KiB\", \"16MiB\"; \
                         or a number of bytes without quotes",
                    );
                    return None;
                }
            },
            _ => return self.wrong_type(key, Wanted::Size, &entry.node),
        };
        if !bounds.contains(&size) {
            let [least, most] = [bounds.least, bounds.most].map(units::show_size);
            let message = format!("`{key}` must be from {least} to {most}");
            let told = self.report.error(code::SIZE_BOUNDS, entry.node.span, message);
            if let Some(default) = bounds.default.map(units::show_size) {
                told.help(format!("the default is \"{default}\""));
            }
            return None;
        }
        Some(At::new(size, entry.node.span))
    }

    /// A list of tables: `[[key]]`.
    pub(crate) fn tables(&mut self, key: &'static str) -> &'d [Node] {
        match self.take(key).map(|entry| &entry.node) {
            None => &[],
            Some(Node { value: Value::List(nodes), .. }) => nodes,
            Some(node) => {
                wrong_type(&format!("`{key}`"), Wanted::Tables, node, self.report);
                &[]
            }
        }
    }

    /// Whatever nobody asked for is unknown.
    pub(crate) fn finish(self) {
        for key in &self.asked {
            self.report.know(self.path_of(key));
        }
        for entry in self.entries {
            let key = &entry.key;
            if self.asked.contains(&key.value.as_str()) || self.strangers.contains(&key.value.as_str()) {
                continue;
            }
            let near = nearest::nearest(&key.value, &self.asked);
            // Whatever a misspelt `password` holds is not shown; nor is what we can say nothing about.
            if near.is_none_or(secret::is_name_of_secret) {
                secret::hide(&entry.node, self.report);
            }
            let mut help = nearest::suggest(&key.value, &self.asked, "the keys here are");
            if near.is_none() && self.asked.contains(&"settings") {
                help = format!(
                    "what a plugin itself knows goes into `settings = {{ {} = … }}`; {help}",
                    key.value
                );
            }
            self.report
                .error(code::UNKNOWN_KEY, key.span, format!("{} has no key `{}`", self.title, key.value))
                .help(help);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong_type<T>(&self, key: &str, wanted: Wanted, node: &Node) -> Option<T> {
        wrong_type(&format!("`{key}`"), wanted, node, self.report);
        None
    }
}

/// The text of a node; reported when it is none, or empty.
pub(crate) fn text_of(key: &str, node: &Node, report: &Report) -> Option<At<String>> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            report.error(code::EMPTY_TEXT, node.span, format!("`{key}` is empty"));
            None
        }
        Value::Text(text) => Some(At::new(text.clone(), node.span)),
        _ => {
            wrong_type(&format!("`{key}`"), Wanted::Text, node, report);
            None
        }
    }
}

/// The choice a word stands for.
pub(crate) fn choose<T: Copy>(
    key: &str,
    word: &At<String>,
    choices: &[(&'static str, T)],
    report: &Report,
) -> Option<At<T>> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word.value) {
        return Some(At::new(*choice, word.span));
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    report
        .error(code::UNKNOWN_WORD, word.span, format!("`{key}` cannot be \"{}\"", word.value))
        .help(nearest::suggest(&word.value, &names, "it can be"));
    None
}

fn wrong_type(what: &str, wanted: Wanted, node: &Node, report: &Report) {
    let wanted = match wanted {
        Wanted::Text => "a text in quotes",
        Wanted::Texts => "a list of texts: [\"one\", \"two\"]",
        Wanted::Flag => "true or false, without quotes",
        Wanted::Count => "a whole number without quotes",
        Wanted::Duration => "a duration with its unit, in quotes: \"30s\"",
        Wanted::Size => "a size with its unit, in quotes, or a number of bytes: \"16MiB\"",
        Wanted::Table => "a table of keys",
        Wanted::Tables => "tables of its own, each under a `[[…]]` header",
        Wanted::Words => "a program and its arguments, each a text in quotes: [\"prog\", \"arg\"]",
    };
    report.error(code::WRONG_TYPE, node.span, format!("{what} takes {wanted}; this is {}", node.kind()));
}
