//! The settings of a plugin: any TOML that JSON can say, with secrets fetched.
//!
//! Which keys there are is the plugin's business: the host compares the JSON with the plugin's schema and asks
//! [`Config::locate`](crate::Config::locate) where a wrong one stands.

use super::Context;
use crate::document::{Node, Value};
use crate::problem::code;
use crate::secret::{self, Secret};
use crate::settings::Setting;

/// The value below `key`; `None`, and reported, when JSON or the secret's source cannot say it.
pub(super) fn setting(key: Option<&str>, node: &Node, context: Context<'_>) -> Option<Setting> {
    let report = context.report;
    let names_secret = key.is_some_and(secret::is_name_of_secret);
    if secret::has_shape(node) && names_secret {
        let reference = secret::reference_in(node, report).flatten()?;
        return secret::resolve(&reference, context.folder, context.outside, report).map(Setting::Secret);
    }
    Some(match &node.value {
        Value::Text(_) if key.is_some_and(secret::literal_is_suspicious) => {
            secret::refuse_literal(key.unwrap_or_default(), node, report);
            return None;
        }
        Value::Text(text) if secret::password_in_url(text).is_some() => {
            secret::hide(node, report);
            let what = key.map_or("this URL".to_owned(), |key| format!("`{key}`"));
            let message = format!("{what} holds a secret written into this file");
            report
                .warning(code::SETTING_SECRET, node.span, message)
                .help("take the password out of the URL, if the plugin has a key of its own for it");
            Setting::Secret(Secret::new(text.as_str(), "the configuration itself"))
        }
        Value::Text(text) | Value::Date(text) => Setting::Text(text.clone()),
        Value::Boolean(flag) => Setting::Boolean(*flag),
        Value::Integer(number) => {
            Setting::Integer(i64::try_from(*number).ok().or_else(|| not_json(node, context))?)
        }
        Value::Float(number) => Setting::Float(
            Some(*number).filter(|number| number.is_finite()).or_else(|| not_json(node, context))?,
        ),
        Value::List(nodes) => {
            let settings: Vec<Option<Setting>> =
                nodes.iter().map(|node| setting(None, node, context)).collect();
            Setting::List(settings.into_iter().collect::<Option<_>>()?)
        }
        Value::Table(entries) => {
            if let Some(key) = key
                && secret::has_shape(node)
            {
                let message =
                    format!("`{key}` looks like a reference to a secret, and the plugin gets it as it is");
                report.warning(code::SETTING_REFERENCE, node.span, message).help(
                    "only keys named `…_key`, `…_secret`, `…_token` or `…password` are replaced by the secret",
                );
            }
            let settings: Vec<Option<(String, Setting)>> = entries
                .iter()
                .map(|entry| {
                    let key = &entry.key.value;
                    setting(Some(key), &entry.node, context).map(|setting| (key.clone(), setting))
                })
                .collect();
            Setting::Table(settings.into_iter().collect::<Option<_>>()?)
        }
    })
}

fn not_json<T>(node: &Node, context: Context<'_>) -> Option<T> {
    context
        .report
        .error(
            code::SETTING_NUMBER,
            node.span,
            "plugins get their settings as JSON, which has no such number",
        )
        .help("whole numbers have at most 64 bits, and others are finite");
    None
}
