//! Messages as operations: what a client asks for, and what a server asks of the client.

use crate::head::{Head, attribute};
use crate::message::{Kind, Message, Wrong, code};
use crate::path::{self, Style};
use crate::tree::Node;
use crate::uri;
use weir_sdk::http::{Attribute, Operation, Parameter};

/// Parameters of one operation. More than any tool takes, few enough to be judged and shown.
const MAX_PARAMETERS: usize = 4096;
/// What a client says of itself that is kept, per message.
const MAX_CLAIMED: usize = 32;
/// Longest such text in bytes; longer ones are parameters.
const MAX_CLAIM: usize = 1024;
/// The client says this of itself since 2026-07-28, with every message.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the client can do; no policy needs it.
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a method means. `target` is the parameter that names what it is about.
struct Meaning {
    kind: &'static str,
    action: &'static str,
    target: Option<&'static str>,
}

fn meaning(method: &str) -> Meaning {
    let (kind, action, target) = match method {
        "tools/call" => ("mcp.tool-call", "call", Some("name")),
        "resources/read" => ("mcp.resource-read", "read", Some("uri")),
        "prompts/get" => ("mcp.prompt-get", "read", Some("name")),
        "resources/subscribe" | "resources/unsubscribe" => ("mcp.request", "read", Some("uri")),
        "tools/list" | "resources/list" | "prompts/list" | "resources/templates/list" => {
            ("mcp.request", "read", None)
        }
        "completion/complete" | "tasks/list" | "subscriptions/listen" => ("mcp.request", "read", None),
        "tasks/get" | "tasks/result" => ("mcp.request", "read", Some("taskId")),
        "tasks/cancel" => ("mcp.request", "write", Some("taskId")),
        "initialize" | "ping" | "logging/setLevel" | "server/discover" => ("mcp.request", "session", None),
        _ => ("mcp.request", "unknown", None),
    };
    Meaning { kind, action, target }
}

/// What the text of the operation is: the target itself for these, else the method.
fn is_about_its_target(kind: &str) -> bool {
    kind != "mcp.request"
}

/// The tool, resource, prompt or task that a request is about.
pub fn target<'n>(method: &str, params: Option<&'n Node<'_>>) -> Option<&'n str> {
    meaning(method).target.and_then(|key| params?.member_text(key)).filter(|name| !name.is_empty())
}

/// What a message of the client asks for. `answers`: the method it answers, for a response to a known request.
///
/// # Errors
/// When it lacks what its method needs, or has more parameters than can be judged.
pub fn of_client(message: &Message<'_, '_>, head: &Head, answers: Option<&str>) -> Result<Operation, Wrong> {
    let mut attributes = head.attributes.clone();
    let mut claimed = head.claimed.clone();
    let mut parameters = Parameters::default();
    let (kind, action, text, object) = match &message.kind {
        Kind::Request { id, method } => {
            attributes.push(attribute("mcp-method", method));
            attributes.push(attribute("mcp-request-id", &id.json()));
            let meaning = meaning(method);
            let target = target(method, message.params);
            if let (Some(key), None) = (meaning.target, target) {
                let message = format!("`{method}` needs the parameter `{key}`");
                return Err(Wrong::new(code::INVALID_PARAMS, message));
            }
            if let (Some("uri"), Some(uri)) = (meaning.target, target) {
                uri::check(uri).map_err(|why| {
                    let message = format!("the URI can be read as another one: {why}; write it plainly");
                    Wrong::new(code::INVALID_PARAMS, message)
                })?;
            }
            let own = meaning.target.filter(|_| is_about_its_target(meaning.kind));
            parameters.of_params(message.params, own, &mut claimed)?;
            let text = target.filter(|_| is_about_its_target(meaning.kind)).unwrap_or(method);
            if method == "tools/call" {
                attributes.push(attribute("mcp-tool", text));
            }
            if method == "initialize" {
                let info = message.params.and_then(|params| params.member("clientInfo"));
                claimed.extend(client(info));
            }
            (meaning.kind, meaning.action, text.to_owned(), target.map(str::to_owned))
        }
        Kind::Notification { method } => {
            attributes.push(attribute("mcp-method", method));
            parameters.of_params(message.params, None, &mut claimed)?;
            let action = if is_known_notification(method) { "session" } else { "unknown" };
            ("mcp.notification", action, method.clone(), None)
        }
        Kind::Response { id, ok } => {
            attributes.extend(id.as_ref().map(|id| attribute("mcp-request-id", &id.json())));
            attributes.extend(answers.map(|method| attribute("mcp-method", method)));
            let name = if *ok { "result" } else { "error" };
            let body = message.body.ok_or_else(|| Wrong::new(code::INVALID_REQUEST, "an empty response"))?;
            parameters.of(body, name)?;
            ("mcp.response", "session", answers.unwrap_or("response").to_owned(), None)
        }
    };
    claimed.truncate(MAX_CLAIMED);
    Ok(Operation {
        kind: kind.to_owned(),
        action: action.to_owned(),
        text,
        objects: object.into_iter().collect(),
        parameters: parameters.0,
        attributes,
        claimed,
    })
}

