//! The settings as a list of `key: value`, the same for everyone who compares or sums them up.
//!
//! Every struct is taken apart with all its fields named, so a new setting does not compile until it is listed
//! here: it cannot be forgotten in the difference between two configurations, nor in the digest.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use super::{
    Admin, Audit, Auth, ClientAuthorities, Credential, HttpResource, HttpServer, HttpUpstream, Limits,
    ListenerTls, Log, Mode, OwnCertificate, Plugin, PluginLimits, PostgresUpstream, Program, Resource,
    ResourceKind, Secret, Server, Settings, Variable,
};
use crate::units::{show_duration, show_size};
use crate::users::User;

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    Plain(String),
    /// A secret, or a text with secrets in it, and what may be shown instead.
    Hidden {
        secret: Secret,
        shown: String,
    },
}

/// All settings and users, by key: `resource.customers.listen`.
pub(crate) type Facts = BTreeMap<String, Fact>;

impl Fact {
    /// The value, or what is shown instead of a secret.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Hidden { shown: text, .. } => text,
        }
    }
}

struct Section<'f> {
    facts: &'f mut Facts,
    path: String,
}

pub(crate) fn of(settings: &Settings, users: &[User]) -> Facts {
    let mut facts = Facts::new();
    let Settings { server, log, admin, audit, limits, resources, plugins } = settings;
    Section::new(&mut facts, "server").server(server);
    Section::new(&mut facts, "log").log(log);
    Section::new(&mut facts, "admin").admin(admin);
    Section::new(&mut facts, "audit").audit(audit);
    Section::new(&mut facts, "limits").limits(limits);
    for resource in resources {
        Section::new(&mut facts, format!("resource.{}", resource.name)).resource(resource);
    }
    for (name, plugin) in plugins {
        Section::new(&mut facts, format!("plugin.{name}")).plugin(plugin);
    }
    for user in users {
        Section::new(&mut facts, format!("user.{}", user.name)).user(user);
    }
    facts
}

impl<'f> Section<'f> {
    fn new(facts: &'f mut Facts, path: impl Into<String>) -> Self {
        Self { facts, path: path.into() }
    }

    fn server(mut self, server: &Server) {
        let Server { plugins, state, users, plugin_keys, drain_timeout, max_sessions, max_inspected_bytes } =
            server;
        self.path("plugins", plugins);
        self.path("state", state);
        self.path("users", users);
        self.list("plugin_keys", plugin_keys);
        self.put("drain_timeout", show_duration(*drain_timeout));
        self.put("max_sessions", max_sessions.to_string());
        self.put("max_inspected_bytes", show_size(*max_inspected_bytes));
    }

    fn log(mut self, log: &Log) {
        let Log { format, filter } = log;
        self.word("format", format);
        self.put("level", filter.clone());
    }

    fn admin(mut self, admin: &Admin) {
        let Admin { listen } = admin;
        self.put("listen", listen.to_string());
    }

    fn audit(mut self, audit: &Audit) {
        let Audit { queue_records, queue_bytes, patience } = audit;
        self.put("queue_records", queue_records.to_string());
        self.put("queue_bytes", show_size(*queue_bytes));
        self.put("patience", show_duration(*patience));
    }

    fn limits(mut self, limits: &Limits) {
        let Limits {
            login_timeout,
            idle_timeout,
            approval_timeout,
            max_operation_bytes,
            max_answer_bytes,
            buffer_bytes,
            max_sessions_per_user,
        } = limits;
        self.put("login_timeout", show_duration(*login_timeout));
        self.put("idle_timeout", show_duration(*idle_timeout));
        self.put("approval_timeout", show_duration(*approval_timeout));
        self.put("max_operation_bytes", show_size(*max_operation_bytes));
        self.put("max_answer_bytes", show_size(*max_answer_bytes));
        self.put("buffer_bytes", show_size(*buffer_bytes));
        self.put("max_sessions_per_user", max_sessions_per_user.to_string());
    }

    fn resource(mut self, resource: &Resource) {
        let Resource { name: _, kind, listen, tls, allow, reviewers, pipeline, fallback, limits } = resource;
        self.put("protocol", resource.protocol().as_word().to_owned());
        self.put("listen", listen.to_string());
        if let Some(ListenerTls { certificate, key, contents, required, clients }) = tls {
            self.path("tls.certificate", certificate);
            self.path("tls.key", key);
            self.put("tls.contents", contents.to_string());
            self.put("tls.required", required.to_string());
            if let Some(ClientAuthorities { ca, crl, contents, proof }) = clients {
                self.path("tls.client_ca", ca);
                self.put("tls.client_ca.contents", contents.to_string());
                self.word("tls.client_certificates", proof);
                if let Some(crl) = crl {
                    self.path("tls.client_crl", crl);
                }
            }
        }
        match kind {
            ResourceKind::Postgres(upstream) => self.postgres(upstream),
            ResourceKind::Http(http) => self.http(http),
        }
        self.list("allow", allow);
        self.list("reviewers", reviewers);
        self.list("pipeline", pipeline);
        self.word("default", fallback);
        let path = format!("{}.limits", self.path);
        Section::new(self.facts, path).limits(limits);
    }

    fn postgres(&mut self, upstream: &PostgresUpstream) {
        let PostgresUpstream { endpoint, user, password, database, databases, tls, ca, ca_contents, shown } =
            upstream;
        self.put("upstream.address", endpoint.to_string());
        self.put("upstream.user", user.clone());
        self.put("upstream.database", database.clone());
        self.put("upstream.sslmode", tls.as_word().to_owned());
        self.list("databases", databases);
        if let Some(ca) = ca {
            self.path("upstream_ca", ca);
        }
        if let Some(contents) = ca_contents {
            self.put("upstream_ca.contents", contents.to_string());
        }
        if let Some(password) = password {
            self.secret("password", password);
        }
        self.own_certificate(shown.as_ref());
    }

