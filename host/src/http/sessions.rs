//! The sessions over HTTP that live now: found again by who asks for what from where, opened when there is none.

use super::identify::Allowed;
use super::program::Programs;
use crate::resource::{Kind, ResourceRuntime};
use crate::reviews::SessionApprovals;
use crate::sessions::{Seat, lock};
use crate::shared::Shared;
use crate::trail::{Opening, SessionTrail};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weir_audit::{Event, Place, SessionEnded, SessionOpened};
use weir_guests::{GuestHttpInspector, GuestMaskers, GuestPolicies, InspectorLimits};
use weir_model::{
    Attribute, Digest, EndReason, Fault, FaultSource, PluginName, ResourceName, SessionId, SessionInfo,
};
use weir_session::exchange::{Ended, Limits};
use weir_session::http::traffic::HttpInspector;
use weir_session::http::{HttpPorts, HttpSession, HttpStart, Notes};
use weir_session::ports::{Ask, Leave};

/// Nobody says goodbye over HTTP: a session in which nothing was asked for so long is over. The resource's
/// `idle_timeout` may make it shorter.
const IDLE: Duration = Duration::from_secs(600);
/// How often a session that is to end looks whether it is quiet.
const LOOK_EACH: Duration = Duration::from_millis(50);

/// The rooms a session over HTTP uses.
pub(crate) struct HttpRooms;

impl HttpPorts for HttpRooms {
    type Inspector = GuestHttpInspector;
    type Policies = GuestPolicies;
    type Maskers = GuestMaskers;
    type Trail = SessionTrail;
    type Approvals = SessionApprovals;
}

pub(crate) type Session = HttpSession<HttpRooms>;

/// Who asks for what, from where, with what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    resource: ResourceName,
    principal: String,
    client: IpAddr,
    token: Option<String>,
    certificate: Option<Digest>,
    /// How that was proven: the record of a session tells one way.
    method: String,
}

/// An open session with what it was opened with.
#[derive(Clone)]
struct Open {
    session: Arc<Session>,
    resource: Arc<ResourceRuntime>,
    programs: Option<Arc<Programs>>,
}

/// Whoever holds the lock of a place opens its session; the others wait for that.
type PlaceOf = Arc<tokio::sync::Mutex<Option<Open>>>;

/// Whose notes they are: what a plugin has noted of a principal on a resource.
type Noted = (ResourceName, String, PluginName);

#[derive(Default)]
pub(crate) struct HttpSessions {
    places: Mutex<HashMap<Key, PlaceOf>>,
    /// They outlast sessions, and end with the gateway: as many as there are principals and resources.
    notes: Mutex<HashMap<Noted, Arc<Notes>>>,
}

impl HttpSessions {
    /// The session of this request, and its programs when the upstream is one.
    ///
    /// # Errors
    /// When it could not be opened; nothing was forwarded then.
    pub(super) async fn session(
        &self,
        shared: &Arc<Shared>,
        resource: &Arc<ResourceRuntime>,
        allowed: Allowed,
        client: IpAddr,
    ) -> Result<(Arc<Session>, Option<Arc<Programs>>), Fault> {
        let key = Key {
            resource: resource.name().clone(),
            principal: allowed.permit.principal().id.clone(),
            client,
            token: allowed.token.clone(),
            certificate: allowed.certificate.as_ref().map(|shown| shown.facts().sha256),
            method: allowed.method.clone(),
        };
        let place = {
            let mut places = lock(&self.places);
            match places.get(&key) {
                Some(place) => Arc::clone(place),
                None => Arc::clone(places.entry(key.clone()).or_default()),
            }
        };
        let mut held = Arc::clone(&place).lock_owned().await;
        if let Some(open) = &*held {
            // Between two reloads it is the same one: nothing to compare.
            let same = (Arc::ptr_eq(&open.resource, resource) || open.resource.settings == resource.settings)
                && open.session.info().who == *allowed.permit.principal();
            if same && open.session.is_usable() {
                return Ok((Arc::clone(&open.session), open.programs.clone()));
            }
            // The next one begins anew. Under another configuration what runs may end; with a plugin that has failed
            // it cannot.
            if same {
                open.session.end(EndReason::Drained);
            } else {
                open.session.retire();
            }
        }
        *held = None;
        let (shared, resource) = (Arc::clone(shared), Arc::clone(resource));
        // In a task of its own: a session that is in the trail has its end there, too, also when the client hangs up now.
        let opening = tokio::spawn(async move {
            let (session, seat) = match open(&shared, &resource, allowed, client).await {
                Ok(opened) => opened,
                Err(fault) => {
                    drop(held);
                    shared.http.vacate(&key, &place);
                    return Err(fault);
                }
            };
            drop(place);
            let programs = programs(&shared, &resource);
            *held = Some(Open {
                session: Arc::clone(&session),
                resource: Arc::clone(&resource),
                programs: programs.clone(),
            });
            drop(held);
            let keeper = Keeper {
                shared,
                key,
                session: Arc::clone(&session),
                programs: programs.clone(),
                since: Instant::now(),
            };
            tokio::spawn(keeper.keep(resource, seat));
            Ok((session, programs))
        });
        let failed = |_| Fault::new(FaultSource::Host, "cut-short", "the session could not be opened");
        opening.await.map_err(failed)?
    }

