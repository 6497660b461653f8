//! What is known of a configuration once it is loaded: values, places, differences, its digest.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::Pretend;
use expect_test::{Expect, expect};
use weir_config::settings::{
    Auth, Capability, Cookies, Credential, Endpoint, FailureMode, Fallback, Http2, HttpResource,
    HttpUpstream, PostgresUpstream, Protocol, Resource, ResourceKind, TlsMode, Variable,
};
use weir_config::{Code, Config, Effect, Place, Severity, diff};
use weir_model::{Grantee, PluginName};

const FILE: &str = r#"
[server]
drain_timeout = "5s"

[limits]
idle_timeout = "10m"
max_answer_bytes = "1GiB"

[[resource]]
name = "customers"
protocol = "postgres"
listen = "127.0.0.1:6432"
upstream = "postgres://app%40x@[::1]:5433/cust%2Fomers?sslmode=disable"
password = { command = ["prints", "pass", "word"] }
databases = ["archive"]
allow = ["group:engineers", "user:bob"]
pipeline = ["postgres", "sql-guard"]
default = "allow"
limits = { max_answer_bytes = "2MiB", login_timeout = "3s" }

[plugin.sql-guard]
settings = { hold = ["a", "b"], since = 2026-01-01, nested.api_key = { file = "secret" } }
capabilities = ["clock"]
failure_mode = "open"
limits.memory = 2097152
"#;

fn load(text: &str) -> Config {
    load_in(text, Pretend::new())
}