    fn own_certificate(&mut self, shown: Option<&OwnCertificate>) {
        if let Some(OwnCertificate { certificate, contents, key, key_file: _ }) = shown {
            self.path("upstream_certificate", certificate);
            self.put("upstream_certificate.contents", contents.to_string());
            self.secret("upstream_key", key);
        }
    }

    fn http(&mut self, http: &HttpResource) {
        let HttpResource { hosts, path_prefix, strip_prefix, auth, cookies, upstream } = http;
        let Auth { bearer, basic } = auth;
        self.list("hosts", hosts);
        self.put("path_prefix", path_prefix.clone());
        self.put("strip_prefix", strip_prefix.to_string());
        let words = [(*bearer, "bearer"), (*basic, "basic")];
        self.list("auth", &words.iter().filter_map(|(on, word)| on.then_some(*word)).collect::<Vec<_>>());
        self.word("cookies", cookies);
        match upstream {
            HttpUpstream::Server(server) => self.http_server(server),
            HttpUpstream::Program(program) => self.program(program),
        }
    }

    fn http_server(&mut self, server: &HttpServer) {
        let HttpServer { endpoint, tls, base, ca, ca_contents, shown, http2, credential } = server;
        self.own_certificate(shown.as_deref());
        self.put("upstream.address", endpoint.to_string());
        self.put("upstream.tls", tls.to_string());
        self.put("upstream.base", base.clone());
        self.put("http2", http2.as_word().to_owned());
        if let Some(ca) = ca {
            self.path("upstream_ca", ca);
        }
        if let Some(contents) = ca_contents {
            self.put("upstream_ca.contents", contents.to_string());
        }
        match credential {
            None => {}
            Some(Credential::Bearer(token)) => self.secret("credential.bearer", token),
            Some(Credential::Basic { user, password }) => {
                self.put("credential.basic.user", user.clone());
                self.secret("credential.basic.password", password);
            }
            Some(Credential::Header { name, value }) => {
                self.put("credential.header", name.clone());
                self.secret("credential.value", value);
            }
        }
    }

    fn program(&mut self, program: &Program) {
        let Program { command, env, cwd, memory } = program;
        self.put("upstream.command", format!("{command:?}"));
        for (name, value) in env {
            let key = format!("upstream.env.{name}");
            match value {
                Variable::Plain(text) => self.put(&key, text.clone()),
                Variable::Secret(secret) => self.secret(&key, secret),
            }
        }
        if let Some(cwd) = cwd {
            self.path("upstream.cwd", cwd);
        }
        self.put("upstream.memory", show_size(*memory));
    }

    fn plugin(mut self, plugin: &Plugin) {
        let Plugin { file, settings, capabilities, http, failure_mode, mode, limits } = plugin;
        let PluginLimits { memory_bytes, call_time, output_bytes, start_time } = limits;
        self.path("file", file);
        let json = Secret::new(settings.to_json().as_str(), "settings");
        self.hidden("settings", json, settings.to_json_without_secrets());
        self.list(
            "capabilities",
            &capabilities.iter().map(|capability| capability.as_word()).collect::<Vec<_>>(),
        );
        self.list("http", http);
        self.word("failure_mode", failure_mode);
        self.put("mode", mode.as_word().to_owned());
        if let Some(of) = mode.of() {
            self.put("of", of.to_string());
        }
        if let Mode::Canary { share, .. } = mode {
            self.put("share", share.to_string());
        }
        for (key, size) in [("limits.memory", memory_bytes), ("limits.output", output_bytes)] {
            size.iter().for_each(|size| self.put(key, show_size(*size)));
        }
        for (key, time) in [("limits.call_time", call_time), ("limits.start_time", start_time)] {
            time.iter().for_each(|time| self.put(key, show_duration(*time)));
        }
    }

    fn user(mut self, user: &User) {
        let User { name: _, kind, groups, on_behalf_of, password, tokens, certificates, disabled, expires } =
            user;
        self.put("kind", kind.as_word().to_owned());
        self.list("groups", groups);
        self.put("tokens", tokens.to_string());
        self.list("certificates", certificates);
        self.put("disabled", disabled.to_string());
        if let Some(owner) = on_behalf_of {
            self.put("on_behalf_of", owner.clone());
        }
        if let Some(password) = password {
            self.hidden("password", password.clone(), "[verifier]".to_owned());
        }
        if let Some(moment) = expires {
            let seconds = moment.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            self.put("expires", format!("{seconds} s after 1970"));
        }
    }

    fn put(&mut self, key: &str, value: String) {
        self.facts.insert(format!("{}.{key}", self.path), Fact::Plain(value));
    }

    fn hidden(&mut self, key: &str, secret: Secret, shown: String) {
        self.facts.insert(format!("{}.{key}", self.path), Fact::Hidden { secret, shown });
    }

    fn secret(&mut self, key: &str, secret: &Secret) {
        self.hidden(key, secret.clone(), format!("[{}]", secret.origin()));
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.put(key, path.display().to_string());
    }

    /// The word of the file: our variants are called as in the file, but for the capital.
    fn word(&mut self, key: &str, variant: &impl Debug) {
        self.put(key, format!("{variant:?}").to_lowercase());
    }

    fn list<T: ToString>(&mut self, key: &str, values: &[T]) {
        self.put(key, values.iter().map(T::to_string).collect::<Vec<_>>().join(", "));
    }
}
