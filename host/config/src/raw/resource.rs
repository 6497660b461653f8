//! `[[resource]]` as written.

use std::net::SocketAddr;

use weir_model::{Grantee, PluginName};

use super::http::{self, Http};
use super::{Limits, Program, names};
use crate::document::{At, Fields, Span, Wanted};
use crate::problem::code;
use crate::secret::{self, Reference};
use crate::settings::{ClientProof, Fallback, Protocol};

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) name: Option<At<String>>,
    pub(crate) protocol: Option<At<Protocol>>,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) tls: Option<ListenerTls>,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) upstream_ca: Option<At<String>>,
    pub(crate) upstream_certificate: Option<At<String>>,
    pub(crate) upstream_key: Option<At<Reference>>,
    /// Where `upstream_key` is, good or not.
    pub(crate) upstream_key_key: Option<Span>,
    pub(crate) password: Option<At<Reference>>,
    pub(crate) databases: Option<At<Vec<At<String>>>>,
    pub(crate) http: Http,
    pub(crate) allow: Option<At<Vec<At<Grantee>>>>,
    pub(crate) reviewers: Option<At<Vec<At<Grantee>>>>,
    pub(crate) pipeline: Option<At<Vec<At<PluginName>>>>,
    pub(crate) default: Option<At<Fallback>>,
    pub(crate) limits: Limits,
    /// `tls` is there, good or not: no need to say that it is missing.
    pub(crate) mentions_tls: bool,
}

/// A text, or a table where the protocol lets it be a program.
#[derive(Debug)]
pub(crate) enum Upstream {
    Url(At<String>),
    Program(Program),
}

#[derive(Debug)]
pub(crate) struct ListenerTls {
    pub(crate) certificate: Option<At<String>>,
    pub(crate) key: Option<At<String>>,
    pub(crate) required: Option<At<bool>>,
    pub(crate) client_ca: Option<At<String>>,
    pub(crate) client_crl: Option<At<String>>,
    pub(crate) client_certificates: Option<At<ClientProof>>,
    /// `client_ca` is there, good or not.
    pub(crate) mentions_client_ca: bool,
}

const POSTGRES_EXAMPLES: &[(&str, &str)] = &[
    ("name", "name = \"customers\""),
    ("protocol", "protocol = \"postgres\""),
    ("listen", "listen = \"127.0.0.1:6432\""),
    ("upstream", "upstream = \"postgres://app@db.internal:5432/customers\""),
    ("allow", "allow = [\"group:engineers\"]"),
    ("pipeline", "pipeline = [\"postgres\"]"),
];

const HTTP_EXAMPLES: &[(&str, &str)] = &[
    ("name", "name = \"crm\""),
    ("listen", "listen = \"127.0.0.1:8443\""),
    ("upstream", "upstream = \"https://api.internal:8443/base\""),
    ("allow", "allow = [\"group:engineers\"]"),
    ("pipeline", "pipeline = [\"http-api\"]"),
];

/// Keys of the protocol `postgres` only, and what there is instead.
const NOT_OF_HTTP: [(&str, &str); 2] = [
    ("password", "write `credential = { bearer = { env = \"NAME\" } }`, or `basic`, or a `header`"),
    ("databases", "`path_prefix` and `hosts` say what clients reach"),
];

const FALLBACKS: [(&str, Fallback); 2] = [("deny", Fallback::Deny), ("allow", Fallback::Allow)];

impl Resource {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let report = fields.report();
        let protocol = fields.word("protocol", &Protocol::WORDS);
        let is_http = protocol.as_ref().is_some_and(|at| at.value == Protocol::Http);
        for (key, example) in if is_http { HTTP_EXAMPLES } else { POSTGRES_EXAMPLES } {
            fields.require(key, example);
        }
        if is_http {
            for (key, help) in NOT_OF_HTTP {
                fields.refuse(key, "the protocol http", help);
            }
        } else {
            for key in http::KEYS {
                match protocol {
                    Some(_) => fields.refuse(key, "the protocol postgres", "`protocol = \"http\"` has it"),
                    None => fields.pass_over(key),
                }
            }
        }
        let resource = Self {
            name: fields.text("name").and_then(|name| names::name("resource", name, report)),
            listen: names::address(&mut fields, "listen"),
            mentions_tls: fields.take("tls").is_some(),
            tls: fields.table("tls").map(ListenerTls::read),
            upstream: upstream(&mut fields, is_http),
            upstream_ca: fields.text("upstream_ca"),
            upstream_certificate: fields.text("upstream_certificate"),
            upstream_key_key: fields.take("upstream_key").map(|entry| entry.key.span),
            upstream_key: fields.take("upstream_key").and_then(|entry| secret::read(entry, report)),
            password: match is_http {
                true => None,
                false => fields.take("password").and_then(|entry| secret::read(entry, report)),
            },
            databases: if is_http { None } else { fields.different_texts("databases") },
            http: if is_http { Http::read(&mut fields) } else { Http::default() },
            allow: names::grantees(&mut fields, "allow"),
            reviewers: names::grantees(&mut fields, "reviewers"),
            pipeline: fields.texts("pipeline", Wanted::Texts).map(|list| {
                list.map(|names| {
                    let name = |text| names::name("plugin", text, report).map(|at| at.map(PluginName::new));
                    names.into_iter().filter_map(name).collect()
                })
            }),
            default: fields.word("default", &FALLBACKS),
            limits: fields.table("limits").map(Limits::read).unwrap_or_default(),
            protocol,
        };
        if let Some(span) = fields.empty_list("allow") {
            report
                .warning(code::NOBODY_ALLOWED, span, "nobody may open this resource")
                .help("name groups or users: `allow = [\"group:engineers\"]`");
        }
        if let Some(span) = fields.empty_list("pipeline") {
            report.error(code::EMPTY_PIPELINE, span, "an empty pipeline cannot inspect anything").help(
                format!(
                    "begin with the inspector of the protocol: `pipeline = [\"{}\"]`",
                    if is_http { "http-api" } else { "postgres" }
                ),
            );
        }
        fields.finish();
        resource
    }
}

fn upstream(fields: &mut Fields<'_, '_>, may_be_program: bool) -> Option<Upstream> {
    let is_table = fields.take("upstream")?.node.is_table();
    if is_table && may_be_program {
        return fields.table("upstream").map(|fields| Upstream::Program(Program::read(fields)));
    }
    fields.text("upstream").map(Upstream::Url)
}

impl ListenerTls {
    fn read(mut fields: Fields<'_, '_>) -> Self {
        fields.require("certificate", "certificate = \"server.pem\"");
        fields.require("key", "key = \"server.key\"");
        let tls = Self {
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            required: fields.flag("required"),
            mentions_client_ca: fields.take("client_ca").is_some(),
            client_ca: fields.text("client_ca"),
            client_crl: fields.text("client_crl"),
            client_certificates: fields.word("client_certificates", &ClientProof::WORDS),
        };
        fields.finish();
        tls
    }
}
