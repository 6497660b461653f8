//! Why a file was not taken into service.

use std::fmt;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The file is missing, unreadable or too large.
    Read,
    /// It is not the pinned file, or not signed by a trusted key.
    Trust,
    /// It is no component, nor a module that can be made one.
    Parse,
    /// It was built for another version of the contract.
    Version,
    /// It is not exactly one of policy, masker, inspector, or not the one expected.
    World,
    /// It wants something it was not given.
    Imports,
    Compile,
    Describe,
    Settings,
    /// It failed in `configure` or `open`.
    Start,
}

impl Stage {
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trust => "trust",
            Self::Parse => "parse",
            Self::Version => "version",
            Self::World => "world",
            Self::Imports => "imports",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Settings => "settings",
            Self::Start => "start",
        }
    }
}

/// A refusal of a plugin file or of its settings: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProblem {
    pub stage: Stage,
    pub message: String,
    /// Empty when there is nothing to advise.
    pub help: String,
    /// Problems with single settings: a JSON pointer and what is wrong there. All of them are in the message too.
    pub settings: Vec<(String, String)>,
}

impl LoadProblem {
    pub(crate) fn new(stage: Stage, message: impl Into<String>) -> Self {
        Self { stage, message: message.into(), help: String::new(), settings: Vec::new() }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        if !self.help.is_empty() {
            write!(out, "\nhelp: {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadProblem {}
