//! PostgreSQL at the door: the stages of `weir_session::life` for this protocol.
//!
//! `greet` settles TLS and reads the startup packet, `identify` checks the proof, `authorize` asks the access room,
//! `connect` takes a seat, starts what judges, has the settings judged (`settings`) and logs in at the upstream, `open`
//! starts the inspector, records the session and tells the client that it may speak. After that nothing here touches a
//! byte.

pub(crate) mod catalog;
mod connect;
mod greet;
mod identify;
mod open;
mod settings;
pub(crate) mod upstream;

use crate::resource::{Kind, PostgresBackend, ResourceRuntime};
use crate::reviews::SessionApprovals;
use crate::sessions::{Entering, Reservation, Seat, SessionLeave};
use crate::shared::Shared;
use crate::trail::SessionTrail;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use weir_access::Permit;
use weir_audit::{Event, LoginFailed, LoginStage, Place, SessionEnded};
use weir_guests::{GuestInspector, GuestMaskers, GuestPolicies, SessionJudges};
use weir_model::{Attribute, EndReason, JudgedBy, Principal, ResourceName, SessionId, SessionInfo};
use weir_net::{Arrival, ClientCertificate, Stream};
use weir_session::exchange::{Ended, Start};
use weir_session::life::House;
use weir_session::ports::Ports;
use weir_wire::postgres::{Authenticated, ErrorReport, Outgoing, ServerLogin, SqlState, StartupRequest};

/// The house as one listener of one resource shows it. Made anew for each connection, so that each session sees
/// one configuration from its beginning to its end.
pub(crate) struct PostgresHouse {
    pub(crate) shared: Arc<Shared>,
    pub(crate) resource: Arc<ResourceRuntime>,
    pub(crate) backend: Arc<PostgresBackend>,
    /// until the session begins or the client is turned away
    entering: Mutex<Option<Entering>>,
}

/// TLS is settled; the client has said who it is and what it wants.
pub(crate) struct Greeting {
    stream: Stream,
    login: ServerLogin,
    request: StartupRequest,
    client: std::net::IpAddr,
}

/// The client has proven who it is.
pub(crate) struct Identity {
    stream: Stream,
    proven: Authenticated,
    principal: Principal,
    /// how it was proven, as the trail keeps it
    method: String,
    /// the ID of the token, if it was one
    token: Option<String>,
    /// what the client showed in the TLS handshake, if that was the proof
    certificate: Option<Arc<ClientCertificate>>,
    client: std::net::IpAddr,
}

/// Both sides are logged in.
pub(crate) struct Connected {
    identity: Identity,
    info: Arc<SessionInfo>,
    judges: SessionJudges,
    reserved: Reservation,
    database: weir_wire::postgres::DatabaseName,
    /// what the client said of itself, as the trail may keep it
    claimed: Vec<Attribute>,
    upstream: upstream::Upstream,
}

/// Somebody who does not get in.
pub(crate) struct TurnedAway {
    stream: Option<Stream>,
    /// What the client reads, if it can still be told anything.
    words: Option<Box<Words>>,
    why: Box<Why>,
}

/// What the trail and the log keep of it.
struct Why {
    stage: LoginStage,
    who: Who,
    client: std::net::IpAddr,
    reason: String,
    judged_by: Vec<JudgedBy>,
    /// refused unread, as one of many
    unread: bool,
}

/// As far as it is known.
enum Who {
    Claimed(String),
    Proven(String),
}

/// A last message.
struct Words {
    /// the end of the proof, which the client has not had yet: it comes first
    proof: Option<Outgoing>,
    sqlstate: SqlState,
    message: Vec<u8>,
}

impl From<ErrorReport> for Box<Words> {
    fn from(report: ErrorReport) -> Self {
        Box::new(Words { proof: None, sqlstate: report.sqlstate, message: report.to_error_response() })
    }
}

impl TurnedAway {
    /// As one of many: it is counted.
    fn unread(mut self) -> Self {
        self.why.unread = true;
        self
    }

    /// Before anybody has proven anything.
    fn stranger(
        stream: Option<Stream>,
        words: Option<ErrorReport>,
        stage: LoginStage,
        claimed_user: String,
        client: std::net::IpAddr,
        reason: String,
    ) -> Self {
        let (who, judged_by) = (Who::Claimed(claimed_user), Vec::new());
        let why = Box::new(Why { stage, who, client, reason, judged_by, unread: false });
        Self { stream, words: words.map(Into::into), why }
    }
}

impl Identity {
    fn turned_away(self, stage: LoginStage, report: ErrorReport, reason: String) -> TurnedAway {
        let (who, judged_by) = (Who::Proven(self.principal.id), Vec::new());
        let why = Box::new(Why { stage, who, client: self.client, reason, judged_by, unread: false });
        let mut words = Box::<Words>::from(report);
        words.proof = Some(self.proven.last_words);
        TurnedAway { stream: Some(self.stream), words: Some(words), why }
    }
}

/// The rooms a PostgreSQL session uses.
pub(crate) struct PostgresPorts;

impl Ports for PostgresPorts {
    type Inspector = GuestInspector;
    type Policies = GuestPolicies;
    type Maskers = GuestMaskers;
    type Catalog = catalog::SessionCatalog;
    type Trail = SessionTrail;
    type Approvals = SessionApprovals;
    type Leave = SeatedLeave;
}

