//! Where all checks of one file put what they find.
//!
//! A report is shared by everyone who reads the file, so it takes problems through `&self`: a check must be able
//! to go on after a problem as if nothing had happened. The order of finding does not matter, it is sorted at
//! the end.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{Source, Span};
use crate::problem::{Code, Location, Problem, Severity};

/// The problems of one file, as they are found.
#[derive(Debug)]
pub(crate) struct Report {
    source: Source,
    drafts: RefCell<Vec<Draft>>,
    /// What no excerpt may show.
    hidden: RefCell<Vec<Span>>,
    /// Every key somebody asked for, as `section.key`: what the example file must show.
    known: RefCell<BTreeSet<String>>,
}

/// A problem whose excerpt is not made yet.
#[derive(Debug)]
struct Draft {
    code: Code,
    severity: Severity,
    span: Option<Span>,
    message: String,
    note: Option<String>,
    help: Option<String>,
}

/// The problem just reported, to say more about it.
pub(crate) struct Reported<'r> {
    drafts: std::cell::RefMut<'r, Vec<Draft>>,
}

impl Report {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, drafts: RefCell::default(), hidden: RefCell::default(), known: RefCell::default() }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// `None` is the file as a whole.
    pub(crate) fn error(
        &self,
        code: Code,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Reported<'_> {
        self.push(code, Severity::Error, span.into(), message.into())
    }

    /// `None` is the file as a whole.
    pub(crate) fn warning(
        &self,
        code: Code,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Reported<'_> {
        self.push(code, Severity::Warning, span.into(), message.into())
    }

    /// These bytes are shown to nobody.
    pub(crate) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    pub(crate) fn any_error(&self) -> bool {
        self.drafts.borrow().iter().any(|draft| draft.severity == Severity::Error)
    }

    /// `file:line:column` of another place, for notes.
    pub(crate) fn place(&self, span: Span) -> String {
        self.source.location(span).to_string()
    }

    pub(crate) fn know(&self, key: String) {
        self.known.borrow_mut().insert(key);
    }

    pub(crate) fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }

    /// All problems by place, with their excerpts: made now, when everything that must be hidden is known.
    pub(crate) fn finish(self) -> (Source, Vec<Problem>) {
        let Self { mut source, drafts, hidden, .. } = self;
        source.hide(hidden.into_inner());
        let mut drafts = drafts.into_inner();
        drafts.sort_by_key(|draft| (draft.span, draft.severity));
        let problems = drafts
            .into_iter()
            .map(|draft| Problem {
                code: draft.code,
                severity: draft.severity,
                location: match draft.span {
                    Some(span) => source.location(span),
                    None => Location { file: source.file().to_owned(), mark: None },
                },
                message: draft.message,
                note: draft.note,
                help: draft.help,
            })
            .collect();
        (source, problems)
    }

    fn push(&self, code: Code, severity: Severity, span: Option<Span>, message: String) -> Reported<'_> {
        let mut drafts = self.drafts.borrow_mut();
        drafts.push(Draft { code, severity, span, message, note: None, help: None });
        Reported { drafts }
    }
}

impl Reported<'_> {
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        if let Some(draft) = self.drafts.last_mut() {
            draft.note = Some(note.into());
        }
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(draft) = self.drafts.last_mut() {
            draft.help = Some(help.into());
        }
        self
    }
}
