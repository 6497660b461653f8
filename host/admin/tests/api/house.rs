//! A host that is made up, and a server in front of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use weir_admin::views::*;
use weir_admin::*;
use weir_model::{Principal, PrincipalKind};

pub(crate) const APPROVAL: &str = "apr-1";
/// Its resource has other reviewers now.
pub(crate) const CHANGED: &str = "apr-3";

#[derive(Default)]
pub(crate) struct House {
    pub(crate) trail_down: AtomicBool,
    /// A review takes a while, and says when it has begun.
    pub(crate) slow: AtomicBool,
    pub(crate) log: Mutex<Vec<String>>,
}

impl House {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.log.lock().unwrap().push(text.into());
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn is_down(&self) -> bool {
        self.trail_down.load(Ordering::SeqCst)
    }
}

pub(crate) fn digest() -> String {
    "ab".repeat(32)
}

fn person(id: &str, group: &str, on_behalf_of: Option<&str>) -> Principal {
    let kind = if on_behalf_of.is_some() { PrincipalKind::Agent } else { PrincipalKind::Human };
    Principal { id: id.into(), kind, on_behalf_of: on_behalf_of.map(Into::into), groups: vec![group.into()] }
}

fn waiting(id: &str, reviewers: &[&str]) -> ApprovalView {
    ApprovalView {
        id: id.into(),
        session: "s-1".into(),
        resource: "customers".into(),
        requester: (&person("ann-agent", "engineers", Some("ann"))).into(),
        client_address: "127.0.0.1".into(),
        kind: "sql.query".into(),
        action: "write".into(),
        text: "delete from t -- \u{9b}\u{202e}".into(),
        parameters: vec![],
        objects: vec![],
        attributes: vec![],
        claimed: vec![],
        digest: digest(),
        code: "bulk".into(),
        reason: "r".into(),
        reviewers: reviewers.iter().map(|text| (*text).to_owned()).collect(),
        reviewers_now: (id == CHANGED).then(|| vec!["user:max".to_owned()]),
        asked_at: Timestamp::from_ms(1_790_000_000_000),
        expires_at: Timestamp::from_ms(1_790_000_900_000),
        is_shortened: false,
    }
}

impl AdminApi for House {
    async fn health(&self) -> Result<(), Unhealthy> {
        if self.is_down() { Err(Unhealthy("the trail takes no records".into())) } else { Ok(()) }
    }

    async fn authenticate(&self, name: &str, password: &str) -> Option<Principal> {
        self.note(format!("checked {name}"));
        let known = [
            person("lea", "leads", None),
            person("ann", "leads", None),
            person("ann-agent", "leads", Some("ann")),
            person("bob", "engineers", None),
            person("max", "leads", None),
            person("max-agent", "leads", Some("max")),
            Principal { kind: PrincipalKind::Service, ..person("ci", "leads", None) },
        ];
        known.into_iter().find(|principal| principal.id == name && password == format!("{name}:secret"))
    }

    async fn login_failed(&self, name: &str, address: IpAddr) {
        self.note(format!("failed {name} {address}"));
    }

    async fn metrics(&self) -> String {
        Exposition::new().gauge("up", "Up.", &[(&[], 1.0)]).finish()
    }

    async fn status(&self) -> StatusView {
        StatusView {
            version: "0.1.0".into(),
            started_at: Timestamp::from_ms(0),
            config_file: "weir.toml".into(),
            generation: 1,
            reload_problem: None,
            trail: TrailView { records: 7, problem: None },
            resources: vec![],
            sessions: 1,
            approvals: 2,
            plugins: 0,
        }
    }

    async fn sessions(&self) -> Vec<SessionView> {
        vec![SessionView {
            id: "s-1".into(),
            resource: "customers".into(),
            protocol: "postgres".into(),
            who: (&person("bob", "engineers", None)).into(),
            client_address: "127.0.0.1".into(),
            started_at: Timestamp::from_ms(0),
            attributes: vec![],
            claimed: vec![],
        }]
    }

    async fn kill_session(&self, id: &str, from: IpAddr) -> Result<(), KillRefused> {
        if self.is_down() {
            return Err(KillRefused::NotRecorded("disk full".into()));
        }
        if id != "s-1" {
            return Err(KillRefused::NoSuchSession);
        }
        self.note(format!("killed {id} for {from}"));
        Ok(())
    }

    async fn plugins(&self) -> Vec<PluginView> {
        Vec::new()
    }

    async fn approvals(&self) -> Vec<ApprovalView> {
        vec![
            waiting(APPROVAL, &["group:leads"]),
            waiting("apr-2", &["user:zoe", "nonsense"]),
            waiting(CHANGED, &["group:leads"]),
        ]
    }

    async fn approval(&self, id: &str) -> Option<ApprovalView> {
        self.approvals().await.into_iter().find(|asked| asked.id == id)
    }

    async fn review(&self, review: Review) -> Result<(), ReviewRefused> {
        if self.slow.load(Ordering::SeqCst) {
            self.note("review begun");
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if self.is_down() {
            return Err(ReviewRefused::NotRecorded("disk full".into()));
        }
        let Review { id, reviewer, vote, comment } = review;
        self.note(format!("{} {id} by {}: {comment}", vote.as_word(), reviewer.id));
        Ok(())
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) token: OperatorToken,
    /// The token as its file has it.
    pub(crate) secret: String,
    pub(crate) house: Arc<House>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let token = load_or_create_token(&path).unwrap();
        let secret = std::fs::read_to_string(&path).unwrap().trim().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let house = Arc::new(House::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, Arc::clone(&house), Auth::new(token.clone()), shutdown));
        Self { address, token, secret, house, stop: Some(stop), task }
    }

    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap().unwrap();
    }
}
