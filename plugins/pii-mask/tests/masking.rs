//! Plans, methods, majorities, structured values.

mod common;
use common::{column, masker, one, operation, plan_and_mask};
use weir_plugin_pii_mask::settings::{SCHEMA, Settings};

fn text(settings: &str, cell: &str) -> Option<String> {
    one(settings, column("notes", "public.t", "text"), "select notes from t", cell)
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn what_is_wanted() {
    let wanted = |settings: &str, name: &str, type_name: &str| {
        let plan =
            masker(settings).plan_shape(1, &[column(name, "public.t", type_name)], &operation("select 1"));
        !plan.wanted.is_empty()
    };
    for type_name in [
        "text",
        "varchar",
        "varchar(20)",
        "bpchar",
        "json",
        "jsonb",
        "xml",
        "hstore",
        "_text",
        "text[]",
        "inet",
        "cidr",
        "int8",
        "numeric",
        "",
        "my_domain",
    ] {
        assert!(wanted("{}", "x", type_name), "{type_name}");
    }
    for type_name in
        ["bool", "date", "timestamptz", "time", "float8", "uuid", "bytea", "int2", "int4", "interval"]
    {
        assert!(!wanted("{}", "x", type_name), "{type_name}");
    }
    assert!(
        wanted("{}", "phone", "int4") && wanted("{}", "ssn", "int4") && !wanted("{}", "phone_type", "int4")
    );
    assert!(!wanted(r#"{"detect":[]}"#, "x", "text"));
    for type_name in ["bool", "bytea", "date", "int4"] {
        assert!(wanted(r#"{"detect":[],"columns":["t.x"]}"#, "x", type_name), "{type_name}");
    }
}

#[test]
fn an_idle_masker_wants_nothing() {
    let mut masker = masker(r#"{"detect":[]}"#);
    let columns = [
        column("x", "public.t", "text"),
        common::labelled("statement", "statement"),
        common::labelled("m", "error"),
    ];
    let plan = masker.plan_shape(1, &columns, &operation("select 1"));
    assert!(plan.wanted.is_empty() && plan.rules.is_empty());
    assert!(masker.mask_shape(1, &common::batch(&[])).is_err());
}

#[test]
fn redact() {
    let table = [
        ("ann@example.com", "[EMAIL]"),
        ("write to ann@example.com or call (415) 555-0132.", "write to [EMAIL] or call [PHONE]."),
        ("4111 1111 1111 1111", "[CARD]"),
        ("postgres://app:hunter2@db/x", "postgres://app:[SECRET]@db/x"),
        ("  ann@example.com ", "[EMAIL]"),
        ("nothing here", "nothing here"),
        ("ann@example.com,bob@example.com", "[EMAIL],[EMAIL]"),
        ("", ""),
    ];
    for (cell, expected) in table {
        assert_eq!(text("{}", cell).as_deref(), Some(expected));
    }
}

#[test]
fn partial() {
    let partial = |cell: &str| {
        text(r#"{"method":"partial","detect":["email","phone","card","iban","ssn","ip","secret"]}"#, cell)
            .unwrap()
    };
    assert_eq!(partial("ann@example.com"), "***@example.com");
    assert_eq!(partial("4111 1111 1111 1111"), "****1111");
    assert_eq!(partial("(415) 555-0132"), "****132");
    assert_eq!(partial("536-22-8145"), "****145");
    assert_eq!(partial("DE89 3704 0044 0532 0130 00"), "****3000");
    assert_eq!(partial("AKIAIOSFODNN7EXAMPLE"), "[SECRET]");
    assert_eq!(partial("203.0.113.77"), "[IP]");
    let named = |cell: &str| {
        let settings = r#"{"columns":[{"match":"t.x","method":"partial"}]}"#;
        one(settings, column("x", "public.t", "text"), "select x from t", cell).unwrap()
    };
    assert_eq!(named("Wilhelmina"), "****ina");
    assert_eq!(named("Featherstonehaugh"), "****augh");
    assert_eq!(named("Ann"), "[REDACTED]");
    assert_eq!(named("ann@example.com"), "***@example.com");
    assert_eq!(named("ends in ..."), "[REDACTED]");
}

#[test]
fn hashes_join() {
    let settings = format!(r#"{{"method":"hash","hash_key":"{KEY}","columns":["t.x"]}}"#);
    let free = |cell: &str| text(&settings, cell).unwrap();
    let named =
        |cell: &str| one(&settings, column("x", "public.t", "text"), "select x from t", cell).unwrap();
    let hash = free("ann@example.com");
    assert!(hash.starts_with("email_") && hash.len() == "email_".len() + 16, "{hash}");
    assert_eq!(free("write to Ann@Example.com!"), format!("write to {hash}!"));
    assert_eq!(named("ANN@example.com"), hash);
    assert_eq!(free("4111-1111-1111-1111"), free("4111111111111111"));
    assert_eq!(free("(415) 555-0132"), free("+1 415 555 0132"));
    assert_eq!(free("DE89 3704 0044 0532 0130 00"), free("DE89370400440532013000"));
    assert_ne!(free("ann@example.com"), free("bob@example.com"));
    assert!(named("Ann Lee").starts_with("value_"));
    let other = settings.replace("0123", "9999");
    assert_ne!(text(&other, "ann@example.com").unwrap(), hash);
}

#[test]
fn null() {
    let settings = r#"{"method":"null","columns":["t.x"]}"#;
    assert_eq!(text(settings, "ann@example.com"), None);
    assert_eq!(text(settings, "write to ann@example.com").as_deref(), Some("write to [EMAIL]"));
    assert_eq!(one(settings, column("x", "public.t", "bytea"), "select x from t", "\\x00"), None);
}

#[test]
fn a_method_for_each_kind() {
    let settings = r#"{"method":"redact","methods":{"email":"partial","card":"null"}}"#;
    assert_eq!(text(settings, "ann@example.com").as_deref(), Some("***@example.com"));
    assert_eq!(text(settings, "4111111111111111"), None);
    assert_eq!(text(settings, "536-22-8145").as_deref(), Some("[SSN]"));
}

#[test]
fn faults_of_settings() {
    let fault = |settings: &str| {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        settings.rules().unwrap_err().message
    };
    assert!(fault(r#"{"method":"hash"}"#).contains("hash_key"));
    assert!(fault(r#"{"methods":{"email":"hash"}}"#).contains("hash_key"));
    assert!(fault(r#"{"columns":[{"match":"a.b","method":"hash"}]}"#).contains("hash_key"));
    assert!(fault(r#"{"hash_key":"short","method":"hash"}"#).contains("16"));
    assert!(fault(r#"{"detect":["mail"]}"#).contains("mail"));
    assert!(fault(r#"{"columns":["a..b"]}"#).contains("a..b"));
    assert!(serde_json::from_str::<Settings>(r#"{"colums":[]}"#).is_err());
}

#[test]
fn the_schema_is_json_and_closed() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}");
    }
}

#[test]
fn a_majority_decides_for_the_column() {
    let mut masker = masker("{}");
    let columns = [column("contact", "public.t", "text")];
    let mut cells: Vec<(u16, &str)> = vec![(0, "ann@example.com"); 8];
    cells.extend([(0, "ann(at)example.com"), (0, ""), (0, "bob@example")]);
    let (_, masked) = plan_and_mask(&mut masker, &columns, "select contact from t", &cells);
    assert_eq!(masked[8].as_deref(), Some("[EMAIL]"));
    assert_eq!(masked[9].as_deref(), Some(""));
    assert_eq!(masked[10].as_deref(), Some("[EMAIL]"));
    // sticky for the shape
    let edits = masker.mask_shape(1, &common::batch(&[(0, "carol at example")])).unwrap();
    assert_eq!(edits.cells, [0]);
    // and for the column in this session, in whatever result
    let carol: &[(u16, &str)] = &[(0, "carol at example")];
    let (_, masked) = plan_and_mask(&mut masker, &columns, "select contact from t", carol);
    assert_eq!(masked[0].as_deref(), Some("[EMAIL]"));
    // not for another column, or one without an origin
    for other in [column("contact", "public.u", "text"), column("contact", "", "text")] {
        let (_, masked) = plan_and_mask(&mut masker, &[other], "select contact from u", carol);
        assert_eq!(masked[0].as_deref(), Some("carol at example"));
    }
}

#[test]
fn a_minority_does_not() {
    let cells: Vec<(u16, &str)> =
        (0..20).map(|i| (0, if i % 2 == 0 { "ann@example.com" } else { "plain" })).collect();
    let (_, masked) =
        plan_and_mask(&mut masker("{}"), &[column("c", "public.t", "text")], "select c from t", &cells);
    assert!(masked.iter().skip(1).step_by(2).all(|cell| cell.as_deref() == Some("plain")));
}

#[test]
fn votes_add_up_over_batches() {
    let mut masker = masker("{}");
    masker.plan_shape(1, &[column("c", "public.t", "text")], &operation("select c from t"));
    for _ in 0..8 {
        masker.mask_shape(1, &common::batch(&[(0, "ann@example.com")])).unwrap();
    }
    assert_eq!(masker.mask_shape(1, &common::batch(&[(0, "oops")])).unwrap().cells, [0]);
}

#[test]
fn json() {
    let json = |cell: &str| one("{}", column("doc", "public.t", "jsonb"), "select doc from t", cell).unwrap();
    let table = [
        (r#"{"mail": "ann@example.com", "n": 1}"#, r#"{"mail": "[EMAIL]", "n": 1}"#),
        (r#"{"ssn": "536228145", "id": "536228145"}"#, r#"{"ssn": "[SSN]", "id": "536228145"}"#),
        (r#"{"ssn": 536228145, "id": 536228145}"#, r#"{"ssn": "[SSN]", "id": 536228145}"#),
        (r#"{"card": 4111111111111111}"#, r#"{"card": "[CARD]"}"#),
        (
            r#"{"password": "hunter2", "tokens": 12, "password_set": true}"#,
            r#"{"password": "[SECRET]", "tokens": 12, "password_set": true}"#,
        ),
        (r#"{"phones": ["4155550132", "020 7946 0958"]}"#, r#"{"phones": ["[PHONE]", "[PHONE]"]}"#),
        (r#"{"ann@example.com": 1}"#, r#"{"[EMAIL]": 1}"#),
        (r#"["write to \"ann\u0040example.com\" now"]"#, r#"["write to \"[EMAIL]\" now"]"#),
        (r#"{"a": "x\\ann@example.com"}"#, r#"{"a": "x\\[EMAIL]"}"#),
        (r#""ann@example.com""#, r#""[EMAIL]""#),
        ("null", "null"),
        (
            r#"{"a": 1.5e300, "b": -7, "t": "2024-01-15T10:30:00Z"}"#,
            r#"{"a": 1.5e300, "b": -7, "t": "2024-01-15T10:30:00Z"}"#,
        ),
    ];
    for (cell, expected) in table {
        let masked = json(cell);
        assert_eq!(masked, expected);
        assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
    }
    let named =
        one(r#"{"columns":["t.doc"]}"#, column("doc", "public.t", "json"), "select doc from t", r#"{"a":1}"#);
    assert_eq!(named.as_deref(), Some("\"[REDACTED]\""));
    // JSON in a column of text
    assert_eq!(text("{}", r#"{"ssn": "536228145"}"#).as_deref(), Some(r#"{"ssn": "[SSN]"}"#));
}

#[test]
fn arrays() {
    let array =
        |cell: &str| one("{}", column("tags", "public.t", "_text"), "select tags from t", cell).unwrap();
    let table = [
        ("{ann@example.com,b,NULL}", "{[EMAIL],b,NULL}"),
        (r#"{"write to ann@example.com","x \"y\""}"#, r#"{"write to [EMAIL]","x \"y\""}"#),
        (r#"{{"(415) 555-0132"},{x}}"#, r#"{{"[PHONE]"},{x}}"#),
        ("[0:0]={4111111111111111}", "[0:0]={[CARD]}"),
        ("{}", "{}"),
    ];
    for (cell, expected) in table {
        assert_eq!(array(cell), expected);
    }
    let hinted = one("{}", column("phones", "public.t", "text[]"), "select phones from t", "{4155550132,x}");
    assert_eq!(hinted.as_deref(), Some("{[PHONE],x}"));
    let named =
        one(r#"{"columns":["t.tags"]}"#, column("tags", "public.t", "_text"), "select tags from t", "{a,b}");
    assert_eq!(named.as_deref(), Some("{[REDACTED]}"));
}

#[test]
fn an_alias_changes_nothing() {
    let mut aliased = column("x", "public.customers", "text");
    aliased.source = "full_name".into();
    let settings = r#"{"columns":["customers.full_name"]}"#;
    assert_eq!(
        one(settings, aliased, "select full_name as x from customers", "Ann").as_deref(),
        Some("[REDACTED]")
    );
}

#[test]
fn shapes_are_forgotten() {
    let mut masker = masker("{}");
    masker.plan_shape(3, &[column("c", "public.t", "text")], &operation("select c from t"));
    assert!(masker.mask_shape(3, &common::batch(&[(0, "x")])).is_ok());
    masker.forget_shape(3);
    assert!(masker.mask_shape(3, &common::batch(&[(0, "x")])).is_err());
}

fn spoken_over_http(text: &str) -> weir_sdk::masker::Operation {
    weir_sdk::masker::Operation { kind: "http.request".into(), ..operation(text) }
}

#[test]
fn a_plan_over_http_serves_every_operation_with_the_same_columns() {
    let settings = r#"{"columns":["customers.email"]}"#;
    let reusable = |columns: &[_], operation: &_| masker(settings).plan_shape(1, columns, operation).reusable;
    let (field, statement, parameter) = (
        column("note", "GET /notes", "string"),
        common::labelled("statement", "statement"),
        common::labelled("query.q", "parameter"),
    );
    let all = [field, statement, parameter];
    assert!(reusable(&all, &spoken_over_http("GET /notes")));
    assert!(!reusable(&all, &operation("select email from customers")), "SQL decides what is hidden");
    let computed = [column("note", "", "string")];
    assert!(!reusable(&computed, &spoken_over_http("GET /notes")), "nobody knows where it is from");
}

#[test]
fn the_majority_of_a_column_counts_in_all_its_shapes() {
    let mut masker = masker("{}");
    let (email, other) = (column("email", "GET /people", "string"), column("n", "GET /people", "string"));
    let get = spoken_over_http("GET /people");
    assert!(!masker.plan_shape(1, std::slice::from_ref(&email), &get).wanted.is_empty());
    let plan = masker.plan_shape(2, &[other, email], &get);
    let cells: Vec<_> = (0..8).map(|number| format!("ann{number}@example.com")).collect();
    let cells: Vec<_> = cells.iter().map(|cell| (0, cell.as_str())).collect();
    masker.mask_shape(1, &common::batch(&cells)).unwrap();
    let wrong = [(1, "ann at example")];
    let edits = masker.mask_shape(2, &common::batch(&wrong)).unwrap();
    let masked = common::applied(&wrong, &edits, plan.rules.len());
    assert_ne!(masked[0].as_deref(), Some("ann at example"));
}

#[test]
fn a_parameter_has_no_majority() {
    let mut masker = masker("{}");
    let plan =
        masker.plan_shape(1, &[common::labelled("query.q", "parameter")], &spoken_over_http("GET /people"));
    for number in 0..20 {
        masker.mask_shape(1, &common::batch(&[(0, &format!("ann{number}@example.com"))])).unwrap();
    }
    let plain = [(0, "blue")];
    let edits = masker.mask_shape(1, &common::batch(&plain)).unwrap();
    assert_eq!(common::applied(&plain, &edits, plan.rules.len())[0].as_deref(), Some("blue"));
}