fn load_in(text: &str, world: Pretend) -> Config {
    let world = world.with_file("weir.toml", text, 0o600);
    weir_config::load(Path::new("weir.toml"), &world).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn settings_are_what_is_written_with_defaults_filled_in() {
    let config = load(FILE);
    let settings = config.settings();
    assert_eq!(settings.server.drain_timeout, Duration::from_secs(5));
    assert_eq!(settings.server.plugins, PathBuf::from("plugins"));
    let resource = &settings.resources[0];
    let upstream = postgres(resource);
    assert_eq!(upstream.endpoint, Endpoint::Tcp { host: "::1".into(), port: 5433 });
    assert_eq!((upstream.user.as_str(), upstream.database.as_str()), ("app@x", "cust/omers"));
    assert_eq!(upstream.tls, TlsMode::Disable);
    assert_eq!(upstream.password.as_ref().unwrap().expose(), "pass word");
    assert_eq!(upstream.databases, ["archive"]);
    assert_eq!(resource.allow, [Grantee::Group("engineers".into()), Grantee::User("bob".into())]);
    assert_eq!(resource.fallback, Fallback::Allow);
    let limits = &resource.limits;
    assert_eq!(
        (limits.login_timeout, limits.idle_timeout),
        (Duration::from_secs(3), Duration::from_secs(600))
    );
    assert_eq!((settings.limits.max_answer_bytes, limits.max_answer_bytes), (1 << 30, 2 << 20));

    let guard = &settings.plugins[&PluginName::new("sql-guard")];
    assert_eq!(guard.file, PathBuf::from("plugins/sql-guard.wasm"));
    assert_eq!(
        &**guard.settings.to_json(),
        r#"{"hold":["a","b"],"nested":{"api_key":"from file"},"since":"2026-01-01"}"#
    );
    assert_eq!(guard.capabilities, [Capability::Clock]);
    assert_eq!((guard.failure_mode, guard.limits.memory_bytes), (FailureMode::Open, Some(2 << 20)));
    // Named by the pipeline only.
    let postgres = &settings.plugins[&PluginName::new("postgres")];
    assert_eq!((&**postgres.settings.to_json(), postgres.failure_mode), ("{}", FailureMode::Closed));
    assert_eq!(config.users().len(), 2);
}

fn postgres(resource: &Resource) -> &PostgresUpstream {
    match &resource.kind {
        ResourceKind::Postgres(upstream) => upstream,
        other => panic!("{other:?}"),
    }
}

fn http(resource: &Resource) -> &HttpResource {
    match &resource.kind {
        ResourceKind::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

const HTTP: &str = r#"
[[resource]]
name = "crm"
protocol = "http"
listen = "127.0.0.1:8443"
hosts = ["localhost:8443", "*.example.com", "api.example.com"]
path_prefix = "/crm"
strip_prefix = true
upstream = "https://API.internal/base"
upstream_ca = "ca.pem"
credential = { basic = { user = "weir", password = { file = "secret" } } }
auth = ["basic"]
cookies = "drop"
http2 = "never"
allow = ["group:engineers"]
pipeline = ["http-api"]

[[resource]]
name = "all"
protocol = "http"
listen = "127.0.0.1:8443"
upstream = "http://localhost:9000/"
credential = { header = "X-Api-Key", value = { env = "DB_PASSWORD" } }
allow = ["group:engineers"]
pipeline = ["http-api"]

[[resource]]
name = "issues"
protocol = "http"
listen = "127.0.0.1:8443"
path_prefix = "/mcp"
upstream = { command = ["npx", "server"], env = { KEY = { env = "DB_PASSWORD" }, LEVEL = "info" }, cwd = "folder", memory = "1GiB" }
allow = ["group:engineers"]
pipeline = ["mcp"]
"#;

#[test]
fn resources_of_http_are_what_is_written_with_defaults_filled_in() {
    let config = load(HTTP);
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    let [crm, all, issues] = config.settings().resources.as_slice() else { panic!() };
    assert_eq!(crm.protocol(), Protocol::Http);
    assert_eq!(crm.upstream_ca(), Some(Path::new("ca.pem")));
    let own = http(crm);
    let hosts: Vec<String> = own.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.example.com", "localhost:8443", "*.example.com"]);
    assert_eq!((own.path_prefix.as_str(), own.strip_prefix), ("/crm", true));
    assert_eq!((own.auth, own.cookies), (Auth { bearer: false, basic: true }, Cookies::Drop));
    let server = own.server().unwrap();
    assert_eq!(server.to_string(), "https://api.internal:443/base");
    assert_eq!((server.tls, server.http2), (true, Http2::Never));
    let Some(Credential::Basic { user, password }) = &server.credential else { panic!() };
    assert_eq!((user.as_str(), password.expose()), ("weir", "from file"));

    let own = http(all);
    assert_eq!((own.hosts.len(), own.path_prefix.as_str(), own.strip_prefix), (0, "/", false));
    assert_eq!((own.auth, own.cookies), (Auth { bearer: true, basic: true }, Cookies::Pass));
    let server = own.server().unwrap();
    assert_eq!((server.to_string().as_str(), server.http2), ("http://localhost:9000", Http2::Auto));
    let Some(Credential::Header { name, value }) = &server.credential else { panic!() };
    assert_eq!((name.as_str(), value.expose()), ("x-api-key", "s3cret"));

    let HttpUpstream::Program(program) = &http(issues).upstream else { panic!() };
    assert_eq!(program.command, ["npx", "server"]);
    assert_eq!((program.cwd.clone(), program.memory), (Some(PathBuf::from("folder")), 1 << 30));
    assert_eq!(program.env["LEVEL"], Variable::Plain("info".into()));
    assert!(matches!(&program.env["KEY"], Variable::Secret(secret) if secret.expose() == "s3cret"));
}

#[test]
fn a_request_belongs_to_the_resource_that_fits_best() {
    let config = load(HTTP);
    let of = |host: &str, path: &str| {
        let fits = config.settings().resources.iter();
        let fits = fits.filter_map(|one| Some((http(one).fits(host, 8443, path)?, one.name.as_str())));
        fits.max_by_key(|(fit, _)| *fit).map(|(_, name)| name.to_owned()).unwrap_or_default()
    };
    assert_eq!(of("api.example.com", "/crm/7"), "crm");
    assert_eq!(of("api.example.com", "/crmx"), "all");
    assert_eq!(of("other.org", "/crm/7"), "all");
    assert_eq!(of("api.example.com", "/mcp"), "issues");
}

#[test]
fn what_changes_in_a_resource_of_http_is_a_difference_and_shows_no_secret() {
    let old = load(HTTP);
    for (before, after, key) in [
        ("\"*.example.com\"", "\"*.example.org\"", "~ resource.crm.hosts"),
        ("strip_prefix = true", "strip_prefix = false", "~ resource.crm.strip_prefix"),
        ("path_prefix = \"/crm\"", "path_prefix = \"/c\"", "~ resource.crm.path_prefix"),
        ("\"basic\"]", "\"bearer\"]", "~ resource.crm.auth"),
        ("\"drop\"", "\"pass\"", "~ resource.crm.cookies"),
        ("\"never\"", "\"auto\"", "~ resource.crm.http2"),
        ("internal/base", "internal/other", "~ resource.crm.upstream.base"),
        ("{ file = \"secret\" }", "{ env = \"DB_PASSWORD\" }", "~ resource.crm.credential.basic.password"),
        ("X-Api-Key", "x-token", "~ resource.all.credential.header"),
        ("\"server\"]", "\"server\", \"-v\"]", "~ resource.issues.upstream.command"),
        ("LEVEL = \"info\"", "LEVEL = \"debug\"", "~ resource.issues.upstream.env.LEVEL"),
        (", cwd = \"folder\"", "", "- resource.issues.upstream.cwd"),
        ("1GiB", "2GiB", "~ resource.issues.upstream.memory"),
    ] {
        let new = load(&HTTP.replacen(before, after, 1));
        let changes: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(changes, [key], "{before}");
    }
    let printed = format!("{old:?} {:?}", old.effective());
    for secret in ["s3cret", "from file"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let world = Pretend::new().with_folder("/etc/weir/plugins").with_file(
        "/etc/weir/weir.toml",
        "[server]\nstate = \"/var/lib/weir\"",
        0o600,
    );
    let config = weir_config::load(Path::new("/etc/weir/weir.toml"), &world).unwrap();
    let server = &config.settings().server;
    assert_eq!(server.users, PathBuf::from("/etc/weir/users.toml"));
    assert_eq!(server.state, PathBuf::from("/var/lib/weir"));
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let literal = FILE.replace("nested.", "dsn = \"amqp://app:hunter2@mq\", nested.");
    let config = load(&literal);
    let printed = format!("{config:?} {:?} {}", config.effective(), config.warnings());
    for secret in ["pass word", "from file", "hunter2"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn a_configuration_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Config>();
    shared::<weir_config::Problems>();
}

#[test]
fn the_users_file_is_found_in_a_broken_configuration() {
    let text = "[server]\nusers = \"people.toml\"\nplugins = 5\n[[resource]]\n";
    let world = Pretend::new().with_file("/x/weir.toml", text, 0o600);
    let found = weir_config::users_file(Path::new("/x/weir.toml"), &world).unwrap();
    assert_eq!(found, PathBuf::from("/x/people.toml"));
    let world = Pretend::new().with_file("weir.toml", "[server]\nusers = 5", 0o600);
    assert!(weir_config::users_file(Path::new("weir.toml"), &world).is_err());
}

#[test]
fn places_are_found_for_others_to_complain_about() {
    let check = |place: Place, expected: Expect| {
        let config = load(FILE);
        let problem = config.problem(Code::new("test"), Severity::Error, &place, place.to_string());
        expected.assert_eq(&problem.to_string());
    };
    let guard = PluginName::new("sql-guard");
    check(
        Place::pipeline(0, 1),
        expect![[r#"
            error[test]: resource.0.pipeline.1
              --> weir.toml:17:25
               |
            17 | pipeline = ["postgres", "sql-guard"]
               |                         ^^^^^^^^^^^"#]],
    );
    check(
        Place::setting(&guard, "/hold/1"),
        expect![[r#"
            error[test]: plugin.sql-guard.settings.hold.1
              --> weir.toml:22:27
               |
            22 | settings = { hold = ["a", "b"], since = 2026-01-01, nested.api_key = { file = "secret" } }
               |                           ^^^"#]],
    );
    // A key that should not be there, and one that is missing.
    check(
        Place::setting(&guard, "/since").key_itself(),
        expect![[r#"
            error[test]: plugin.sql-guard.settings.since
              --> weir.toml:22:33
               |
            22 | settings = { hold = ["a", "b"], since = 2026-01-01, nested.api_key = { file = "secret" } }
               |                                 ^^^^^"#]],
    );
    check(
        Place::plugin(&guard, "file"),
        expect![[r#"
            error[test]: plugin.sql-guard.file
              --> weir.toml:21:1
               |
            21 | [plugin.sql-guard]
               | ^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        Place::setting(&PluginName::new("postgres"), ""),
        expect![[r#"
            error[test]: plugin.postgres.settings
             --> weir.toml"#]],
    );
    check(
        Place::key(["admin", "listen"]),
        expect![[r#"
            error[test]: admin.listen
             --> weir.toml"#]],
    );
    check(
        Place::resource(0, "listen"),
        expect![[r#"
            error[test]: resource.0.listen
              --> weir.toml:12:10
               |
            12 | listen = "127.0.0.1:6432"
               |          ^^^^^^^^^^^^^^^^"#]],
    );
}

#[test]
fn differences_are_named_with_their_effect() {
    let old = load(FILE);
    assert!(diff(&old, &load(&FILE.replace("idle_timeout = \"10m\"", "idle_timeout = \"600s\""))).is_empty());
    let changed = FILE
        .replace("127.0.0.1:6432", "127.0.0.1:6433")
        .replace("[server]", "[admin]\nlisten = \"[::1]:6440\"\n[server]\nstate = \"elsewhere\"")
        .replace("name = \"customers\"", "name = \"clients\"")
        .replace("\"b\"]", "\"c\"]");
    let changes = diff(&old, &load(&changed));
    let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert!(text.contains(&"~ plugin.sql-guard.settings".to_owned()), "{text:?}");
    assert!(text.contains(&"+ resource.clients.listen".to_owned()), "{text:?}");
    assert!(text.contains(&"- resource.customers.listen".to_owned()), "{text:?}");
    assert_eq!(changes.need_restart().collect::<Vec<_>>(), ["admin.listen", "server.state"]);
    assert!(text.contains(&"~ server.state (after a restart)".to_owned()));
}

#[test]
fn another_secret_behind_the_same_reference_is_a_difference_but_not_another_digest() {
    let text = FILE.replace("{ command = [\"prints\", \"pass\", \"word\"] }", "{ env = \"ROTATED\" }");
    let old = load_in(&text, Pretend::new().with_variable("ROTATED", "one"));
    let new = load_in(&text, Pretend::new().with_variable("ROTATED", "two"));
    let changes = diff(&old, &new);
    let keys: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert_eq!(keys, [("resource.customers.password", Effect::NewSessions)]);
    assert_eq!(old.digest(), new.digest());
}

#[test]
fn the_digest_names_what_is_in_effect_not_how_it_is_written() {
    let config = load(FILE);
    assert_eq!(config.digest(), load(&format!("# another comment\n{FILE}")).digest());
    assert_eq!(config.digest(), load(&FILE.replace("\"10m\"", "\"600s\"")).digest());
    assert_ne!(config.digest(), load(&FILE.replace("\"10m\"", "\"601s\"")).digest());
    assert_ne!(config.digest(), load(&FILE.replace("default = \"allow\"", "")).digest());
}
