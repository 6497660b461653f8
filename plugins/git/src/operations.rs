//! What was read, as operations.

use crate::draft::Draft;
use crate::fetch::{Asked, Command};
use crate::push::Commands;
use crate::push::commands::Change;
use crate::target::{Repository, Service, Target};
use weir_sdk::Fault;
use weir_sdk::http::{Operation, RequestHead};

/// All operations of a push together, in bytes.
const MAX_WEIGHT: usize = 8 << 20;

/// What the head of a request says that each of its operations repeats.
#[derive(Clone, Debug)]
pub struct Context {
    repository: Repository,
    path: String,
    user_agent: Option<String>,
    traceparent: Option<String>,
}

impl Context {
    pub fn new(head: &RequestHead, target: &Target) -> Self {
        let header = |name: &str| {
            head.headers.iter().find(|header| header.name == name).map(|header| header.value.to_owned())
        };
        Self {
            repository: target.repository.clone(),
            path: head.path.clone(),
            user_agent: header("user-agent"),
            traceparent: header("traceparent"),
        }
    }

    fn draft(&self, kind: &str, action: &str, text: String, service: Service) -> Draft {
        Draft::new(kind, action, text)
            .attribute("git-repository", &self.repository.name)
            .attribute("git-service", service.name())
            .attribute("http-path", &self.path)
            .claimed("user-agent", self.user_agent.as_deref())
            .claimed("traceparent", self.traceparent.as_deref())
    }

    /// An operation on the repository as a whole. Its name comes first, then what the client calls it.
    fn whole(&self, kind: &str, action: &str, text: String, service: Service) -> Draft {
        self.draft(kind, action, text, service)
            .object(self.repository.name.clone())
            .object(self.repository.spelled.clone())
    }

    pub fn list_refs(&self, service: Service) -> Operation {
        let purpose = match service {
            Service::UploadPack => "",
            Service::ReceivePack => " to push",
        };
        let text = format!("list refs of {}{purpose}", self.repository.name);
        self.whole("git.list-refs", "read", text, service).finish()
    }

    pub fn probe(&self, service: Service) -> Operation {
        let text = format!("probe {}", self.repository.name);
        self.whole("git.probe", "session", text, service).finish()
    }

    pub fn asked(&self, asked: &Asked) -> Operation {
        let (kind, verb) = match asked.command {
            Command::Probe => return self.probe(Service::UploadPack),
            Command::ListRefs => ("git.list-refs", "list refs of"),
            Command::Fetch => ("git.fetch", "fetch"),
            Command::ObjectInfo => ("git.object-info", "object info of"),
            Command::BundleUri => ("git.list-bundles", "list bundles of"),
        };
        let text = format!("{verb} {}", self.repository.name);
        let mut draft = self
            .whole(kind, "read", text, Service::UploadPack)
            .attribute("git-protocol", if asked.version == 2 { "2" } else { "0" })
            .claimed("git-agent", asked.agent.as_deref())
            .claimed("git-session-id", asked.session_id.as_deref());
        for name in &asked.want_refs {
            draft = draft.object(format!("{} {name}", self.repository.name)).object(name.clone());
        }
        draft = draft.ids("want", "git-wants", &asked.wants).ids("have", "git-haves", &asked.haves).ids(
            "shallow",
            "git-shallow",
            &asked.shallow,
        );
        // Of one name, all together, in the order in which each name comes up first.
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &asked.named {
            if !names.contains(name) {
                names.push(name);
            }
        }
        for name in names {
            let of_name = asked.named.iter().filter(|(other, _)| *other == name);
            let values: Vec<String> = of_name.map(|(_, value)| value.clone()).collect();
            draft = draft.parameters(name, "text", &values);
        }
        draft.finish()
    }

    /// One operation for each ref, in the order of the push.
    ///
    /// # Errors
    /// When together they would say too much: each repeats what is said of all.
    pub fn pushed(&self, commands: &Commands) -> Result<Vec<Operation>, Fault> {
        let (mut operations, mut weight) = (Vec::new(), 0);
        for update in &commands.updates {
            let draft = self.update(commands, update);
            weight += draft.weight();
            if weight > MAX_WEIGHT {
                let message = "too many refs for such long push options and names: push them in parts";
                return Err(Fault::new("git-too-large", message));
            }
            operations.push(draft.finish());
        }
        Ok(operations)
    }

    fn update(&self, commands: &Commands, update: &crate::push::Update) -> Draft {
        let name = &update.name;
        let text = format!("{} {name}", update.change.word());
        let mut draft = self
            .draft("git.update-ref", "write", text, Service::ReceivePack)
            .object(format!("{} {name}", self.repository.name))
            .object(format!("{} {name}", self.repository.spelled))
            .object(name.clone());
        // The same branch for whoever is served that namespace (gitnamespaces).
        if let Some(inner) = in_namespace(name) {
            draft = draft
                .object(format!("{} {inner}", self.repository.name))
                .object(format!("{} {inner}", self.repository.spelled))
                .object(inner.to_owned());
        }
        draft = draft.attribute("git-ref", name).attribute("git-update", update.change.word());
        if update.change == Change::Update {
            draft = draft.attribute("git-fast-forward", update.forward.word());
        }
        if commands.capabilities.has("atomic") {
            draft = draft.attribute("git-atomic", "yes");
        }
        draft
            .claimed("git-agent", commands.capabilities.value("agent"))
            .claimed("git-session-id", commands.capabilities.value("session-id"))
            .parameter("old", "object-id", &update.old)
            .parameter("new", "object-id", &update.new)
            .parameters("push-option", "text", &commands.options)
            .ids("shallow", "git-shallow", &commands.shallow)
    }
}

/// `refs/heads/main` of `refs/namespaces/NAME/refs/heads/main`; namespaces may lie in each other.
fn in_namespace(name: &str) -> Option<&str> {
    let mut inner = None;
    while let Some((_, behind)) =
        inner.unwrap_or(name).strip_prefix("refs/namespaces/").and_then(|rest| rest.split_once('/'))
    {
        inner = Some(behind);
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_of_namespaces_are_those_within() {
        for (name, inner) in [
            ("refs/heads/main", None),
            ("refs/namespaces/a", None),
            ("refs/namespaces/a/refs/heads/main", Some("refs/heads/main")),
            ("refs/namespaces/a/refs/namespaces/b/refs/heads/x/y", Some("refs/heads/x/y")),
            ("refs/heads/refs/namespaces/a/refs/heads/main", None),
        ] {
            assert_eq!(in_namespace(name), inner, "{name}");
        }
    }
}
