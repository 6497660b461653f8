//! One operation, judged: the heaviest answer among everything it does.

use crate::prepared::Prepared;
use crate::settings::{Answer, Rules};
use weir_sdk::policy::{Decision, Operation};
use weir_sql::{Class, Statement, Verb, analyse};

pub struct Guard {
    rules: Rules,
    prepared: Prepared,
}

/// The class that decides, and what it gets.
#[derive(Clone, Copy)]
struct Heaviest {
    answer: Answer,
    class: Class,
}

impl Guard {
    pub fn new(rules: Rules) -> Self {
        Self { rules, prepared: Prepared::default() }
    }

    pub fn judge(&mut self, operation: &Operation) -> Decision {
        match operation.kind.as_str() {
            "sql.query" | "sql.startup" => self.statements(operation, false),
            // Nothing runs yet: what waits for a reviewer waits when it is executed.
            "sql.prepare" => self.statements(operation, true),
            "sql.call" => {
                let vouched = operation.objects.iter().all(|function| self.rules.vouches_for(function));
                let class =
                    if vouched && !operation.objects.is_empty() { Class::Read } else { Class::FunctionCall };
                self.decision(self.heaviest([class]), false)
            }
            kind if kind.starts_with("sql.") => self.decision(self.heaviest([Class::Unknown]), false),
            // Not SQL: somebody else's business.
            _ => Decision::abstain(),
        }
    }

    fn statements(&mut self, operation: &Operation, prepares: bool) -> Decision {
        let unreadable = operation.attribute("sql-lexing") == Some("unsafe")
            || operation.attribute("text-not-utf8").is_some();
        if unreadable {
            return self.decision(self.heaviest([Class::Unknown]), prepares);
        }
        let standard_strings = operation.attribute("sql-standard-conforming-strings") != Some("off");
        let analysis = analyse(&operation.text, standard_strings);
        if prepares && let Some(name) = operation.attribute("statement-name").filter(|name| !name.is_empty())
        {
            for statement in &analysis.statements {
                self.prepared.remember(name, self.effect(statement));
            }
        }
        let mut classes = Vec::with_capacity(analysis.statements.len());
        for statement in &analysis.statements {
            self.classes_of(statement, &mut classes);
        }
        if classes.is_empty() {
            // Nothing but blanks and comments.
            return Decision::allow();
        }
        self.decision(self.heaviest(classes), prepares)
    }

    /// Everything a statement does when it runs now.
    fn classes_of(&mut self, statement: &Statement, classes: &mut Vec<Class>) {
        match (statement.verb, statement.name.as_deref()) {
            (Verb::Execute, Some(name)) => classes.extend(self.prepared.classes(name)),
            (Verb::Prepare, Some(name)) => {
                let effect = self.effect(statement);
                self.prepared.remember(name, effect);
                // It waits when it is executed; what is denied is denied now.
                match self.rules.answer(effect) {
                    Answer::Deny => classes.push(effect),
                    Answer::Allow | Answer::Hold => classes.push(Class::Prepared),
                }
            }
            _ => classes.push(self.effect(statement)),
        }
    }

    /// Its class with the functions the settings vouch for taken as harmless.
    fn effect(&self, statement: &Statement) -> Class {
        let vouched = |function: &str| self.rules.vouches_for(function);
        match statement.inner {
            Some(inner) => inner.max(statement.class_allowing(vouched)),
            None => statement.class_allowing(vouched),
        }
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

    fn decision(&self, heaviest: Heaviest, prepares: bool) -> Decision {
        let code = heaviest.class.name();
        let decision = match heaviest.answer {
            Answer::Deny => Decision::deny(code, reason(heaviest.class)),
            Answer::Hold if !prepares => Decision::hold(code, reason(heaviest.class)),
            Answer::Hold | Answer::Allow => Decision::allow(),
        };
        decision.tag("sql-class", code)
    }
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
        match guard.judge(&operation(kind, text)).verdict {
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

    #[test]
    fn execute_is_what_was_prepared_and_never_less() {
        let mut guard = guard("{}");
        assert_eq!(answer(&mut guard, "sql.query", "execute x"), "deny unknown");
        assert_eq!(answer(&mut guard, "sql.query", "prepare x as delete from t"), "allow");
        assert_eq!(answer(&mut guard, "sql.query", "execute x"), "hold bulk-write");
        // Whether this one succeeds is not known here.
        assert_eq!(answer(&mut guard, "sql.query", "prepare x as select 1"), "allow");
        assert_eq!(answer(&mut guard, "sql.query", "execute x"), "hold bulk-write");
        assert_eq!(answer(&mut guard, "sql.query", "prepare y as select 1; execute y"), "allow");
        assert_eq!(
            answer(&mut guard, "sql.query", "prepare z as select my_function(1)"),
            "deny function-call"
        );
    }

    #[test]
    fn a_protocol_level_statement_is_known_by_its_name_too() {
        let mut guard = guard("{}");
        let mut parse = operation("sql.prepare", "delete from t");
        parse.attributes.push(Attribute::new("statement-name", "s1"));
        assert!(matches!(guard.judge(&parse).verdict, Verdict::Allow));
        assert_eq!(answer(&mut guard, "sql.query", "execute s1"), "hold bulk-write");
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
