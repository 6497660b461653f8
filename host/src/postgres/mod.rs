//! PostgreSQL at the door: the stages of `weir_session::life` for this protocol.
//!
//! `greet` settles TLS and reads the startup packet, `identify` checks the proof, `authorize` asks the access
//! room, `connect` logs in at the upstream, `open` starts the plugins, records the session and tells the client
//! that it may speak. After that nothing here touches a byte.

pub(crate) mod catalog;
mod connect;
mod greet;
mod identify;
mod open;
mod startup;
pub(crate) mod upstream;

use crate::resource::ResourceRuntime;
use crate::reviews::SessionApprovals;
use crate::sessions::{Seat, SessionLeave};
use crate::shared::Shared;
use crate::trail::SessionTrail;
use std::sync::Arc;
use std::time::Instant;
use weir_access::Permit;
use weir_audit::{Event, LoginFailed, Place, SessionEnded};
use weir_guests::{GuestInspector, GuestMaskers, GuestPolicies};
use weir_model::{EndReason, Principal, ResourceName, SessionId};
use weir_net::{Arrival, Stream};
use weir_session::exchange::{Ended, Start};
use weir_session::life::House;
use weir_session::ports::Ports;
use weir_wire::postgres::{Authenticated, ErrorReport, ServerLogin, SqlState, StartupRequest};

/// The house as one listener of one resource shows it. Made anew for each connection, so that each session sees
/// one configuration from its beginning to its end.
pub(crate) struct PostgresHouse {
    pub(crate) shared: Arc<Shared>,
    pub(crate) resource: Arc<ResourceRuntime>,
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
    client: std::net::IpAddr,
}

/// Both sides are logged in.
pub(crate) struct Connected {
    identity: Identity,
    permit: Permit,
    database: weir_wire::postgres::DatabaseName,
    upstream: upstream::Upstream,
}

/// Somebody who does not get in.
pub(crate) struct TurnedAway {
    stream: Option<Stream>,
    /// What the client reads, if it can still be told anything.
    words: Option<Box<Words>>,
    /// What the log keeps.
    reason: String,
    claimed_user: String,
    client: std::net::IpAddr,
}

/// A last message.
struct Words {
    sqlstate: SqlState,
    message: Vec<u8>,
}

impl From<ErrorReport> for Box<Words> {
    fn from(report: ErrorReport) -> Self {
        Box::new(Words { sqlstate: report.sqlstate, message: report.to_error_response() })
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
        let late = || TurnedAway {
            stream: None,
            words: None,
            reason: "the client did not say what it wants in time".into(),
            claimed_user: String::new(),
            client,
        };
        let within = self.resource.settings.limits.login_timeout;
        tokio::time::timeout(within, self.greet_client(arrival)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn identify(&self, greeting: Greeting) -> Result<Identity, TurnedAway> {
        let (client, claimed_user) = (greeting.client, greeting.request.user.as_str().to_owned());
        let reason = "the client did not prove who it is in time".into();
        let late = || TurnedAway { stream: None, words: None, reason, claimed_user, client };
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
        let TurnedAway { stream, words, reason, claimed_user, client } = turned_away;
        let code = words.as_ref().map_or("08006", |words| words.sqlstate.as_str()).to_owned();
        tracing::info!(resource = %self.resource.name(), client = %client, user = claimed_user, reason, "turned away");
        self.shared.metrics.login_failed(self.resource.name());
        let event = Event::LoginFailed(LoginFailed {
            resource: self.resource.name().clone(),
            claimed_user,
            client_address: client.to_string(),
            code,
        });
        if let Err(down) = self.shared.record_durably(event).await {
            tracing::error!(error = %down, "a failed login could not be recorded");
        }
        if let (Some(mut stream), Some(words)) = (stream, words) {
            farewell(&mut stream, &words.message).await;
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
        if let Err(down) = self.shared.audit.record(vec![event]).await {
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
    pub(crate) fn new(shared: Arc<Shared>, resource: &ResourceName) -> Option<Self> {
        let resource = shared.running().resources.get(resource).cloned()?;
        Some(Self { shared, resource })
    }
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
