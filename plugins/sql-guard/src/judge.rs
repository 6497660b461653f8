//! One operation, judged: the heaviest answer among everything it does.

use crate::settings::{Answer, Rules};
use weir_sdk::policy::{Decision, Operation};
use weir_sql::{Class, Statement, Verb, analyse};

pub struct Guard {
    rules: Rules,
}

/// The class that decides, and what it gets.
#[derive(Clone, Copy)]
struct Heaviest {
    answer: Answer,
    class: Class,
}

/// When a statement runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    /// It is bound and executed later; planning it may already call what is not declared VOLATILE.
    Planned,
    Later,
}

impl When {
    fn of_prepare(operation: &Operation) -> When {
        if operation.attribute("portal-name").is_some() { When::Planned } else { When::Later }
    }
}

impl Guard {
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// No value of a parameter is looked at, and the text only when what the inspector says of it is not enough.
    pub fn judge(&self, operation: &Operation) -> Decision {
        let when = match operation.kind.as_str() {
            "sql.query" | "sql.startup" => When::Now,
            // Nothing runs yet: what waits for a reviewer waits when it is executed. But a Bind plans, and planning
            // calls functions: see `decision`.
            "sql.prepare" => When::of_prepare(operation),
            kind => return self.without_text(kind, operation).reusable_for_any_text(),
        };
        match self.told(operation) {
            Some(class) => self.decision(self.heaviest([class]), when).reusable_for_any_text(),
            None => self.statements(operation, when).reusable(),
        }
    }

    fn without_text(&self, kind: &str, operation: &Operation) -> Decision {
        match kind {
            "sql.call" => {
                let vouched = operation.objects.iter().all(|function| self.rules.vouches_for(function));
                let class =
                    if vouched && !operation.objects.is_empty() { Class::Read } else { Class::FunctionCall };
                self.decision(self.heaviest([class]), When::Now)
            }
            kind if kind.starts_with("sql.") => self.decision(self.heaviest([Class::Unknown]), When::Now),
            // Not SQL: somebody else's business.
            _ => Decision::abstain(),
        }
    }

    /// The class of the operation, when its attributes say all there is to say.
    fn told(&self, operation: &Operation) -> Option<Class> {
        let unreadable = operation.attribute("sql-lexing") == Some("unsafe")
            || operation.attribute("text-not-utf8").is_some();
        if unreadable {
            return Some(Class::Unknown);
        }
        read_already(operation).filter(|class| self.says_it_all(*class))
    }

    fn statements(&self, operation: &Operation, when: When) -> Decision {
        let standard_strings = operation.attribute("sql-standard-conforming-strings") != Some("off");
        let analysis = analyse(&operation.text, standard_strings);
        let mut classes = Vec::with_capacity(analysis.statements.len());
        let mut prepared = Vec::new();
        for statement in &analysis.statements {
            self.classes_of(statement, operation, &mut prepared, &mut classes);
        }
        if classes.is_empty() {
            // Nothing but blanks and comments.
            return Decision::allow();
        }
        self.decision(self.heaviest(classes), when)
    }

    /// Everything a statement does when it runs now. `prepared`: what the same text has prepared before it.
    fn classes_of<'s>(
        &self,
        statement: &'s Statement,
        operation: &Operation,
        prepared: &mut Vec<(&'s str, Class)>,
        classes: &mut Vec<Class>,
    ) {
        let effect = self.effect(statement);
        if let (Verb::Prepare, Some(name)) = (statement.verb, statement.name.as_deref()) {
            prepared.push((name, effect));
            // It waits when it is executed; what is denied is denied now.
            classes.push(if self.rules.answer(effect) == Answer::Deny { effect } else { Class::Prepared });
            return;
        }
        classes.push(effect);
        if let Some(name) = statement.executes() {
            let before = classes.len();
            classes.extend(prepared.iter().filter(|(known, _)| *known == name).map(|(_, class)| *class));
            if classes.len() == before {
                self.executed(operation, classes);
            }
        }
        // What a Bind has made waits, if it must, when something of it is fetched.
        let runs_bound = matches!(statement.verb, Verb::Fetch | Verb::Move)
            && operation.attributes.iter().any(|attribute| attribute.name.starts_with("sql-executes"));
        if runs_bound {
            self.executed(operation, classes);
        }
    }

