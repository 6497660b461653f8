//! What a text says, as far as the session's settings let it be read.

mod facts;
mod known;

pub use known::Known;

use crate::copy::CopyOut;

/// Settings of the session that change how text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub standard_conforming_strings: bool,
    /// `client_encoding` never puts an ASCII byte inside another character.
    pub safe_encoding: bool,
    pub utf8: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The most careful word for what its statements do.
    pub action: &'static str,
    pub objects: Vec<String>,
    /// It may change relations beside those.
    pub objects_incomplete: bool,
    pub statements: usize,
    pub class: String,
    pub copy: Copy,
    pub names: Vec<NameEffect>,
    /// Names of prepared statements that it runs and does not prepare itself before.
    pub executes: Vec<String>,
    /// Cursors that it fetches from or moves in; `None` where it cannot be said which.
    pub fetches: Vec<Option<String>>,
    /// `EXECUTE name` is all it says.
    pub only_executes: bool,
    /// It runs code that nobody has read, or nobody can say what it runs.
    pub unseen: bool,
    /// sqlcommenter tags: names and values.
    pub claimed: Vec<(String, String)>,
    /// What it may change about the reading of later texts.
    pub may_set: MaySet,
    /// None of its statements can define or rename anything.
    pub defines_nothing: bool,
    /// The text may be read differently by the server.
    pub unsafe_reading: bool,
    /// Read with `standard_conforming_strings = off`.
    pub old_strings: bool,
    pub not_utf8: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Copy {
    #[default]
    None,
    /// One statement, COPY … FROM STDIN.
    In,
    /// One statement, COPY … TO STDOUT, whose rows can be described.
    Out(Box<CopyOut>),
    /// A COPY … TO STDOUT that cannot be described; the reason.
    OutUnclear(&'static str),
}

/// What a text does to the names it shares with the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameEffect {
    /// Name and text of the whole command, when that is read as it always would be.
    Prepare(String, Option<String>),
    Deallocate(String),
    DeallocateAll,
    Declare(String),
    CloseCursor(String),
    CloseAllCursors,
}

impl Facts {
    /// A text about which nothing can be said.
    pub fn unknown() -> Self {
        Self {
            action: "unknown",
            objects: Vec::new(),
            objects_incomplete: false,
            statements: 0,
            class: "unknown".to_owned(),
            copy: Copy::None,
            names: Vec::new(),
            executes: Vec::new(),
            fetches: vec![None],
            only_executes: false,
            unseen: true,
            claimed: Vec::new(),
            may_set: MaySet::Something,
            defines_nothing: false,
            unsafe_reading: false,
            old_strings: false,
            not_utf8: false,
        }
    }
}

/// Settings that a statement may change without saying which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaySet {
    #[default]
    Nothing,
    /// `standard_conforming_strings` or `client_encoding`, also back to an earlier value as a rollback does.
    Something,
}

/// Encodings whose later bytes can be ASCII.
const UNSAFE_ENCODINGS: [&str; 9] =
    ["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004", "SHIFTJIS", "MSKANJI"];

impl Default for Reading {
    fn default() -> Self {
        Self { standard_conforming_strings: true, safe_encoding: true, utf8: true }
    }
}

impl Reading {
    /// Takes note of a ParameterStatus.
    pub fn update(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"standard_conforming_strings" => self.standard_conforming_strings = value == b"on",
            b"client_encoding" => {
                let value = String::from_utf8_lossy(value);
                self.safe_encoding = !UNSAFE_ENCODINGS.iter().any(|name| value.eq_ignore_ascii_case(name));
                self.utf8 = value.eq_ignore_ascii_case("UTF8") || value.eq_ignore_ascii_case("UNICODE");
            }
            _ => {}
        }
    }
}

/// Reads `text`. `open`: what is sent before and not yet answered may set, so the text must mean the same
/// whatever comes of it.
pub fn read(text: &[u8], reading: Reading, open: MaySet) -> Facts {
    let standard = reading.standard_conforming_strings;
    let doubtful = |facts: Facts| Facts { unsafe_reading: true, ..facts };
    let Ok(valid) = std::str::from_utf8(text) else {
        return Facts { not_utf8: true, ..Facts::unknown() };
    };
    if !reading.safe_encoding || (open != MaySet::Nothing && hangs_on_settings(text)) {
        return doubtful(Facts { claimed: crate::claimed::tags(valid), ..Facts::unknown() });
    }
    let mut facts = Facts { old_strings: !standard, ..facts::of(valid, standard) };
    if !standard {
        // It will be shown to policies later, without a word of how it was read.
        for effect in &mut facts.names {
            if let NameEffect::Prepare(_, text) = effect {
                text.take_if(|text| text.contains('\\'));
            }
        }
    }
    facts
}

/// Names from here on may have been cut, and where depends on the server's encoding.
const LONG_NAME_BYTES: usize = 60;

/// The server sees this name of an SQL command exactly so: it was neither cut nor converted.
pub fn is_plain(name: &str) -> bool {
    name.is_ascii() && name.len() < LONG_NAME_BYTES
}

/// The server may read this text differently under other settings. Not only what it does counts: also what it
/// compares and calls is judged.
pub fn hangs_on_settings(text: &[u8]) -> bool {
    text.contains(&b'\\') || letter_pair_in_doubt(text)
}

/// A byte above 0x7F with one behind it that some encoding takes as the second half of a character.
fn letter_pair_in_doubt(text: &[u8]) -> bool {
    text.windows(2).any(|pair| matches!(pair, [0x80..=0xff, 0x30..=0x7f]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_in_flight_make_doubtful_what_they_would_change() {
        let reading = Reading::default();
        let trick = br"select '\'; drop table t; --'";
        assert!(!read(trick, reading, MaySet::Nothing).unsafe_reading);
        assert!(read(trick, reading, MaySet::Something).unsafe_reading);
        assert!(read(br"select '\d'", reading, MaySet::Something).unsafe_reading);
        assert!(!read("select 'é '".as_bytes(), reading, MaySet::Something).unsafe_reading);
        assert!(read("select 'éx'".as_bytes(), reading, MaySet::Something).unsafe_reading);
        assert!(!read(b"select 1", reading, MaySet::Something).unsafe_reading);
    }

    #[test]
    fn unsafe_encodings_leave_nothing_to_say() {
        let mut reading = Reading::default();
        reading.update(b"client_encoding", b"SJIS");
        let facts = read(b"select 1", reading, MaySet::Nothing);
        assert_eq!((facts.action, facts.unsafe_reading), ("unknown", true));
        reading.update(b"client_encoding", b"LATIN1");
        assert_eq!(read(b"select 1", reading, MaySet::Nothing).action, "read");
    }
}
