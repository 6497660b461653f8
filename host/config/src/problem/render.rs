//! How problems look: like rustc's, because everybody who reads them has learnt to read those.
//!
//! ```text
//! error[unknown-key]: [server] has no key `drain_timout`
//!  --> weir.toml:4:1
//!   |
//! 4 | drain_timout = "30s"
//!   | ^^^^^^^^^^^^
//!   = help: did you mean `drain_timeout`?
//! ```

use std::fmt;

use super::{Problem, Problems, Severity};

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]: {}", self.severity, self.code, self.message)?;
        let number = self.location.mark.as_ref().map(|mark| mark.line.to_string()).unwrap_or_default();
        let gutter = number.len().max(1);
        write!(out, "\n{:gutter$}--> {}", "", self.location)?;
        if let Some(mark) = &self.location.mark {
            let lead: String =
                mark.text.chars().take(mark.indent).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            write!(out, "\n{:gutter$} |", "")?;
            write!(out, "\n{number} | {}", mark.text)?;
            write!(out, "\n{:gutter$} | {lead}{}", "", "^".repeat(mark.width))?;
        }
        for (word, text) in [("note", &self.note), ("help", &self.help)] {
            if let Some(text) = text {
                write!(out, "\n{:gutter$} = {word}: {text}", "")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    /// All of them, an empty line after each, and how many there are.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self {
            writeln!(out, "{problem}\n")?;
        }
        let errors = self.iter().filter(|problem| problem.severity == Severity::Error).count();
        let counts = [(errors, "error"), (self.len() - errors, "warning")];
        let words: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
            .collect();
        out.write_str(&if words.is_empty() { "no problems".to_owned() } else { words.join(", ") })
    }
}