/// A request whose method is not a message: GET and DELETE.
pub fn of_head(kind: &str, text: &str, head: &Head) -> Operation {
    let mut attributes = head.attributes.clone();
    if head.resumes {
        attributes.push(attribute("mcp-resumes", "true"));
    }
    Operation {
        kind: kind.to_owned(),
        action: "session".to_owned(),
        text: text.to_owned(),
        objects: Vec::new(),
        parameters: Vec::new(),
        attributes,
        claimed: head.claimed.clone(),
    }
}

/// What a server asks of the client. Nothing to ask about in a `ping`.
///
/// # Errors
/// When it has more parameters than can be judged.
pub fn of_server(method: &str, params: Option<&Node<'_>>, session: &str) -> Result<Option<Operation>, Wrong> {
    let (kind, action) = match method {
        "ping" => return Ok(None),
        "sampling/createMessage" => ("mcp.sampling", "call"),
        "elicitation/create" => ("mcp.elicitation", "call"),
        "roots/list" => ("mcp.roots", "call"),
        "tasks/get" | "tasks/result" | "tasks/list" => ("mcp.request", "read"),
        _ => ("mcp.request", "unknown"),
    };
    let mut attributes = vec![attribute("mcp-method", method), attribute("mcp-asked-by", "server")];
    if !session.is_empty() {
        attributes.push(attribute("mcp-session", session));
    }
    let mut claimed = Vec::new();
    let mut parameters = Parameters::default();
    parameters.of_params(params, None, &mut claimed)?;
    claimed.truncate(MAX_CLAIMED);
    Ok(Some(Operation {
        kind: kind.to_owned(),
        action: action.to_owned(),
        text: method.to_owned(),
        objects: Vec::new(),
        parameters: parameters.0,
        attributes,
        claimed,
    }))
}

/// The client's own name and version.
pub fn client(info: Option<&Node<'_>>) -> Vec<Attribute> {
    let part = |name: &str, key: &str| {
        let text = info?.member_text(key).filter(|text| text.len() <= MAX_CLAIM)?;
        Some(attribute(name, text))
    };
    part("client-name", "name").into_iter().chain(part("client-version", "version")).collect()
}

fn is_known_notification(method: &str) -> bool {
    matches!(
        method,
        "notifications/initialized"
            | "notifications/cancelled"
            | "notifications/progress"
            | "notifications/roots/list_changed"
            | "notifications/elicitation/complete"
            | "notifications/tasks/status"
    )
}

#[derive(Default)]
struct Parameters(Vec<Parameter>);

impl Parameters {
    /// All of `params` but what the operation's text already says. What `_meta` says in one word is a claim; whatever
    /// else is in it is a parameter, so that nothing reaches the server that no policy sees.
    fn of_params(
        &mut self,
        params: Option<&Node<'_>>,
        except: Option<&str>,
        claimed: &mut Vec<Attribute>,
    ) -> Result<(), Wrong> {
        let members = params.map(Node::members).unwrap_or_default();
        // What people look at first comes first, wherever it stands in the message.
        let rank = |key: &str| match key {
            "arguments" => 0,
            "_meta" => 2,
            _ => 1,
        };
        let mut in_order: Vec<_> = members.iter().collect();
        in_order.sort_by_key(|(key, _)| rank(key));
        for (key, value) in in_order {
            if key == "_meta" && value.is_object() {
                for (key, value) in value.members() {
                    self.meta(key, value, claimed)?;
                }
            } else if Some(&**key) != except {
                let mut path = String::new();
                path::push_key(&mut path, key, Style::Parameter);
                self.of(value, &path)?;
            }
        }
        Ok(())
    }

