//! A policy that uses whatever can be granted, as the statement says: `/* count */`, `/* forget */`, `/* dice */`,
//! `/* ask: PATH */`, `/* ask again and again */`. What came of it is in the trail, as tags. It waits half a second, and ten
//! for paths that begin with `/patient`.

use serde::Deserialize;
use std::time::Duration;
use weir_sdk::Fault;
use weir_sdk::granted::http::Request;
use weir_sdk::granted::{key_value, metrics, random};
use weir_sdk::policy::{Decision, Operation, Policy, SessionInfo};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// an origin
    risk: String,
}

struct Granted {
    risk: String,
    user: String,
}

impl Policy for Granted {
    const NAME: &'static str = "granted";
    const SETTINGS_SCHEMA: &'static str =
        r#"{"type":"object","additionalProperties":false,"properties":{"risk":{"type":"string"}}}"#;
    type Settings = Settings;

    fn open(settings: &Settings, session: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self { risk: settings.risk.clone(), user: session.who.id.clone() })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        let told = operation.text.split_once("/* ").and_then(|(_, rest)| rest.split_once(" */"));
        match told.map_or("", |(told, _)| told) {
            "count" => said(key_value::add(&format!("asked:{}", self.user), 1, None).map(|sum| {
                metrics::count("asked", 1);
                metrics::gauge("last_sum", sum as f64);
                metrics::count("Not A Name", 1);
                sum.to_string()
            })),
            "briefly" => {
                said(key_value::add("brief", 1, Some(Duration::from_millis(1))).map(|sum| sum.to_string()))
            }
            "forget" => said(key_value::delete(&format!("asked:{}", self.user)).map(|()| "gone".to_owned())),
            "fill" => said(fill()),
            "ask again and again" => said(self.ask_again_and_again()),
            "dice" => said(Ok(random::bytes(16).iter().map(|byte| format!("{byte:02x}")).collect())),
            ask => match ask.strip_prefix("ask: ") {
                Some(path) => said(self.ask(path)),
                None => Decision::allow(),
            },
        }
    }
}

impl Granted {
    fn ask(&self, path: &str) -> Result<String, Fault> {
        let url = if path.starts_with('/') { format!("{}{path}", self.risk) } else { path.to_owned() };
        let request = Request::post(url, "text/plain", self.user.as_bytes()).header("x-api-key", "k");
        let ms = if path.starts_with("/patient") { 10_000 } else { 500 };
        let answer = request.within(Duration::from_millis(ms)).send()?;
        Ok(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }
}

impl Granted {
    /// Until somebody has had enough of it.
    fn ask_again_and_again(&self) -> Result<String, Fault> {
        loop {
            match self.ask("/late") {
                Err(fault) if fault.code != "http-timeout" => return Err(fault),
                _ => {}
            }
        }
    }
}

fn fill() -> Result<String, Fault> {
    let value = vec![0; 64 << 10];
    for number in 0..1000 {
        key_value::set(&format!("filler {number}"), &value, None)?;
    }
    Ok("no limit".to_owned())
}

fn said(what: Result<String, Fault>) -> Decision {
    match what {
        Ok(what) => Decision::allow().tag("said", what),
        Err(fault) => Decision::allow().tag("said", fault.code),
    }
}

weir_sdk::export_policy!(Granted);
