//! The trial of a new version or new settings: `configure` and `open` once, in an instance nobody uses.
//!
//! A trap or a time-out in either, and a fault of `configure`, refuse the version. A fault of `open` does not:
//! `open` sees a session, ours is made up, and a plugin may have reasons not to take it. It is told of.

use crate::contract::World;
use crate::http::GuestHttpInspector;
use crate::inspector::GuestInspector;
use crate::load::Loaded;
use crate::masker_instance::MaskerInstance;
use crate::pipeline::InspectorLimits;
use crate::policy::PolicyInstance;
use crate::problem::{LoadProblem, Stage};
use crate::state::{SessionMemory, Visit};
use crate::{fault, instance::Fenced};
use std::time::Instant;
use weir_model::{Fault, Principal, PrincipalKind, ResourceName, SessionId, SessionInfo};

pub(crate) async fn run(loaded: &Loaded) -> Result<Option<Fault>, LoadProblem> {
    let memory = SessionMemory::new(loaded.bounds.limits.memory_bytes);
    let info = Visit::trial(made_up(), memory);
    let opened = match loaded.world {
        World::StreamInspector => {
            let limits = InspectorLimits { max_operation_bytes: 1 << 20, max_answer_bytes: 1 << 20 };
            GuestInspector::try_open(loaded, &info, &[], limits).await
        }
        World::HttpInspector => {
            let limits = InspectorLimits { max_operation_bytes: 1 << 20, max_answer_bytes: 1 << 20 };
            GuestHttpInspector::open(loaded, &info, limits, true).await.map(drop)
        }
        World::Policy => PolicyInstance::open(loaded, &info).await.map(drop),
        World::Masker => MaskerInstance::open(loaded, &info).await.map(drop),
    };
    match opened {
        Ok(()) => Ok(None),
        Err(StartFault { fault, in_open: true }) if fault.code == fault::code::FAULT => Ok(Some(fault)),
        // `configure` has nothing but its settings to say no to.
        Err(StartFault { fault, .. }) if fault.code == fault::code::FAULT => {
            let why = fault.detail.strip_prefix("configure: ").unwrap_or(&fault.detail).to_owned();
            let mut problem =
                LoadProblem::new(Stage::Settings, format!("it does not take its settings: {why}"));
            problem.settings.push((String::new(), why));
            Err(problem)
        }
        Err(StartFault { fault, .. }) => {
            Err(LoadProblem::new(Stage::Start, fault.message).help(fault.detail))
        }
    }
}

/// How the start of an instance failed.
#[derive(Debug)]
pub(crate) struct StartFault {
    pub(crate) fault: Fault,
    pub(crate) in_open: bool,
}

impl StartFault {
    pub(crate) fn in_open(fault: Fault) -> Self {
        Self { fault, in_open: true }
    }
}

impl From<Fault> for StartFault {
    fn from(fault: Fault) -> Self {
        Self { fault, in_open: false }
    }
}

impl From<StartFault> for Fault {
    fn from(start: StartFault) -> Self {
        start.fault
    }
}

/// An instance of a loaded plugin up to the point where `open` comes.
pub(crate) async fn configured(
    loaded: &Loaded,
    visit: &Visit,
) -> Result<(Fenced, wasmtime::component::Instance), Fault> {
    let bounds = std::sync::Arc::clone(&loaded.bounds);
    let (mut guest, instance, lifecycle) = Fenced::start(&loaded.compiled.code, bounds, Some(visit)).await?;
    guest.configure(&lifecycle, &loaded.settings).await?;
    Ok((guest, instance))
}

/// What a guest says instead of yes: a word, and why.
type No = (String, String);

/// The calls of an instance whose `open` has said yes.
pub(crate) fn took_session<Calls>(
    guest: &mut Fenced,
    started: Instant,
    opened: wasmtime::Result<(Calls, Result<(), No>)>,
) -> Result<Calls, StartFault> {
    let (calls, said) = guest.finish("open", started, opened)?;
    match said {
        Ok(()) => Ok(calls),
        Err((word, why)) => Err(StartFault::in_open(fault::said_no(&guest.bounds, "open", word, why))),
    }
}

/// A session nobody has: no right or name in it means anything.
pub(crate) fn made_up() -> SessionInfo {
    SessionInfo {
        id: SessionId::new("trial"),
        resource: ResourceName::new("trial"),
        protocol: "trial".to_owned(),
        who: Principal {
            id: "trial".to_owned(),
            kind: PrincipalKind::Service,
            on_behalf_of: None,
            groups: Vec::new(),
        },
        client_address: "127.0.0.1".to_owned(),
        started_ms: 0,
        attributes: Vec::new(),
        claimed: Vec::new(),
    }
}
