//! What is wrong with a text, and where. Says nothing of its contents, so it may be shown to anybody.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// bytes before the place of the problem
    pub at: usize,
    pub problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// invalid UTF-8
    Utf8,
    /// a byte order mark
    Mark,
    /// the text ends before the value does
    End,
    /// something stands behind the value
    Behind,
    /// no value begins with this
    Value,
    /// no key in quotes where one must be
    Key,
    /// no `:` behind a key
    Colon,
    /// neither `,` nor the end of the object or array
    Comma,
    /// digits as JSON does not write them: `01`, `1.`, `+1`, `.5`
    Number,
    /// a control character in a string that is not escaped
    Control,
    /// `\x`, `\u12`, …
    Escape,
    /// half a surrogate pair
    Surrogate,
    /// the key stands in this object already
    Duplicate,
    /// nested deeper than the limit
    Depth,
    /// more different places than the limit
    Paths,
    /// keys on the way to one place that are longer than the limit together
    Path,
    /// longer than 2 GiB
    Length,
    /// the visitor wants no more
    Stopped,
}

impl Problem {
    /// The text is (or may be) JSON, but more of it than is allowed.
    pub fn is_limit(self) -> bool {
        matches!(self, Problem::Depth | Problem::Paths | Problem::Path | Problem::Length | Problem::Stopped)
    }

    fn text(self) -> &'static str {
        match self {
            Problem::Utf8 => "the text is not UTF-8",
            Problem::Mark => "the text begins with a byte order mark",
            Problem::End => "the text ends too early",
            Problem::Behind => "something stands behind the value",
            Problem::Value => "a value is expected",
            Problem::Key => "a key in quotes is expected",
            Problem::Colon => "`:` is expected",
            Problem::Comma => "`,` or the end of the object or array is expected",
            Problem::Number => "this is no number of JSON",
            Problem::Control => "a control character in a string is not escaped",
            Problem::Escape => "there is no such escape",
            Problem::Surrogate => "half a surrogate pair",
            Problem::Duplicate => "a key stands twice in one object",
            Problem::Depth => "nested too deep",
            Problem::Paths => "too many different keys",
            Problem::Path => "keys are too long",
            Problem::Length => "longer than 2 GiB",
            Problem::Stopped => "more values than wanted",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.problem.text(), self.at)
    }
}

impl std::error::Error for Error {}
