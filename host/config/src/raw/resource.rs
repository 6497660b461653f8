//! `[[resource]]` as written.

use std::net::SocketAddr;

use weir_model::{Grantee, PluginName};

use super::{Limits, names};
use crate::document::{At, Fields, Span, Value, Wanted};
use crate::problem::code;
use crate::secret::{self, Reference};
use crate::settings::{Fallback, Protocol};

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) name: Option<At<String>>,
    pub(crate) protocol: Option<At<Protocol>>,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) tls: Option<ListenerTls>,
    pub(crate) upstream: Option<At<String>>,
    pub(crate) upstream_ca: Option<At<String>>,
    pub(crate) password: Option<At<Reference>>,
    pub(crate) databases: Option<At<Vec<At<String>>>>,
    pub(crate) allow: Option<At<Vec<At<Grantee>>>>,
    pub(crate) reviewers: Option<At<Vec<At<Grantee>>>>,
    pub(crate) pipeline: Option<At<Vec<At<PluginName>>>>,
    pub(crate) default: Option<At<Fallback>>,
    pub(crate) limits: Limits,
    /// `tls` is there, good or not: no need to say that it is missing.
    pub(crate) mentions_tls: bool,
}

#[derive(Debug)]
pub(crate) struct ListenerTls {
    pub(crate) certificate: Option<At<String>>,
    pub(crate) key: Option<At<String>>,
    pub(crate) required: Option<At<bool>>,
}

const FALLBACKS: [(&str, Fallback); 2] = [("deny", Fallback::Deny), ("allow", Fallback::Allow)];

impl Resource {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let report = fields.report();
        fields.require("name", "name = \"customers\"");
        fields.require("protocol", "protocol = \"postgres\"");
        fields.require("listen", "listen = \"127.0.0.1:6432\"");
        fields.require("upstream", "upstream = \"postgres://app@db.internal:5432/customers\"");
        fields.require("allow", "allow = [\"group:engineers\"]");
        fields.require("pipeline", "pipeline = [\"postgres\"]");
        let resource = Self {
            name: fields.text("name").and_then(|name| names::name("resource", name, report)),
            protocol: fields.word("protocol", &Protocol::WORDS),
            listen: names::address(&mut fields, "listen"),
            mentions_tls: fields.take("tls").is_some(),
            tls: fields.table("tls").map(ListenerTls::read),
            upstream: fields.text("upstream"),
            upstream_ca: fields.text("upstream_ca"),
            password: fields.take("password").and_then(|entry| secret::read(entry, report)),
            databases: fields.different_texts("databases"),
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
        };
        if let Some(span) = empty_list(&mut fields, "allow") {
            report
                .warning(code::NOBODY_ALLOWED, span, "nobody may open this resource")
                .help("name groups or users: `allow = [\"group:engineers\"]`");
        }
        if let Some(span) = empty_list(&mut fields, "pipeline") {
            report
                .error(code::EMPTY_PIPELINE, span, "an empty pipeline cannot inspect anything")
                .help("begin with the inspector of the protocol: `pipeline = [\"postgres\"]`");
        }
        fields.finish();
        resource
    }
}

/// Where an empty list is written. A list whose entries are all wrong is not empty.
fn empty_list(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Span> {
    let node = &fields.take(key)?.node;
    matches!(&node.value, Value::List(nodes) if nodes.is_empty()).then_some(node.span)
}

impl ListenerTls {
    fn read(mut fields: Fields<'_, '_>) -> Self {
        fields.require("certificate", "certificate = \"server.pem\"");
        fields.require("key", "key = \"server.key\"");
        let tls = Self {
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            required: fields.flag("required"),
        };
        fields.finish();
        tls
    }
}