/// The session's seat goes with it.
pub(crate) struct SeatedLeave {
    leave: SessionLeave,
    _seat: Seat,
}

impl weir_session::ports::Leave for SeatedLeave {
    async fn asked(&mut self) -> weir_session::ports::Ask {
        self.leave.asked().await
    }
}

impl House for PostgresHouse {
    type Arrival = Arrival;
    type Greeting = Greeting;
    type Identity = Identity;
    type Permit = Permit;
    type Connected = Connected;
    type TurnedAway = TurnedAway;
    type Ports = PostgresPorts;
    type Client = Stream;
    type Upstream = Stream;

    async fn greet(&self, arrival: Arrival) -> Result<Option<Greeting>, TurnedAway> {
        let client = arrival.client.ip();
        let late = || {
            let reason = "the client did not say what it wants in time".into();
            TurnedAway::stranger(None, None, LoginStage::Greet, String::new(), client, reason)
        };
        let within = self.resource.settings.limits.login_timeout;
        tokio::time::timeout(within, self.greet_client(arrival)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn identify(&self, greeting: Greeting) -> Result<Identity, TurnedAway> {
        let (client, claimed_user) = (greeting.client, greeting.request.user.as_str().to_owned());
        let reason = "the client did not prove who it is in time".into();
        let late = || TurnedAway::stranger(None, None, LoginStage::Identify, claimed_user, client, reason);
        let within = self.resource.settings.limits.login_timeout;
        tokio::time::timeout(within, self.identify_client(greeting)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn authorize(&self, identity: Identity) -> Result<(Identity, Permit), TurnedAway> {
        self.authorize_principal(identity)
    }

    async fn connect(&self, identity: Identity, permit: Permit) -> Result<Connected, TurnedAway> {
        self.connect_upstream(identity, permit).await
    }

    async fn open(&self, connected: Connected) -> Result<(Start<PostgresPorts>, Stream, Stream), TurnedAway> {
        self.open_session(connected).await
    }

    async fn turn_away(&self, turned_away: TurnedAway) {
        let TurnedAway { stream, words, why } = turned_away;
        let Why { stage, who, client, reason, judged_by, unread } = *why;
        let code = words.as_ref().map_or("08006", |words| words.sqlstate.as_str()).to_owned();
        let (principal, claimed_user) = match who {
            Who::Proven(principal) => (Some(principal), String::new()),
            Who::Claimed(user) => (None, user),
        };
        let user = principal.as_ref().unwrap_or(&claimed_user);
        let word = stage.as_word();
        // A token in the place of a name must not come into the log.
        let (user, told) = (weir_audit::redact(user), weir_audit::redact(&reason));
        if unread {
            tracing::debug!(resource = %self.resource.name(), client = %client, user = &*user, "refused unread");
            self.shared.login_refused_unread(self.resource.name(), client, &claimed_user);
        } else {
            tracing::info!(resource = %self.resource.name(), client = %client, user = &*user, stage = word, reason = &*told, "turned away");
            let failed = LoginFailed {
                resource: self.resource.name().clone(),
                stage,
                principal,
                claimed_user,
                client_address: client.to_string(),
                code,
                reason,
                judged_by,
            };
            self.shared.login_failed(failed, client).await;
        }
        if let (Some(mut stream), Some(words)) = (stream, words) {
            let proof = words.proof.as_deref().unwrap_or_default();
            farewell(&mut stream, &[proof, &words.message].concat()).await;
        }
    }

    async fn close(&self, session: SessionId, ended: Ended) {
        let Some(opened) = self.shared.opened.remove(&session) else { return };
        self.shared.metrics.session_ended(self.resource.name(), &ended);
        match &ended.reason {
            EndReason::Failed(fault) => {
                tracing::warn!(session = %session, code = fault.code, message = fault.message, detail = fault.detail, "session failed");
            }
            reason => tracing::debug!(session = %session, reason = reason.as_word(), "session ended"),
        }
        let event = Event::SessionEnded(SessionEnded {
            place: opened.place,
            reason: ended.reason,
            operations: ended.operations,
            bytes_in: ended.bytes_from_client,
            bytes_out: ended.bytes_to_client,
            duration: opened.since.elapsed(),
        });
        if let Err(down) = self.shared.audit.note(vec![event]).await {
            tracing::error!(error = %down, "the end of a session could not be recorded");
        }
    }
}

/// What is remembered of an open session until it closes.
pub(crate) struct Opened {
    pub(crate) place: Place,
    pub(crate) since: Instant,
}

impl PostgresHouse {
    pub(crate) fn new(shared: Arc<Shared>, resource: &ResourceName, entering: Entering) -> Option<Self> {
        let resource = shared.running().resources.get(resource).cloned()?;
        let Kind::Postgres(backend) = &resource.kind else { return None };
        let backend = Arc::clone(backend);
        Some(Self { shared, resource, backend, entering: Mutex::new(Some(entering)) })
    }

    /// The session has begun: somebody else may come in.
    fn is_inside(&self) {
        self.entering.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What a client reads when too many others are being let in.
pub(crate) fn no_room() -> Vec<u8> {
    let message = "too many clients are being let in by the gateway";
    ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, message).to_error_response()
}

/// Tells a client why and closes, giving it a moment to read.
async fn farewell(stream: &mut Stream, bytes: &[u8]) {
    use tokio::io::AsyncWriteExt;
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        let _ = stream.shutdown().await;
    })
    .await;
}