    /// What an operation executes that was prepared earlier: the inspector says it, text by text, or says that it
    /// does not know.
    fn executed(&self, operation: &Operation, classes: &mut Vec<Class>) {
        let before = classes.len();
        for attribute in &operation.attributes {
            match attribute.name.as_str() {
                "sql-executes" => {
                    let analysis = analyse(&attribute.value, true);
                    classes.extend(analysis.statements.iter().map(|statement| self.effect(statement)));
                    // An EXECUTE that was prepared in the protocol: nobody follows that further.
                    if analysis.statements.iter().any(|statement| statement.executes().is_some()) {
                        classes.push(Class::Unknown);
                    }
                }
                "sql-executes-unknown" => classes.push(Class::Unknown),
                _ => {}
            }
        }
        if classes.len() == before {
            classes.push(Class::Unknown);
        }
    }

    /// The class of it that gets the heaviest answer, with the functions the settings vouch for taken as harmless.
    fn effect(&self, statement: &Statement) -> Class {
        let classes = statement.classes_allowing(|function| self.rules.vouches_for(function));
        // Every change reads too.
        let reads_only = classes.greatest().is_some_and(|class| class <= Class::Read);
        let asked = classes.iter().filter(|class| reads_only || *class != Class::Read);
        self.heaviest(asked).class
    }

    /// Nothing of less care that a statement of this class may do besides gets a heavier answer.
    fn says_it_all(&self, class: Class) -> bool {
        let answer = self.rules.answer(class);
        let besides = Class::ALL.into_iter().filter(|other| *other < class && *other != Class::Read);
        besides.map(|other| self.rules.answer(other)).all(|other| other <= answer)
    }

    fn heaviest(&self, classes: impl IntoIterator<Item = Class>) -> Heaviest {
        let mut heaviest = Heaviest { answer: Answer::Allow, class: Class::Read };
        let mut first = true;
        for class in classes {
            let answer = self.rules.answer(class);
            if first || (answer, class) > (heaviest.answer, heaviest.class) {
                heaviest = Heaviest { answer, class };
                first = false;
            }
        }
        heaviest
    }

    fn decision(&self, heaviest: Heaviest, when: When) -> Decision {
        let code = heaviest.class.name();
        let decision = match heaviest.answer {
            Answer::Deny => Decision::deny(code, reason(heaviest.class)),
            Answer::Hold if when == When::Now || when == When::Planned && is_of_functions(heaviest.class) => {
                Decision::hold(code, reason(heaviest.class))
            }
            Answer::Hold | Answer::Allow => Decision::allow(),
        };
        decision.tag("sql-class", code)
    }
}

/// Statements have these classes because of functions they call, or nobody knows why.
fn is_of_functions(class: Class) -> bool {
    matches!(class, Class::FunctionCall | Class::FileOrNetwork | Class::CodeExecution | Class::Unknown)
}

/// The class of a single statement as the inspector has read it, by the same rules as here, when that is all there
/// is to say: not when it is a matter of the settings (functions they vouch for) or of more than its own text.
fn read_already(operation: &Operation) -> Option<Class> {
    if operation.attribute("sql-statements") != Some("1")
        || operation.attributes.iter().any(|attribute| attribute.name.starts_with("sql-executes"))
    {
        return None;
    }
    let name = operation.attribute("sql-class")?;
    let class = Class::ALL.into_iter().find(|class| class.name() == name)?;
    (!matches!(class, Class::Cursor | Class::Prepared | Class::FunctionCall)).then_some(class)
}

