//! What becomes of requests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;
use common::Host;
use weir_sdk::Operation;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn parameters(operation: &Operation) -> Vec<(&str, &str, Option<&str>)> {
    let each = operation.parameters.iter();
    each.map(|parameter| (&*parameter.name, &*parameter.type_name, parameter.value.as_deref())).collect()
}

#[test]
fn a_request_without_a_body_is_judged_by_its_head() {
    let lines = [("user-agent", "curl/8.0"), ("traceparent", "00-1-2-01"), ("x-agent", "a"), ("cookie", "c")];
    let mut host = Host::new(r#"{"claimed": ["x-agent*"]}"#);
    let asked = host.ask("GET", "/v1/customers/7/orders/8?tag=a%20b&tag=c&q", &lines, None);
    let operation = asked.operation;
    assert!(asked.refusal.is_none());
    assert_eq!((&*operation.kind, &*operation.action), ("http.request", "read"));
    assert_eq!(operation.text, "GET /v1/customers/{id}/orders/{id}");
    assert_eq!(operation.objects, ["/v1/customers/{id}/orders/{id}", "/v1/customers/7/orders/8"]);
    assert_eq!(
        parameters(&operation),
        [
            ("path.id", "string", Some("7")),
            ("path.id[1]", "string", Some("8")),
            ("query.tag", "string", Some("a b")),
            ("query.tag[1]", "string", Some("c")),
            ("query.q", "string", Some("")),
        ]
    );
    assert_eq!(operation.attribute("http-method"), Some("GET"));
    assert_eq!(operation.attribute("http-path"), Some("/v1/customers/7/orders/8"));
    assert_eq!(operation.attribute("http-authority"), Some("api.example.com"));
    let claimed: Vec<_> = operation.claimed.iter().map(|claim| (&*claim.name, &*claim.value)).collect();
    assert_eq!(claimed, [("user-agent", "curl/8.0"), ("traceparent", "00-1-2-01"), ("x-agent", "a")]);
}

#[test]
fn json_fields_are_parameters_and_every_byte_goes_on() {
    let body = br#"{"items": [{"id": 7, "ok": true, "note": null}], "filter": {}, "name": "a\u0040b"}"#;
    let asked = Host::new("{}").ask("POST", "/v1/orders", JSON, Some(body));
    assert_eq!(asked.forwarded, body);
    assert_eq!(asked.operation.action, "write");
    assert_eq!(
        parameters(&asked.operation),
        [
            ("body.items[0].id", "number", Some("7")),
            ("body.items[0].ok", "boolean", Some("true")),
            ("body.items[0].note", "null", None),
            ("body.filter", "object", Some("{}")),
            ("body.name", "string", Some("a@b")),
        ]
    );
}

#[test]
fn other_bodies_are_parameters_too() {
    let ask = |content_type: &str, body: &[u8]| {
        let asked = Host::new("{}").ask("POST", "/x", &[("content-type", content_type)], Some(body));
        assert!(asked.refusal.is_none(), "{content_type}: {:?}", asked.refusal);
        asked.operation
    };
    let form = ask("application/x-www-form-urlencoded; charset=UTF-8", b"a=1+2&a=%C3%A9");
    assert_eq!(
        parameters(&form),
        [("body.a", "string", Some("1 2")), ("body.a[1]", "string", Some("\u{e9}"))]
    );
    let text = ask("text/plain", b"hello\n");
    assert_eq!(parameters(&text), [("body", "text", Some("hello\n"))]);
    let lines = ask("application/x-ndjson", b"{\"index\": {}}\n\n[1]\r\n");
    assert_eq!(
        parameters(&lines),
        [("body[0].index", "object", Some("{}")), ("body[1][0]", "number", Some("1"))]
    );
    let scalar = ask("application/json", b"7");
    assert_eq!(parameters(&scalar), [("body", "number", Some("7"))]);
    let nothing = ask("application/json", b"");
    assert_eq!(parameters(&nothing), []);
}

#[test]
fn a_body_that_cannot_be_judged_is_refused_unless_the_settings_allow_it() {
    let files = [("content-type", "multipart/form-data; boundary=x")];
    for lines in [&files[..], &[], &[("content-type", "application/octet-stream")], &[("content-type", "?")]]
    {
        let asked = Host::new("{}").ask("POST", "/files", lines, Some(b"--x"));
        assert_eq!(asked.refusal.unwrap().code, "unseen-body");
        assert!(asked.forwarded.is_empty());
        assert_eq!(asked.operation.attribute("http-body"), Some("unseen"));
        assert_eq!(asked.operation.text, "POST /files");
    }
    let asked = Host::new(r#"{"unseen_bodies": "allow"}"#).ask("POST", "/files", &files, Some(b"--x"));
    assert!(asked.refusal.is_none());
    assert_eq!(asked.forwarded, b"--x");
    assert_eq!(asked.operation.attribute("http-body"), Some("unseen"));
}

#[test]
fn what_servers_read_differently_is_refused() {
    let utf16 = [("content-type", "application/json; charset=utf-16")];
    let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let text = [("content-type", "text/plain")];
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a [u8]>, &'a str);
    let cases: [Case<'_>; 41] = [
        ("GET", "/a/../b", &[], None, "malformed-path"),
        ("GET", "//a", &[], None, "malformed-path"),
        ("GET", "/a%2fb", &[], None, "malformed-path"),
        ("GET", "*", &[], None, "malformed-path"),
        ("GET", "/a?b=%zz", &[], None, "malformed-query"),
        ("GET", "/a?b=%00", &[], None, "malformed-query"),
        ("GET", "/a?b=%ff", &[], None, "malformed-query"),
        ("GET", "/a?b c", &[], None, "malformed-query"),
        ("G ET", "/a", &[], None, "malformed-head"),
        ("POST", "/a", &[("x-http-method-override", "DELETE")], None, "malformed-head"),
        ("GET", "/a", &[("x-original-url", "/admin")], None, "malformed-head"),
        ("POST", "/a", &twice, Some(b"{}"), "malformed-head"),
        ("POST", "/a?_method=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?.method=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?+_method=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?_method[]=DELETE", &[], None, "malformed-body"),
        ("POST", "/a", &form, Some(b"_method=DELETE"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"a\":1,\"_method\":\"DELETE\"}"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"\\u005fmethod\":[\"DELETE\"]}"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"_method\":{\"a\":\"DELETE\"}}"), "malformed-body"),
        ("POST", "/a", &[("x_http_method_override", "DELETE")], None, "malformed-head"),
        ("GET", "/a", &[("x-original_url", "/admin")], None, "malformed-head"),
        ("POST", "/a?_METHOD=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?_Method[]=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?a=1;_method=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?a=1;+%5fmethod=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?a=1&amp;_method=DELETE", &[], None, "malformed-body"),
        ("POST", "/a?X-HTTP-Method-Override=DELETE", &[], None, "malformed-body"),
        ("POST", "/a", &form, Some(b"_METHOD=DELETE"), "malformed-body"),
        ("POST", "/a", &form, Some(b"a=1;_method=DELETE"), "malformed-body"),
        ("POST", "/a", &form, Some(b"x-method-override=DELETE"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"_METHOD\":\"DELETE\"}"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"X-HTTP-Method\":\"DELETE\"}"), "malformed-body"),
        ("POST", "/a", &[("x_HTTP_method.override", "DELETE")], None, "malformed-head"),
        ("GET", "/a?b=1;c=2", &[], None, "malformed-query"),
        ("POST", "/a", &form, Some(b"b=1;c=2"), "malformed-body"),
        ("POST", "/a", &form, Some(b"a=%g"), "malformed-body"),
        ("POST", "/a", JSON, Some(b"{\"a\":1,\"a\":2}"), "malformed-json"),
        ("POST", "/a", JSON, Some(b"\xef\xbb\xbf{}"), "malformed-json"),
        ("POST", "/a", &utf16, Some(b"{}"), "unknown-charset"),
        ("POST", "/a", &text, Some(b"\xff"), "malformed-body"),
    ];
    for (method, path, lines, body, code) in cases {
        let asked = Host::new("{}").ask(method, path, lines, body);
        assert_eq!(asked.refusal.map(|fault| fault.code).as_deref(), Some(code), "{method} {path} {body:?}");
        assert!(asked.forwarded.is_empty());
    }
}

#[test]
fn a_field_that_is_only_called_like_a_method_passes() {
    let body = br#"{"a": {"_method": "DELETE"}, "_methods": 1, "_method.x": 2, "METHOD": 3}"#;
    let asked = Host::new("{}").ask("POST", "/a?method=x&_methods=y&b=c%3B_method=z", JSON, Some(body));
    assert_eq!((asked.refusal.is_none(), asked.forwarded), (true, body.to_vec()));
}

#[test]
fn a_semicolon_that_is_allowed_is_shown_as_both_kinds_of_servers_read_it() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut host = Host::new(r#"{"query_semicolons": true}"#);
    let asked = host.ask("POST", "/x?a=1;b=2&b=3", &form, Some(b"c=%3B;d"));
    assert_eq!((asked.refusal.is_none(), &*asked.forwarded), (true, &b"c=%3B;d"[..]));
    let shown: Vec<_> = parameters(&asked.operation).iter().map(|(name, _, value)| (*name, *value)).collect();
    assert_eq!(
        shown,
        [
            ("query.a", Some("1;b=2")),
            ("query.b", Some("3")),
            ("query.a[1]", Some("1")),
            ("query.b[1]", Some("2")),
            ("body.c", Some(";;d")),
            ("body.c[1]", Some(";")),
            ("body.d", Some("")),
        ]
    );
    for (path, body) in [("/x?a=1;_method=DELETE", &b"a=1"[..]), ("/x", &b"a;_METHOD=DELETE"[..])] {
        assert_eq!(host.ask("POST", path, &form, Some(body)).refusal.unwrap().code, "malformed-body");
    }
}

#[test]
fn too_much_to_judge_is_refused() {
    let many = format!("[{}0]", "0,".repeat(10_000));
    let asked = Host::new("{}").ask("POST", "/a", JSON, Some(many.as_bytes()));
    assert_eq!(asked.refusal.unwrap().code, "too-many-values");
    let long = format!("{{\"{}\": 1}}", "k".repeat(2000));
    let asked = Host::new("{}").ask("POST", "/a", JSON, Some(long.as_bytes()));
    assert_eq!(asked.refusal.unwrap().code, "too-many-values");
    let query = format!("/a?{}", "a&".repeat(10_001));
    let asked = Host::new("{}").ask("GET", &query, &[], None);
    assert_eq!(asked.refusal.unwrap().code, "too-many-values");
}

#[test]
fn settings_name_paths_and_actions() {
    let settings = r#"{
        "paths": ["/v1/customers/{customer}/orders/{order}"],
        "actions": [{"methods": ["POST"], "path": "/v1/**/search", "action": "read"}]
    }"#;
    let mut host = Host::new(settings);
    let asked = host.ask("DELETE", "/v1/customers/ann/orders/last", &[], None).operation;
    assert_eq!(asked.text, "DELETE /v1/customers/{customer}/orders/{order}");
    assert_eq!(parameters(&asked)[0], ("path.customer", "string", Some("ann")));
    assert_eq!(parameters(&asked)[1], ("path.order", "string", Some("last")));
    let asked = host.ask("POST", "/v1/customers/search", JSON, Some(b"{}")).operation;
    assert_eq!(asked.action, "read");
}

#[test]
fn encoded_letters_do_not_hide_a_path() {
    let asked = Host::new("{}").ask("GET", "/%61dmin/", &[], None).operation;
    assert_eq!(asked.text, "GET /admin");
    assert_eq!(asked.objects, ["/admin"]);
    assert_eq!(asked.attribute("http-path"), Some("/admin"));
}

#[test]
fn parts_are_not_asked_for_while_values_are_masked() {
    let lines = [("range", "bytes=5-"), ("if-range", "x")];
    let asked = Host::new("{}").ask("GET", "/a", &lines, None);
    let taken_out = [("range".to_owned(), String::new()), ("if-range".to_owned(), String::new())];
    assert_eq!(asked.headers, taken_out);
    assert_eq!(Host::with("{}", false).ask("GET", "/a", &lines, None).headers, []);
}

#[test]
fn a_move_or_copy_asks_for_its_destination_too() {
    for destination in ["/admin/7", "https://api.example.com/admin/7", "http://else.example/admin/7/"] {
        let asked = Host::new("{}").ask("MOVE", "/customers", &[("destination", destination)], None);
        assert!(asked.refusal.is_none(), "{destination}");
        assert_eq!(asked.operation.objects, ["/customers", "/admin/{id}", "/admin/7"]);
    }
    for destination in ["admin", "//else/admin", "/x/../admin", "/a?b", "", "/%2e%2e/admin"] {
        let asked = Host::new("{}").ask("copy", "/customers", &[("destination", destination)], None);
        assert!(asked.refusal.is_some(), "{destination}");
    }
    let asked = Host::new("{}").ask("GET", "/trips", &[("destination", "Rome")], None);
    assert_eq!(asked.operation.objects, ["/trips"]);
}

#[test]
fn a_number_with_an_exponent_is_written_out_for_the_trail() {
    let asked = Host::new("{}").ask("POST", "/v1/orders", JSON, Some(br#"{"card": 4.111111111111111e15}"#));
    assert_eq!(parameters(&asked.operation), [("body.card", "number", Some("4111111111111111"))]);
}
