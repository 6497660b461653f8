//! The plan for one result shape: what happens to the cells of each column.

use crate::columns::Named;
use crate::form::{Form, Interest, is_scalar};
use crate::hint::Hint;
use crate::kind::{Kind, Kinds};
use crate::message::Author;
use crate::method::Method;
use crate::settings::{Messages, Rules};
use crate::sign;
use crate::taint::{Analysis, is_spoken_over_http};
use crate::vote::{Ballots, Origin, Tally, Votes};
use std::rc::Rc;
use weir_sdk::masker::{Column, MaskingPlan, Operation};

/// What happens to the cells of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Treatment {
    /// not wanted
    Pass,
    /// every cell is hidden whole
    Whole { rule: u16, method: Method, form: Form },
    /// detectors run over each cell
    Detect { hint: Hint, form: Form, votes: Tally },
    /// a number bound to a statement: hidden when a literal with as many digits would be
    Number,
    /// the text of a statement, for the trail
    Statement,
    /// the text of some other statement, kept by the database
    KeptStatement,
    /// a text for people; under `strict` it matters who wrote it
    Message { strict: Option<Author> },
}

impl Treatment {
    /// Whether every cell of the column is edited.
    pub fn hides_all(&self) -> bool {
        match self {
            Treatment::Whole { .. } => true,
            Treatment::Detect { votes, .. } => votes.decided().is_some(),
            _ => false,
        }
    }

    /// Whether nothing is done to a value that shows no sign (`sign`), whatever was seen before. What most values of a
    /// column are is counted from its first sign on, as the host sends all of them from then on.
    pub fn needs_sign(&self, on: Kinds, literals: bool) -> bool {
        match self {
            Treatment::Detect { hint, votes, .. } => {
                votes.decided().is_none() && !hint.kinds.and(on).has(Kind::Secret)
            }
            Treatment::Statement => !literals,
            Treatment::Message { strict } => strict.is_none(),
            Treatment::Pass | Treatment::Whole { .. } | Treatment::Number | Treatment::KeptStatement => false,
        }
    }
}

/// One result shape as planned.
#[derive(Debug)]
pub struct Shape {
    pub treatments: Vec<Treatment>,
    pub analysis: Rc<Analysis>,
    /// what is planned for was said over HTTP
    pub over_http: bool,
    kinds: Kinds,
    /// index of the rule `computed`
    pub computed: u16,
    /// index of the rule `message`
    pub message: u16,
}

impl Shape {
    pub fn plan(
        rules: &Rules,
        columns: &[Column],
        operation: &Operation,
        analysis: Rc<Analysis>,
        ballots: &mut Ballots,
    ) -> (Shape, MaskingPlan) {
        let mut names: Vec<String> = rules.on.iter().map(|kind| kind.name().to_owned()).collect();
        let (computed, message) = (names.len() as u16, names.len() as u16 + 1);
        names.extend(["computed".to_owned(), "message".to_owned()]);
        let mut treatments = Vec::with_capacity(columns.len());
        let mut wanted = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let mut context = Context {
                rules,
                operation,
                analysis: &analysis,
                ballots: &mut *ballots,
                index,
                count: columns.len(),
                computed,
            };
            let treatment = context.treatment(column, &mut names);
            if treatment != Treatment::Pass {
                wanted.push(index as u16);
            }
            treatments.push(treatment);
        }
        if wanted.is_empty() {
            names.clear();
        }
        // Without columns named in the settings no statement is read. And what has an origin and is not wanted is not
        // wanted by any statement. What is said over HTTP is never read: of such a session only columns without origin
        // could tell one operation from another.
        let has_origin = |column: &Column| column.labels.is_empty() && !column.source.is_empty();
        let reusable = (rules.columns.is_empty() && analysis.is_sql)
            || (wanted.is_empty() && columns.iter().all(has_origin))
            || (is_spoken_over_http(&operation.kind)
                && columns.iter().all(|column| !column.labels.is_empty() || has_origin(column)));
        let over_http = is_spoken_over_http(&operation.kind);
        // Of a statement about something protected all values are hidden: small numbers in words, comments.
        let literals = !over_http && analysis.holds_values;
        let signs = sign::of(rules, &treatments, over_http, literals);
        let shape = Shape { treatments, analysis, over_http, kinds: rules.on, computed, message };
        (shape, MaskingPlan { wanted, rules: names, reusable, signs })
    }

    pub fn rule(&self, kind: Kind) -> u16 {
        self.kinds.iter().take_while(|other| *other != kind).count() as u16
    }
}

struct Context<'p> {
    rules: &'p Rules,
    operation: &'p Operation,
    analysis: &'p Analysis,
    ballots: &'p mut Ballots,
    index: usize,
    count: usize,
    computed: u16,
}