/// What a person is told about a class.
fn reason(class: Class) -> &'static str {
    match class {
        Class::SessionSetting => "it changes a setting of the session",
        Class::Transaction => "it begins or ends a transaction",
        Class::Read => "it reads data",
        Class::Listen => "it listens for or sends notifications",
        Class::Lock => "it takes locks or waits",
        Class::Cursor => "it uses a cursor",
        Class::Prepared => "it uses prepared statements",
        Class::Maintenance => "it is maintenance of the database",
        Class::Write => "it writes data",
        Class::BulkWrite => "it changes or deletes rows without a selective condition",
        Class::FunctionCall => {
            "it calls a function that is not known to be harmless (list yours under `functions`)"
        }
        Class::SchemaChange => "it changes the schema",
        Class::ParsingSetting => "it changes a setting that changes what later statements mean",
        Class::PrivilegeChange => "it changes privileges, roles or owners",
        Class::FileOrNetwork => "it reads or writes files of the server or opens connections",
        Class::CodeExecution => "it runs or stores code that cannot be judged",
        Class::Unknown => "it is not understood, so it cannot be judged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use weir_sdk::Attribute;
    use weir_sdk::policy::Verdict;

    fn guard(settings: &str) -> Guard {
        Guard::new(serde_json::from_str::<Settings>(settings).unwrap().rules().unwrap())
    }

    fn operation(kind: &str, text: &str) -> Operation {
        Operation {
            kind: kind.into(),
            action: "unknown".into(),
            text: text.into(),
            objects: vec![],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        }
    }

    fn answer(guard: &mut Guard, kind: &str, text: &str) -> String {
        said(guard.judge(&operation(kind, text)))
    }

    fn said(decision: Decision) -> String {
        match decision.verdict {
            Verdict::Allow => "allow".into(),
            Verdict::Abstain => "abstain".into(),
            Verdict::Deny(why) => format!("deny {}", why.code),
            Verdict::Hold(why) => format!("hold {}", why.code),
            Verdict::Rewrite(_) => "rewrite".into(),
        }
    }

    #[test]
    fn defaults() {
        for (text, expected) in [
            ("select * from customers where id = 1", "allow"),
            ("", "allow"),
            ("-- nothing", "allow"),
            ("insert into t values (1)", "allow"),
            ("update t set a = 1 where id = 2", "allow"),
            ("update t set a = 1", "hold bulk-write"),
            ("delete from t where true", "hold bulk-write"),
            ("truncate t", "hold bulk-write"),
            ("create table t (a int)", "hold schema-change"),
            ("grant all on t to bob", "deny privilege-change"),
            ("do $$ begin end $$", "deny code-execution"),
            ("copy t to program 'cat'", "deny file-or-network"),
            ("set standard_conforming_strings = off", "deny parsing-setting"),
            ("select my_function(1)", "deny function-call"),
            ("update pg_settings set setting = 'off' where name = 'a'", "deny parsing-setting"),
            ("update pg_authid set rolsuper = true where oid = 1", "deny privilege-change"),
            ("select set_config('application_name', name, false) from t", "deny parsing-setting"),
            ("discard all", "deny parsing-setting"),
            ("update t set a = 1 where id > -1", "hold bulk-write"),
            ("frobnicate", "deny unknown"),
            ("select 1; drop table t", "hold schema-change"),
            ("select 1; drop table t; frobnicate", "deny unknown"),
            ("select 'unterminated", "deny unknown"),
        ] {
            assert_eq!(answer(&mut guard("{}"), "sql.query", text), expected, "{text}");
        }
    }

    #[test]
    fn functions_the_settings_vouch_for_are_harmless() {
        let mut guard = guard(r#"{"functions": ["app.*", "function:952"]}"#);
        assert_eq!(answer(&mut guard, "sql.query", "select app.f(1)"), "allow");
        assert_eq!(answer(&mut guard, "sql.query", "select app.f(other.g(1))"), "deny function-call");
        let mut call = operation("sql.call", "");
        call.objects = vec!["function:952".into()];
        assert!(matches!(guard.judge(&call).verdict, Verdict::Allow));
        call.objects = vec!["function:953".into()];
        assert!(matches!(guard.judge(&call).verdict, Verdict::Deny(_)));
    }

    /// `attributes` are those of an operation with an EXECUTE.
    fn executing(text: &str, attributes: &[(&str, &str)]) -> String {
        let mut operation = operation("sql.query", text);
        operation.attributes = attributes.iter().map(|(name, value)| Attribute::new(*name, *value)).collect();
        said(guard("{}").judge(&operation))
    }

    #[test]
    fn execute_is_what_the_inspector_says_it_runs() {
        let sure = |body| ("sql-executes", body);
        let unknown = ("sql-executes-unknown", "y");
        for (text, attributes, expected) in [
            ("execute x", &[][..], "deny unknown"),
            ("execute x", &[("sql-executes-unknown", "x")], "deny unknown"),
            ("execute x", &[sure("prepare x as delete from t")], "hold bulk-write"),
            ("execute x", &[sure("prepare x as select 1")], "allow"),
            ("execute x", &[sure("delete from t")], "hold bulk-write"),
            ("execute x", &[sure("execute y")], "deny unknown"),
            ("execute x", &[sure("")], "deny unknown"),
            ("execute x(my_function())", &[sure("prepare x as select 1")], "deny function-call"),
            ("execute x; execute y", &[sure("select 1"), sure("delete from t")], "hold bulk-write"),
            ("execute x; execute y", &[sure("select 1"), unknown], "deny unknown"),
            ("explain analyze execute x", &[sure("delete from t")], "hold bulk-write"),
            ("explain analyze execute x", &[], "deny unknown"),
            ("create table t as execute x", &[sure("select my_function(1)")], "deny function-call"),
        ] {
            assert_eq!(executing(text, attributes), expected, "{text} {attributes:?}");
        }
    }

    #[test]
    fn what_the_inspector_has_read_is_not_read_again() {
        // The text does not matter where the class says it all.
        for (class, statements, text, expected) in [
            ("read", "1", "frobnicate", "allow"),
            ("bulk-write", "1", "frobnicate", "hold bulk-write"),
            ("unknown", "1", "select 1", "deny unknown"),
            ("function-call", "1", "select app.f()", "allow"),
            ("prepared", "1", "prepare x as select g()", "deny function-call"),
            ("cursor", "1", "declare c cursor for select g()", "deny function-call"),
            ("read", "2", "select 1; drop table t", "hold schema-change"),
            ("no such class", "1", "drop table t", "hold schema-change"),
        ] {
            let mut operation = operation("sql.query", text);
            operation.attributes.push(Attribute::new("sql-class", class));
            operation.attributes.push(Attribute::new("sql-statements", statements));
            assert_eq!(said(guard(r#"{"functions": ["app.*"]}"#).judge(&operation)), expected, "{class}");
            operation.attributes.push(Attribute::new("sql-lexing", "unsafe"));
            assert_eq!(said(guard("{}").judge(&operation)), "deny unknown", "{class}");
        }
    }

    #[test]
    fn prepare_is_denied_at_once_and_waits_when_it_is_executed() {
        let mut guard = guard("{}");
        for (text, expected) in [
            ("prepare x as delete from t", "allow"),
            ("prepare z as select my_function(1)", "deny function-call"),
            ("prepare y as select 1; execute y", "allow"),
            ("prepare y as delete from t; execute y", "hold bulk-write"),
            ("prepare y as select 1; prepare y as delete from t; execute y", "hold bulk-write"),
            ("prepare y as select 1; explain analyze execute y", "allow"),
            ("execute y; prepare y as select 1", "deny unknown"),
        ] {
            assert_eq!(answer(&mut guard, "sql.query", text), expected, "{text}");
        }
        assert_eq!(answer(&mut guard, "sql.prepare", "delete from t"), "allow");
    }

    #[test]
    fn a_greater_class_does_not_hide_one_with_a_heavier_answer() {
        let allowing = r#"{"allow": ["schema-change"], "functions": ["app.*"]}"#;
        let strict = r#"{"deny": ["lock", "listen", "read", "session-setting"]}"#;
        for (settings, text, class, expected) in [
            ("{}", "create temp table t as select evil()", "schema-change", "deny function-call"),
            ("{}", "select evil() into t", "schema-change", "deny function-call"),
            ("{}", "create table t as select 1", "schema-change", "hold schema-change"),
            (allowing, "create materialized view m as select evil()", "schema-change", "deny function-call"),
            (
                allowing,
                "explain analyze create table z as select evil()",
                "schema-change",
                "deny function-call",
            ),
            (allowing, "create table t as select app.f()", "schema-change", "allow"),
            (allowing, "prepare p as select app.f()", "prepared", "allow"),
            (strict, "insert into t select pg_advisory_lock(1)", "write", "deny lock"),
            (strict, "insert into t select pg_notify('a', 'b')", "write", "deny listen"),
            (strict, "insert into t select a from u", "write", "allow"),
            (strict, "select a from u", "read", "deny read"),
            (r#"{"deny": ["session-setting"]}"#, "select setseed(0.5)", "read", "deny session-setting"),
        ] {
            let mut read = operation("sql.query", text);
            assert_eq!(said(guard(settings).judge(&read)), expected, "{text}");
            read.attributes.push(Attribute::new("sql-class", class));
            read.attributes.push(Attribute::new("sql-statements", "1"));
            assert_eq!(said(guard(settings).judge(&read)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_bound_waits_only_if_planning_may_call_what_waits() {
        let held = guard(r#"{"hold": ["function-call"], "functions": ["app.*"]}"#);
        for (text, expected) in [
            ("select id from t where id = f()", "hold function-call"),
            ("select id from t where id = app.f()", "allow"),
            ("select id from t where id = $1", "allow"),
            ("delete from t", "allow"),
            ("delete from t where id > f()", "hold function-call"),
            ("create table u (a int)", "allow"),
            ("frobnicate", "deny unknown"),
        ] {
            let mut bound = operation("sql.prepare", text);
            assert_eq!(said(held.judge(&bound)).starts_with("deny"), expected.starts_with("deny"), "{text}");
            assert!(!said(held.judge(&bound)).starts_with("hold"), "{text}");
            bound.attributes.push(Attribute::new("portal-name", ""));
            assert_eq!(said(held.judge(&bound)), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_other_protocols_are_not_ours() {
        let mut guard = guard("{}");
        let mut unsafe_text = operation("sql.query", "select 1");
        unsafe_text.attributes.push(Attribute::new("sql-lexing", "unsafe"));
        assert!(matches!(guard.judge(&unsafe_text).verdict, Verdict::Deny(_)));
        assert_eq!(answer(&mut guard, "http.request", "DELETE /customers"), "abstain");
        assert_eq!(answer(&mut guard, "sql.replicate", "START_REPLICATION"), "deny unknown");
    }
}