    fn notes(&self, info: &SessionInfo, inspector: &GuestHttpInspector) -> Arc<Notes> {
        let whose = (info.resource.clone(), info.who.id.clone(), inspector.judged_by().plugin);
        Arc::clone(lock(&self.notes).entry(whose).or_default())
    }

    /// The session is over: its place is free, unless another one has it.
    async fn forget(&self, key: &Key, session: &Arc<Session>) {
        let place = lock(&self.places).get(key).cloned();
        let Some(place) = place else { return };
        let mut held = place.lock().await;
        if held.as_ref().is_some_and(|open| Arc::ptr_eq(&open.session, session)) {
            *held = None;
            self.vacate(key, &place);
        }
    }

    /// Nobody has this place, and nobody waits for it: whoever does has it in hand, and opens it again.
    fn vacate(&self, key: &Key, place: &PlaceOf) {
        let mut places = lock(&self.places);
        if Arc::strong_count(place) <= 2 {
            places.remove(key);
        }
    }
}

/// Watches one session to its end.
struct Keeper {
    shared: Arc<Shared>,
    key: Key,
    session: Arc<Session>,
    programs: Option<Arc<Programs>>,
    since: Instant,
}

impl Keeper {
    async fn keep(self, resource: Arc<ResourceRuntime>, seat: Seat) {
        let most = IDLE.min(resource.settings.limits.idle_timeout);
        let mut leave = seat.leave();
        let reason = loop {
            let wait = match self.session.idle_for() {
                Some(idle) if idle >= most => break EndReason::Idle,
                Some(idle) => most.saturating_sub(idle),
                None => most,
            };
            tokio::select! {
                ask = leave.asked() => match ask {
                    Ask::Cancel => {}
                    Ask::End(EndReason::Drained) => {
                        break self.until_quiet(&mut leave).await;
                    }
                    Ask::End(reason) => break reason,
                },
                reason = self.session.ended() => break reason,
                () = self.session.retired() => break self.until_quiet(&mut leave).await,
                () = tokio::time::sleep(wait) => {}
            }
        };
        self.session.end(reason.clone());
        self.shared.http.forget(&self.key, &self.session).await;
        // What runs breaks off at once; its outcome belongs before the end.
        while self.session.idle_for().is_none() {
            tokio::time::sleep(LOOK_EACH).await;
        }
        if let Some(programs) = &self.programs {
            programs.end().await;
        }
        self.session.settle().await;
        self.closed(&resource, reason).await;
        drop(seat);
    }

    /// What runs may end, until somebody says that it has to.
    async fn until_quiet(&self, leave: &mut impl Leave) -> EndReason {
        while self.session.idle_for().is_none() {
            tokio::select! {
                ask = leave.asked() => if let Ask::End(reason) = ask && reason != EndReason::Drained {
                    return reason;
                },
                () = tokio::time::sleep(LOOK_EACH) => {}
            }
        }
        EndReason::Drained
    }

    async fn closed(&self, resource: &ResourceRuntime, reason: EndReason) {
        let totals = self.session.totals();
        let ended = Ended {
            reason: reason.clone(),
            operations: totals.operations,
            bytes_from_client: totals.bytes_from_client,
            bytes_to_client: totals.bytes_to_client,
        };
        self.shared.metrics.session_ended(resource.name(), &ended);
        let info = self.session.info();
        tracing::debug!(session = %info.id, reason = reason.as_word(), "session ended");
        let event = Event::SessionEnded(SessionEnded {
            place: Place::of(info),
            reason,
            operations: totals.operations,
            bytes_in: totals.bytes_from_client,
            bytes_out: totals.bytes_to_client,
            duration: self.since.elapsed(),
        });
        if let Err(down) = self.shared.audit.note(vec![event]).await {
            tracing::error!(error = %down, "the end of a session could not be recorded");
        }
    }
}