    fn meta(&mut self, key: &str, value: &Node<'_>, claimed: &mut Vec<Attribute>) -> Result<(), Wrong> {
        if key == CLIENT_INFO && value.is_object() {
            claimed.extend(client(Some(value)));
            return Ok(());
        }
        if key == CLIENT_CAPABILITIES && value.is_object() {
            return Ok(());
        }
        match value.leaf() {
            Some((_, Some(text))) if text.len() <= MAX_CLAIM && claimed.len() < MAX_CLAIMED => {
                claimed.push(attribute(&claim(key), text));
                Ok(())
            }
            _ => {
                let mut path = "_meta".to_owned();
                path::push_key(&mut path, key, Style::Parameter);
                self.of(value, &path)
            }
        }
    }

    fn of(&mut self, node: &Node<'_>, path: &str) -> Result<(), Wrong> {
        let all = path::leaves(node, &mut path.to_owned(), Style::Parameter, &mut |path, leaf| {
            let Some((type_name, text)) = leaf.leaf() else { return true };
            self.0.push(Parameter {
                name: path.to_owned(),
                type_name: type_name.to_owned(),
                value: text.map(str::to_owned),
            });
            self.0.len() <= MAX_PARAMETERS
        });
        if all && self.0.len() <= MAX_PARAMETERS {
            return Ok(());
        }
        Err(Wrong::new(
            code::INVALID_PARAMS,
            format!("more than {MAX_PARAMETERS} parameters cannot be judged"),
        ))
    }
}

