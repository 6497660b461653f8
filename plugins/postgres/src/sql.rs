//! What the SQL reader says about a text, reduced to what this plugin needs. The only file that knows it.

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
    pub action: &'static str,
    pub objects: Vec<String>,
    pub statements: usize,
    pub class: String,
    pub copy: Copy,
    pub names: Vec<NameEffect>,
    /// SQL `EXECUTE name`: what runs was prepared before.
    pub executes: Option<String>,
    /// sqlcommenter tags: names and values.
    pub claimed: Vec<(String, String)>,
    /// The text may be read differently by the server.
    pub unsafe_reading: bool,
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
    Prepare(String),
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
            statements: 0,
            class: "unknown".to_owned(),
            copy: Copy::None,
            names: Vec::new(),
            executes: None,
            claimed: Vec::new(),
            unsafe_reading: false,
            not_utf8: false,
        }
    }

    /// It may change `Reading` for texts that follow it.
    pub fn may_set(&self) -> bool {
        !matches!(self.action, "read" | "write")
    }
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

/// Reads `text`. `settings_open`: something sent before and not yet answered may change the settings, so the
/// text must mean the same whatever comes of it.
pub fn read(text: &[u8], reading: Reading, settings_open: bool) -> Facts {
    let Ok(valid) = std::str::from_utf8(text) else {
        return Facts { not_utf8: true, ..Facts::unknown() };
    };
    if !reading.safe_encoding || (settings_open && letter_pair_in_doubt(text)) {
        return Facts { unsafe_reading: true, claimed: crate::claimed::tags(valid), ..Facts::unknown() };
    }
    let facts = analyse(valid, reading.standard_conforming_strings);
    if settings_open && text.contains(&b'\\') && facts != analyse(valid, !reading.standard_conforming_strings)
    {
        return Facts { unsafe_reading: true, ..Facts::unknown() };
    }
    facts
}

/// A byte above 0x7F with one behind it that some encoding takes as the second half of a character.
fn letter_pair_in_doubt(text: &[u8]) -> bool {
    text.windows(2).any(|pair| matches!(pair, [0x80..=0xff, 0x30..=0x7f]))
}

fn analyse(text: &str, _standard_conforming_strings: bool) -> Facts {
    let lower = text.to_ascii_lowercase();
    let copy = if lower.starts_with("copy") && lower.contains("from stdin") { Copy::In } else { Copy::None };
    Facts { claimed: crate::claimed::tags(text), copy, ..Facts::unknown() }
}