impl Context<'_> {
    fn treatment(&mut self, column: &Column, names: &mut Vec<String>) -> Treatment {
        if self.rules.is_idle() {
            return Treatment::Pass;
        }
        match column.labels.first().map(String::as_str) {
            None => self.result_column(column, names),
            Some("statement") => Treatment::Statement,
            Some("parameter") => self.parameter(column, names),
            // What another session says of protected things cannot be judged by this one's statement.
            Some("notification")
                if self.rules.messages == Messages::Strict && !self.rules.columns.is_empty() =>
            {
                self.hidden_text()
            }
            Some("reason" | "finding" | "tag") => self.text_for_people(Author::Policy),
            // Errors, notices, notifications, and places nobody has told us of yet.
            Some(_) => self.text_for_people(Author::Server),
        }
    }

    fn result_column(&mut self, column: &Column, names: &mut Vec<String>) -> Treatment {
        let form = Form::of_type(&column.type_name);
        if let Some(named) = self.rules.columns.iter().find(|named| named.matches(column)) {
            return Treatment::Whole { rule: rule_of(named, names), method: named.method, form };
        }
        if column.source.is_empty() && self.analysis.taints(self.index, self.count) {
            return Treatment::Whole { rule: self.computed, method: Method::Redact, form };
        }
        if is_kept_statement(column) {
            return Treatment::KeptStatement;
        }
        let hint = Hint::of_name(&column.name).or(Hint::of_name(&column.source));
        let interest = match Interest::of_type(&column.type_name) {
            Interest::Never => false,
            Interest::Hinted => !hint.kinds.and(NUMERIC).and(self.rules.on).is_empty(),
            Interest::Always => !self.rules.on.is_empty(),
        };
        match interest {
            true => {
                let votes = match Origin::of(column) {
                    Some(origin) if form == Form::Text => self.ballots.shared(&origin),
                    Some(origin) => self.ballots.copy(&origin),
                    None => Tally::of(Votes::default()),
                };
                Treatment::Detect { hint, form, votes }
            }
            false => Treatment::Pass,
        }
    }

    /// Values bound to a statement that is about something protected go whole, but for small numbers; claims of the
    /// client do not. What is said over HTTP has names of its own: what stands under a protected one goes whole.
    fn parameter(&self, column: &Column, names: &mut Vec<String>) -> Treatment {
        let form = Form::of_type(&column.type_name);
        if is_spoken_over_http(&self.operation.kind)
            && let Some(named) = self.rules.columns.iter().find(|named| named.names_parameter(&column.name))
        {
            return Treatment::Whole { rule: rule_of(named, names), method: named.method, form };
        }
        let bound = self.operation.parameters.iter().any(|parameter| parameter.name == column.name);
        if self.analysis.holds_values && bound {
            if is_scalar(&column.type_name) {
                return Treatment::Number;
            }
            return Treatment::Whole { rule: self.computed, method: Method::Redact, form };
        }
        let hint = Hint::of_name(&column.name);
        match self.rules.on.is_empty() {
            true => Treatment::Pass,
            false => Treatment::Detect { hint, form, votes: Tally::NONE },
        }
    }

    fn hidden_text(&self) -> Treatment {
        Treatment::Whole { rule: self.computed + 1, method: Method::Redact, form: Form::Text }
    }

    fn text_for_people(&self, author: Author) -> Treatment {
        match self.rules.messages {
            Messages::Scan if self.rules.on.is_empty() => Treatment::Pass,
            Messages::Scan => Treatment::Message { strict: None },
            Messages::Redact => self.hidden_text(),
            Messages::Strict => {
                Treatment::Message { strict: (!self.rules.columns.is_empty()).then_some(author) }
            }
        }
    }
}

/// The place of a named column's rule among the plan's `names`.
fn rule_of(named: &Named, names: &mut Vec<String>) -> u16 {
    let rule = format!("column:{}", named.pattern);
    let known = names.iter().position(|name| *name == rule);
    let place = known.unwrap_or_else(|| {
        names.push(rule);
        names.len() - 1
    });
    place as u16
}

/// Where PostgreSQL shows what other sessions run.
fn is_kept_statement(column: &Column) -> bool {
    let table = column.relation.rsplit('.').next().unwrap_or_default();
    matches!(
        (table, column.source.as_str()),
        ("pg_stat_activity" | "pg_stat_statements", "query")
            | ("pg_prepared_statements" | "pg_cursors", "statement")
    )
}

/// Kinds that fit into an integer.
const NUMERIC: Kinds = Kinds::only(Kind::Phone).or(Kinds::only(Kind::Ssn));
