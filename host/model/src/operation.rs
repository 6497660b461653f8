//! Operations (what the client wants) and columns (what a value is): the same for every protocol.

/// A named fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub value: String,
}

impl Attribute {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What an operation does. An inspector's unknown word is `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Read,
    Write,
    Define,
    Call,
    Session,
    Unknown,
}

impl Action {
    pub fn from_word(word: &str) -> Self {
        match word {
            "read" => Self::Read,
            "write" => Self::Write,
            "define" => Self::Define,
            "call" => Self::Call,
            "session" => Self::Session,
            _ => Self::Unknown,
        }
    }

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Define => "define",
            Self::Call => "call",
            Self::Session => "session",
            Self::Unknown => "unknown",
        }
    }
}

/// A bound parameter or a field of the request, in text form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub type_name: String,
    /// `None` for NULL and for a value the inspector could not decode.
    pub value: Option<String>,
}

/// The unit of decision: one thing to allow or deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub kind: String,
    pub action: Action,
    /// The exact command.
    pub text: String,
    pub objects: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub attributes: Vec<Attribute>,
    /// What the command says of itself: context, never proof.
    pub claimed: Vec<Attribute>,
}

/// What a value is: its visible name, and where it really comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default, Hash)]
pub struct Column {
    pub name: String,
    pub relation: String,
    pub source: String,
    pub type_name: String,
    pub labels: Vec<String>,
}