fn programs(shared: &Shared, resource: &ResourceRuntime) -> Option<Arc<Programs>> {
    let Kind::Http(backend) = &resource.kind else { return None };
    let name = resource.name().to_string();
    let running = shared.running();
    let folder = running.config.settings().server.state.join("programs").join(&name);
    let limits = &resource.settings.limits;
    backend.programs(folder, name, (bytes(limits.max_operation_bytes), bytes(limits.max_answer_bytes)))
}

fn bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A seat, the plugins, the record: the same steps as for every protocol.
async fn open(
    shared: &Arc<Shared>,
    resource: &Arc<ResourceRuntime>,
    allowed: Allowed,
    client: IpAddr,
) -> Result<(Arc<Session>, Seat), Fault> {
    let host = |code: &str, message: String| Fault::new(FaultSource::Host, code, message);
    let Allowed { permit, token, certificate, method } = allowed;
    let limits = &resource.settings.limits;
    let most = (shared.max_sessions, limits.max_sessions_per_user);
    let reserved = shared.sessions.reserve(permit.resource(), &permit.principal().id, most);
    let reserved = reserved.map_err(|too_many| host("too-many-sessions", too_many.to_string()))?;
    let mut attributes = vec![
        Attribute::new("permitted-by", permit.because().to_string()),
        Attribute::new(weir_model::LOGIN_METHOD, method),
    ];
    attributes.extend(token.map(|id| Attribute::new(weir_model::TOKEN_ID, id)));
    let fingerprint = certificate.as_ref().map(|shown| shown.facts().sha256.to_string());
    attributes.extend(fingerprint.map(|sha256| Attribute::new(weir_model::CERTIFICATE, sha256)));
    let info = SessionInfo {
        id: SessionId::new(uuid::Uuid::now_v7().simple().to_string()),
        resource: permit.resource().clone(),
        protocol: "http".into(),
        who: permit.principal().clone(),
        client_address: client.to_string(),
        started_ms: crate::shared::now_ms(),
        attributes,
        claimed: Vec::new(),
    };
    let clamp = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    let inspected = InspectorLimits {
        max_operation_bytes: clamp(limits.max_operation_bytes),
        max_answer_bytes: clamp(limits.max_answer_bytes),
    };
    let judges = shared.guests.open_judges(&info, &resource.settings.pipeline).await?;
    let guests = shared.guests.open_http_inspector(judges, &info, inspected).await?;
    let recorded = Arc::new(info.clone());
    let seat = reserved.enter(Arc::clone(&recorded), certificate.clone(), None);
    // A reload may have been between the permit and the seat.
    if !shared.is_permitted(&info, certificate.as_deref()) {
        return Err(host("revoked", "the permission to open this resource has just ended".to_owned()));
    }
    let event = Event::SessionOpened(SessionOpened::new(recorded));
    shared.record_durably(event).await.map_err(|down| {
        host("not-recorded", "the session could not be recorded, so it was not opened".to_owned())
            .with_detail(down.to_string())
    })?;
    shared.metrics.session_opened(resource.name());
    let notes = shared.http.notes(&info, &guests.inspector);
    let session = HttpSession::new(HttpStart {
        notes,
        room: shared.room.clone(),
        inspector: guests.inspector,
        policies: guests.policies,
        maskers: guests.maskers,
        trail: SessionTrail {
            audit: shared.audit.clone(),
            place: Place::of(&info),
            metrics: shared.metrics.of(resource.name()),
            numbers_from: 0,
            opening: Mutex::new(Opening::OnDisk),
        },
        approvals: SessionApprovals {
            approvals: Arc::clone(&shared.approvals),
            reviewers: resource.settings.reviewers.clone(),
        },
        limits: Limits {
            max_operation_bytes: bytes(limits.max_operation_bytes),
            max_answer_bytes: bytes(limits.max_answer_bytes),
            buffer_bytes: bytes(limits.buffer_bytes),
            idle_timeout: limits.idle_timeout,
            approval_timeout: limits.approval_timeout,
        },
        default: resource.default(),
        info,
    });
    Ok((Arc::new(session), seat))
}
