//! Tables, fields and numbered text: the places where text from outside may stand.
//!
//! Invariant: a line that is printed begins with something of ours (a margin, a label, a first cell padded to its
//! column) and is no wider than asked, so a terminal never breaks it: text from outside cannot begin a line.

use super::escape::{self, Shown};
use std::fmt::Write as _;
use std::time::Duration;

/// Cells are cut behind this; the whole text is a `show` away.
const MAX_CELL: usize = 36;
const LABEL: usize = 13;
/// Names up to this long stand on the line of their value.
const NAME: usize = 20;
/// What must remain beside a margin for text.
const MIN_TEXT: usize = 20;

/// Rows under a header. Cells may hold anything.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<(String, usize)>> =
        rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()).collect();
    let width = |column: usize| {
        let of_rows = cells.iter().filter_map(|row| row.get(column)).map(|(_, width)| *width);
        of_rows.chain(header.get(column).map(|name| name.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let header: Vec<_> = header.iter().map(|name| ((*name).to_owned(), name.len())).collect();
    let mut out = String::new();
    for row in std::iter::once(&header).chain(&cells) {
        let mut line = String::new();
        for ((text, width), column) in row.iter().zip(&widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', column.saturating_sub(*width) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The text on one line, cut where a column ends, and its width.
fn cell(text: &str) -> (String, usize) {
    let all = escape::shown(text);
    let whole: usize = all.iter().map(|shown| shown.width()).sum();
    let (mut out, mut width) = (String::new(), 0);
    for shown in all {
        if whole > MAX_CELL && width + shown.width() >= MAX_CELL {
            out.push('…');
            return (out, width + 1);
        }
        shown.push_to(&mut out);
        width += shown.width();
    }
    if out.trim().is_empty() { ("-".to_owned(), 1) } else { (out, width) }
}

/// Sections of labelled values and of text, each line behind a margin.
pub(super) struct Page {
    pub(super) out: String,
    width: usize,
    /// How many characters were not shown as they are.
    pub(super) escaped: usize,
}

impl Page {
    pub(super) fn new(title: &str, width: usize) -> Self {
        Self { out: format!("{}\n\n", escape::line(title)), width, escaped: 0 }
    }

    /// A heading of ours.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.out, "\n{text}");
    }

    /// One value on a line of its own each; nothing when there are none.
    pub(super) fn field<T: AsRef<str>>(&mut self, label: &str, values: impl IntoIterator<Item = T>) {
        let mut label = label;
        for value in values {
            let (first, next) = (format!("  {label:<LABEL$}  "), " ".repeat(LABEL + 4));
            self.wrapped(value.as_ref(), &first, &next);
            label = "";
        }
    }

    /// A value that needs the line for itself.
    pub(super) fn value(&mut self, text: &str) {
        self.wrapped(text, "  ", "  : ");
    }

    /// Text with its lines numbered; what a line is too long for goes on behind a colon.
    pub(super) fn text(&mut self, text: &str) {
        for (number, line) in (1..).zip(text.split('\n')) {
            self.wrapped(line, &format!("{number:>6} | "), "       : ");
        }
    }

    /// A name from outside and its value, which stands behind a bar; or, without one, why there is none.
    pub(super) fn named(&mut self, name: &str, value: Result<&str, &str>) {
        let shown = escape::shown(name);
        let width: usize = shown.iter().map(|shown| shown.width()).sum();
        let (blank, next) = (" ".repeat(NAME + 2), format!("{} : ", " ".repeat(NAME + 2)));
        let mut first = "  ".to_owned();
        if width <= NAME {
            shown.iter().for_each(|shown| shown.push_to(&mut first));
            first.extend(std::iter::repeat_n(' ', NAME - width));
            self.escaped += count_escaped(&shown);
        } else {
            self.wrapped(name, "  ", "  : ");
            first.clone_from(&blank);
        }
        match value {
            Ok(value) => {
                for line in value.split('\n') {
                    self.wrapped(line, &format!("{first} | "), &next);
                    first.clone_from(&blank);
                }
            }
            Err(words) => self.wrapped(words, &format!("{first} - "), &next),
        }
    }

    fn wrapped(&mut self, text: &str, first: &str, next: &str) {
        let room = self.width.saturating_sub(first.chars().count().max(next.len())).max(MIN_TEXT);
        let mut line = first.to_owned();
        let mut used = 0;
        let all = escape::shown(text);
        self.escaped += count_escaped(&all);
        for shown in all {
            if used + shown.width() > room && used > 0 {
                self.line(&line);
                next.clone_into(&mut line);
                used = 0;
            }
            shown.push_to(&mut line);
            used += shown.width();
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

fn count_escaped(all: &[Shown]) -> usize {
    all.iter().filter(|shown| matches!(shown, Shown::Escaped(_))).count()
}

/// How long, roughly, with the two units that matter.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