/// The name of a claim: those of W3C trace context as they are, others behind `meta-`.
fn claim(key: &str) -> String {
    match key {
        "traceparent" | "tracestate" | "baggage" => return key.to_owned(),
        // By that name it would be taken for a secret, and kept out of the trail.
        "progressToken" => return "meta-progress-id".to_owned(),
        _ => {}
    }
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("meta-{}", key.chars().take(128).map(word).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Said, Verb};
    use crate::message::{Sender, message};

    fn head() -> Head {
        Head {
            verb: Verb::Post,
            session: "s1".into(),
            version: String::new(),
            accepts_json: true,
            accepts_events: true,
            resumes: false,
            said: Said::default(),
            attributes: vec![attribute("mcp-session", "s1")],
            claimed: vec![attribute("user-agent", "test/1")],
        }
    }

    fn operation(method: &str, params: &str) -> Result<Operation, Wrong> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":"7","method":"{method}","params":{params}}}"#);
        let root = crate::tree::read(text.as_bytes()).unwrap();
        of_client(&message(&root, Sender::Client).unwrap(), &head(), None)
    }

    fn named(attributes: &[Attribute], name: &str) -> Option<String> {
        attributes.iter().find(|found| found.name == name).map(|found| found.value.clone())
    }

    fn parameters(operation: &Operation) -> Vec<String> {
        let line =
            |p: &Parameter| format!("{}:{}={}", p.name, p.type_name, p.value.as_deref().unwrap_or("NULL"));
        operation.parameters.iter().map(line).collect()
    }

    #[test]
    fn a_tool_call_shows_all_that_the_server_gets() {
        let found = operation(
            "tools/call",
            r#"{"name":"send","arguments":{"to":["a@b.example"],"n":1.50,"x":null,"o":{}},"requestState":"s",
                "_meta":{"progressToken":3,"traceparent":"00-1","Thread/Id":"t","deep":{"a":[true]}}}"#,
        )
        .unwrap();
        assert_eq!((found.kind.as_str(), found.action.as_str()), ("mcp.tool-call", "call"));
        assert_eq!((found.text.as_str(), found.objects.as_slice()), ("send", &["send".to_owned()][..]));
        assert_eq!(
            parameters(&found),
            [
                "arguments.to[0]:string=a@b.example",
                "arguments.n:number=1.50",
                "arguments.x:null=NULL",
                "arguments.o:object={}",
                "requestState:string=s",
                "_meta.deep.a[0]:boolean=true",
            ]
        );
        assert_eq!(named(&found.attributes, "mcp-tool").as_deref(), Some("send"));
        assert_eq!(named(&found.attributes, "mcp-method").as_deref(), Some("tools/call"));
        assert_eq!(named(&found.attributes, "mcp-session").as_deref(), Some("s1"));
        assert_eq!(named(&found.attributes, "mcp-request-id").as_deref(), Some("\"7\""));
        for (name, value) in [
            ("user-agent", "test/1"),
            ("traceparent", "00-1"),
            ("meta-thread-id", "t"),
            ("meta-progress-id", "3"),
        ] {
            assert_eq!(named(&found.claimed, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn each_method_has_its_kind_and_action() {
        for (method, params, kind, action, text) in [
            ("resources/read", r#"{"uri":"file:///a"}"#, "mcp.resource-read", "read", "file:///a"),
            ("prompts/get", r#"{"name":"p"}"#, "mcp.prompt-get", "read", "p"),
            ("resources/subscribe", r#"{"uri":"u"}"#, "mcp.request", "read", "resources/subscribe"),
            ("tools/list", "{}", "mcp.request", "read", "tools/list"),
            ("ping", "{}", "mcp.request", "session", "ping"),
            ("tasks/cancel", r#"{"taskId":"t"}"#, "mcp.request", "write", "tasks/cancel"),
            ("admin/dropEverything", "{}", "mcp.request", "unknown", "admin/dropEverything"),
        ] {
            let found = operation(method, params).unwrap();
            assert_eq!((&*found.kind, &*found.action, &*found.text), (kind, action, text), "{method}");
        }
    }

    #[test]
    fn the_client_is_named_by_its_own_words() {
        let found = operation("initialize", r#"{"clientInfo":{"name":"Cursor","version":"1"}}"#).unwrap();
        assert_eq!(named(&found.claimed, "client-name").as_deref(), Some("Cursor"));
        let meta = r#"{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"New","version":"2"},
            "io.modelcontextprotocol/clientCapabilities":{"sampling":{"x":1}}}}"#;
        let found = operation("tools/list", meta).unwrap();
        assert_eq!(named(&found.claimed, "client-version").as_deref(), Some("2"));
        assert!(found.parameters.is_empty());
    }

    #[test]
    fn what_a_method_needs_must_be_there() {
        assert_eq!(operation("tools/call", r#"{"arguments":{}}"#).unwrap_err().rpc, code::INVALID_PARAMS);
        assert_eq!(operation("tools/call", r#"{"name":7}"#).unwrap_err().rpc, code::INVALID_PARAMS);
        assert!(operation("resources/read", r#"{"uri":""}"#).is_err());
        for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
            let error = operation(method, r#"{"uri":"file:///public/../secret"}"#).unwrap_err();
            assert!(error.message.contains("another one"), "{}", error.message);
        }
        let many = format!(r#"{{"name":"t","arguments":[{}1]}}"#, "1,".repeat(MAX_PARAMETERS));
        assert!(operation("tools/call", &many).unwrap_err().message.contains("4096"));
    }

    #[test]
    fn what_a_server_asks_is_an_operation_but_for_a_ping() {
        let root = crate::tree::read(br#"{"message":"Your password?","requestedSchema":{"type":"object"}}"#)
            .unwrap();
        let found = of_server("elicitation/create", Some(&root), "s1").unwrap().unwrap();
        assert_eq!((&*found.kind, &*found.action), ("mcp.elicitation", "call"));
        assert_eq!(parameters(&found)[0], "message:string=Your password?");
        assert!(of_server("ping", None, "").unwrap().is_none());
        assert_eq!(of_server("x/y", None, "").unwrap().unwrap().action, "unknown");
    }
}
