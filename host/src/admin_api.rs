//! The host as the admin API sees it: facts as views, reviews into the approvals room.

use crate::metrics::OfResource;
use crate::plugins::PluginProblem;
use crate::reload::ReloadOutcome;
use crate::shared::{Running, Shared};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use weir_admin::views::{
    ApprovalView, AttributeView, ParameterView, PluginView, PrincipalView, ResourceView, SessionView,
    StatusView, TrailView, VersionView, Vote,
};
use weir_admin::{AdminApi, Exposition, Histogram, KillRefused, Review, ReviewRefused, Timestamp, Unhealthy};
use weir_approvals::{Requested, ReviewError};
use weir_audit::{Event, LATENCY_BOUNDS_US, LoginFailed, LoginStage, Place, SessionKilled, TrailReader};
use weir_guests::{Generation, Own, PluginMetrics, TIME_BUCKETS_NS};
use weir_model::{EndReason, Grantee, PluginName, Principal, RefusedBy, ResourceName, SessionInfo, Status};
use weir_store::Reader;
use weir_wire::postgres::Password;

pub(crate) struct Api {
    shared: Arc<Shared>,
    reader: Arc<Reader>,
    started: Timestamp,
    /// how often the configuration was applied
    applied: AtomicU64,
    reload_problem: Mutex<Option<String>>,
}

impl Api {
    pub(crate) fn new(shared: Arc<Shared>, reader: Arc<Reader>) -> Self {
        let started = Timestamp::now();
        Self { shared, reader, started, applied: AtomicU64::new(1), reload_problem: Mutex::default() }
    }

    pub(crate) fn reloaded(&self, outcome: ReloadOutcome) {
        let problem = match outcome {
            ReloadOutcome::Applied => {
                self.applied.fetch_add(1, Ordering::Relaxed);
                None
            }
            ReloadOutcome::Unchanged => None,
            ReloadOutcome::Kept(problem) => Some(problem),
        };
        *self.reload_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    fn sessions_of(&self, resource: &str) -> u64 {
        let sessions = self.shared.sessions.list();
        sessions.iter().filter(|info| info.resource.as_str() == resource).count() as u64
    }
}

impl AdminApi for Api {
    async fn health(&self) -> Result<(), Unhealthy> {
        match self.shared.audit.is_healthy() {
            true => Ok(()),
            false => Err(Unhealthy("the audit trail takes no records, so everything is refused".into())),
        }
    }

    async fn authenticate(&self, name: &str, password: &str) -> Option<Principal> {
        let users = Arc::clone(&self.shared.running().users);
        let (name, password) = (name.to_owned(), Password::new(password.as_bytes()));
        let checked =
            tokio::task::spawn_blocking(move || users.verify_password(&name, &password, SystemTime::now()))
                .await;
        checked.ok().and_then(Result::ok)
    }

    async fn login_failed(&self, name: &str, address: IpAddr) {
        let event = Event::LoginFailed(LoginFailed {
            resource: ResourceName::new("admin"),
            stage: LoginStage::Identify,
            principal: None,
            claimed_user: name.to_owned(),
            client_address: address.to_string(),
            code: "28P01".into(),
            reason: "no user of that name with that password".into(),
            judged_by: Vec::new(),
        });
        if let Err(down) = self.shared.record_durably(event).await {
            tracing::error!(error = %down, "a failed login could not be recorded");
        }
    }

    async fn metrics(&self) -> String {
        render(&self.shared)
    }

    async fn status(&self) -> StatusView {
        let running = self.shared.running();
        let generation = self.shared.guests.generation();
        let resources = running.resources.values().map(|resource| ResourceView {
            name: resource.name().to_string(),
            protocol: resource.settings.protocol().as_word().to_owned(),
            listen: resource.settings.listen.to_string(),
            sessions: self.sessions_of(resource.name().as_str()),
            problem: unusable(&resource.settings.pipeline, &generation),
        });
        let reload_problem = self.reload_problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started,
            config_file: running.config.file().display().to_string(),
            generation: self.applied.load(Ordering::Relaxed),
            reload_problem,
            trail: TrailView {
                records: self.reader.head().await.map_or(0, |head| head.seq),
                problem: self.health().await.err().map(|unhealthy| unhealthy.0),
            },
            resources: resources.collect(),
            sessions: self.shared.sessions.count() as u64,
            approvals: self.shared.approvals.list().len() as u64,
            plugins: generation.plugins().count() as u64,
        }
    }

    async fn sessions(&self) -> Vec<SessionView> {
        let mut sessions = self.shared.sessions.list();
        sessions.sort_by_key(|info| info.started_ms);
        sessions.iter().map(|info| session(info)).collect()
    }

    async fn kill_session(&self, id: &str, from: IpAddr) -> Result<(), KillRefused> {
        let sessions = self.shared.sessions.list();
        let info = sessions.iter().find(|info| info.id.as_str() == id).ok_or(KillRefused::NoSuchSession)?;
        let event = Event::SessionKilled(SessionKilled {
            place: Place::of(info),
            actor: "operator".into(),
            address: from.to_string(),
        });
        let recorded = self.shared.record_durably(event).await;
        recorded.map_err(|down| KillRefused::NotRecorded(down.to_string()))?;
        self.shared.sessions.end(|live| (live.info.id.as_str() == id).then_some(EndReason::Revoked));
        Ok(())
    }

    async fn plugins(&self) -> Vec<PluginView> {
        let generation = self.shared.guests.generation();
        let running = self.shared.running();
        let metrics = self.shared.guests.metrics();
        let problems = self.shared.plugin_problems.all();
        let versions = self.shared.guests.versions();
        metrics
            .iter()
            .map(|(name, counters)| {
                let loaded = generation.find(name);
                let serving = versions.iter().find(|of| of.name == *name && of.serves);
                let problem = problems.get(name).cloned();
                let file = running
                    .config
                    .settings()
                    .plugins
                    .get(name)
                    .map(|plugin| plugin.file.display().to_string());
                let calls = counters.calls.load(Ordering::Relaxed);
                let total_ns = counters.time_total_ns.load(Ordering::Relaxed);
                PluginView {
                    name: name.to_string(),
                    file: file.unwrap_or_default(),
                    digest: loaded.map(|loaded| loaded.digest.to_string()).unwrap_or_default(),
                    world: loaded.map(|loaded| loaded.world.to_string()).unwrap_or_default(),
                    generation: serving.map_or(generation.number, |of| of.generation),
                    state: match generation.is_configured(name) {
                        true => plugin_state(loaded.is_some(), problem.as_ref()).to_owned(),
                        // Nobody gets it any more; shown as long as a session has it.
                        false => "leaving".to_owned(),
                    },
                    calls,
                    mean_us: if calls == 0 { 0.0 } else { total_ns as f64 / calls as f64 / 1000.0 },
                    p50_us: quantile_us(counters, 0.5),
                    p99_us: quantile_us(counters, 0.99),
                    traps: counters.traps.load(Ordering::Relaxed),
                    time_outs: counters.time_outs.load(Ordering::Relaxed),
                    refusals: counters.refusals.load(Ordering::Relaxed),
                    limit_hits: counters.limit_hits.load(Ordering::Relaxed),
                    versions: versions.iter().filter(|of| of.name == *name).map(version).collect(),
                    problem: problem.map(|problem| problem.to_string()),
                }
            })
            .collect()
    }

    async fn approvals(&self) -> Vec<ApprovalView> {
        let running = self.shared.running();
        let all = self.shared.approvals.list();
        all.iter().map(|request| approval(request, &running).shortened()).collect()
    }

    async fn approval(&self, id: &str) -> Option<ApprovalView> {
        self.shared.approvals.show(id).map(|request| approval(&request, &self.shared.running()))
    }

    async fn review(&self, review: Review) -> Result<(), ReviewRefused> {
        let vote = match review.vote {
            Vote::Approve => weir_approvals::Vote::Approve,
            Vote::Deny => weir_approvals::Vote::Deny,
        };
        let Review { id, reviewer, comment, .. } = &review;
        // Of this moment: the configuration may have changed while the request waited.
        let now = |resource: &ResourceName| self.shared.running().reviewers(resource).to_vec();
        let reviewed = self.shared.approvals.review(id, reviewer, vote, comment, now).await;
        reviewed.map(drop).map_err(|error| match error {
            ReviewError::NotWaiting(_) => ReviewRefused::NotWaiting,
            ReviewError::OwnRequest => ReviewRefused::OwnRequest,
            ReviewError::NotPerson { who, kind } => ReviewRefused::NotPerson { who, kind },
            ReviewError::NotReviewer { who, reviewers } => ReviewRefused::NotReviewer { who, reviewers },
            ReviewError::NoLongerReviewer { who, resource, reviewers } => {
                ReviewRefused::NoLongerReviewer { who, resource: resource.to_string(), reviewers }
            }
            ReviewError::NotRecorded(down) => ReviewRefused::NotRecorded(down.to_string()),
        })
    }
}

/// Why nobody can use a resource: without each plugin of its pipeline every operation is refused, or the session.
fn unusable(pipeline: &[PluginName], generation: &Generation) -> Option<String> {
    let missing = pipeline.iter().find(|name| generation.find(name).is_none())?;
    Some(format!("the plugin {missing} is not in service"))
}

fn version(of: &weir_guests::Version) -> VersionView {
    VersionView {
        digest: of.digest.to_string(),
        generation: of.generation,
        sessions: of.instances,
        serves: of.serves,
    }
}

fn plugin_state(is_loaded: bool, problem: Option<&PluginProblem>) -> &'static str {
    match (is_loaded, problem) {
        (true, Some(PluginProblem::Refused(_))) => "kept",
        (true, Some(PluginProblem::SetAside(_))) => "set-aside",
        (true, _) => "ready",
        (false, Some(PluginProblem::Refused(_))) => "failed",
        (false, _) => "missing",
    }
}

fn session(info: &SessionInfo) -> SessionView {
    SessionView {
        id: info.id.to_string(),
        resource: info.resource.to_string(),
        protocol: info.protocol.clone(),
        who: PrincipalView::from(&info.who),
        client_address: info.client_address.clone(),
        started_at: Timestamp::from_ms(info.started_ms),
        attributes: info.attributes.iter().map(AttributeView::from).collect(),
        claimed: info.claimed.iter().map(AttributeView::from).collect(),
    }
}

fn approval(request: &Requested, running: &Running) -> ApprovalView {
    let operation = &request.operation;
    let now = running.reviewers(&request.resource);
    let has_changed = request.reviewers_of_resource && *now != *request.reviewers;
    let listed = |reviewers: &[Grantee]| reviewers.iter().map(ToString::to_string).collect();
    ApprovalView {
        id: request.id.clone(),
        session: request.session.to_string(),
        resource: request.resource.to_string(),
        requester: PrincipalView::from(&request.requester),
        client_address: request.client_address.clone(),
        kind: operation.kind.clone(),
        action: operation.action.as_word().to_owned(),
        text: operation.text.clone(),
        parameters: operation.parameters.iter().map(ParameterView::from).collect(),
        objects: operation.objects.clone(),
        attributes: operation.attributes.iter().map(AttributeView::from).collect(),
        claimed: operation.claimed.iter().map(AttributeView::from).collect(),
        digest: request.digest.to_string(),
        code: request.code.clone(),
        reason: request.reason.clone(),
        reviewers: listed(&request.reviewers),
        reviewers_now: has_changed.then(|| listed(now)),
        asked_at: moment(request.asked_at),
        expires_at: moment(request.expires_at),
        is_shortened: false,
    }
}

fn moment(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The upper bound of the bucket the quantile falls into: an estimate from above.
fn quantile_us(counters: &PluginMetrics, quantile: f64) -> f64 {
    let counts: Vec<u64> = counters.time.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let wanted = counts.iter().sum::<u64>() as f64 * quantile;
    let mut seen = 0;
    for (count, bound) in counts.iter().zip(TIME_BUCKETS_NS) {
        seen += count;
        if seen > 0 && seen as f64 >= wanted {
            return bound as f64 / 1000.0;
        }
    }
    0.0
}

/// Name, help, and where the number is.
type Family<Of> = (&'static str, &'static str, fn(&Of) -> &AtomicU64);

/// All metrics of this host. A new one of a resource: a field in `metrics::OfResource` and a line here.
fn render(shared: &Shared) -> String {
    let resources: Vec<(String, Arc<OfResource>)> =
        shared.metrics.all().into_iter().map(|(name, counters)| (name.to_string(), counters)).collect();
    let mut page = Exposition::new();
    let families: [Family<OfResource>; 10] = [
        ("weir_sessions_opened_total", "Sessions let in.", |of| &of.sessions_opened),
        ("weir_sessions_ended_total", "Sessions that ended.", |of| &of.sessions_ended),
        ("weir_sessions_failed_total", "Sessions that ended with an error.", |of| &of.sessions_failed),
        ("weir_logins_failed_total", "Clients turned away.", |of| &of.logins_failed),
        ("weir_connections_refused_total", "Connections refused because others were being let in.", |of| {
            &of.connections_refused
        }),
        ("weir_client_bytes_received_total", "Bytes from clients of ended sessions.", |of| {
            &of.bytes_from_client
        }),
        ("weir_client_bytes_sent_total", "Bytes to clients of ended sessions.", |of| &of.bytes_to_client),
        ("weir_operations_forwarded_total", "Operations allowed and forwarded.", |of| &of.allowed),
        ("weir_rows_total", "Rows the upstream reported.", |of| &of.rows),
        ("weir_cells_masked_total", "Values changed by maskers.", |of| &of.cells_masked),
    ];
    for (name, help, counter) in families {
        let labels: Vec<[(&str, &str); 1]> =
            resources.iter().map(|(name, _)| [("resource", name.as_str())]).collect();
        let samples: Vec<(&[(&str, &str)], u64)> = labels
            .iter()
            .zip(&resources)
            .map(|(labels, (_, of))| (labels.as_slice(), counter(of).load(Ordering::Relaxed)))
            .collect();
        page = page.counter(name, help, &samples);
    }
    let mut refused = Vec::new();
    let mut outcomes = Vec::new();
    for (name, of) in &resources {
        for (by, count) in RefusedBy::ALL.iter().zip(&of.refused) {
            refused
                .push(([("resource", name.as_str()), ("by", by.as_word())], count.load(Ordering::Relaxed)));
        }
        for (status, count) in Status::ALL.iter().zip(&of.outcomes) {
            outcomes.push((
                [("resource", name.as_str()), ("status", status.as_word())],
                count.load(Ordering::Relaxed),
            ));
        }
    }
    page = page.counter("weir_operations_refused_total", "Operations refused, by whom.", &borrowed(&refused));
    page = page.counter(
        "weir_operations_ended_total",
        "Operations that ended, by outcome.",
        &borrowed(&outcomes),
    );
    page = page.gauge("weir_sessions", "Live sessions.", &[(&[], shared.sessions.count() as f64)]);
    page = page.gauge(
        "weir_approvals_waiting",
        "Operations that wait for a person.",
        &[(&[], shared.approvals.list().len() as f64)],
    );
    audit(plugins(page, shared), shared).finish()
}

fn borrowed<'a, const N: usize>(
    samples: &'a [([(&'a str, &'a str); N], u64)],
) -> Vec<(&'a [(&'a str, &'a str)], u64)> {
    samples.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect()
}

fn plugins(mut page: Exposition, shared: &Shared) -> Exposition {
    let all: Vec<(String, Arc<PluginMetrics>)> =
        shared.guests.metrics().into_iter().map(|(name, counters)| (name.to_string(), counters)).collect();
    let families: [Family<PluginMetrics>; 13] = [
        ("weir_plugin_calls_total", "Calls into the plugin.", |of| &of.calls),
        ("weir_plugin_traps_total", "Calls that trapped.", |of| &of.traps),
        ("weir_plugin_time_outs_total", "Calls cut because they took too long.", |of| &of.time_outs),
        ("weir_plugin_limit_hits_total", "Calls that hit a limit of memory or output.", |of| &of.limit_hits),
        ("weir_plugin_faults_total", "Calls answered by a fault.", |of| &of.faults),
        ("weir_plugin_contract_breaches_total", "Answers that break the contract.", |of| &of.lies),
        ("weir_plugin_shadow_differences_total", "Answers of a shadow that came to something else.", |of| {
            &of.differences
        }),
        (
            "weir_plugin_decisions_reused_total",
            "Operations it was not asked about: a decision served again.",
            |of| &of.reused,
        ),
        (
            "weir_plugin_batches_without_signs_total",
            "Batches it was not called for: no value showed a sign that was not looked at before.",
            |of| &of.unsigned,
        ),
        ("weir_plugin_instances_total", "Instances made.", |of| &of.instances),
        ("weir_plugin_loads_total", "Versions taken into service.", |of| &of.loads),
        ("weir_plugin_refusals_total", "Versions refused.", |of| &of.refusals),
        ("weir_plugin_log_lines_dropped_total", "Lines written beyond its rate.", |of| &of.log_lines_dropped),
    ];
    let labels: Vec<[(&str, &str); 1]> = all.iter().map(|(name, _)| [("plugin", name.as_str())]).collect();
    for (name, help, counter) in families {
        let samples: Vec<(&[(&str, &str)], u64)> = labels
            .iter()
            .zip(&all)
            .map(|(labels, (_, of))| (labels.as_slice(), counter(of).load(Ordering::Relaxed)))
            .collect();
        page = page.counter(name, help, &samples);
    }
    let bounds = TIME_BUCKETS_NS.map(|ns| ns as f64 / 1e9);
    let counts: Vec<Vec<u64>> = all
        .iter()
        .map(|(_, of)| of.time.iter().map(|count| count.load(Ordering::Relaxed)).collect())
        .collect();
    let samples: Vec<(&[(&str, &str)], Histogram<'_>)> = labels
        .iter()
        .zip(&all)
        .zip(&counts)
        .map(|((labels, (_, of)), counts)| {
            let sum = of.time_total_ns.load(Ordering::Relaxed) as f64 / 1e9;
            (labels.as_slice(), Histogram { bounds: &bounds, counts, sum })
        })
        .collect();
    page = page.histogram("weir_plugin_call_seconds", "Time of calls into the plugin.", &samples);
    let resident: Vec<(&[(&str, &str)], f64)> = labels
        .iter()
        .zip(&all)
        .map(|(labels, (_, of))| (labels.as_slice(), of.resident.load(Ordering::Relaxed) as f64))
        .collect();
    page = page.gauge("weir_plugin_instances", "Instances alive.", &resident);
    page = own(page, &all);
    page.gauge(
        "weir_plugin_generation",
        "The set of plugins in service.",
        &[(&[], shared.guests.generation().number as f64)],
    )
}

/// What plugins count themselves. Their names are words of few letters: checked where they come in.
fn own(page: Exposition, all: &[(String, Arc<PluginMetrics>)]) -> Exposition {
    let all: Vec<_> = all.iter().map(|(plugin, of)| (plugin.as_str(), of.own.all())).collect();
    let each = all.iter().flat_map(|(plugin, own)| own.iter().map(move |(name, own)| (*plugin, name, *own)));
    let (mut counters, mut gauges) = (Vec::new(), Vec::new());
    for (plugin, name, own) in each {
        let labels = [("plugin", plugin), ("name", name.as_str())];
        match own {
            Own::Counter(number) => counters.push((labels, number)),
            Own::Gauge(number) => gauges.push((labels, number)),
        }
    }
    let gauges: Vec<(&[(&str, &str)], f64)> =
        gauges.iter().map(|(labels, number)| (labels.as_slice(), *number)).collect();
    page.counter("weir_plugin_own_total", "What plugins count.", &borrowed(&counters)).gauge(
        "weir_plugin_own",
        "What plugins measure.",
        &gauges,
    )
}

fn audit(page: Exposition, shared: &Shared) -> Exposition {
    let of = shared.audit.metrics();
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let bounds = LATENCY_BOUNDS_US.map(|us| us as f64 / 1e6);
    let histogram =
        Histogram { bounds: &bounds, counts: &of.latency.counts(), sum: of.latency.sum_us() as f64 / 1e6 };
    page.counter("weir_audit_records_total", "Records on disk.", &[(&[], load(&of.records))])
        .counter("weir_audit_groups_total", "Groups committed.", &[(&[], load(&of.groups))])
        .counter("weir_audit_failures_total", "Groups the store did not take.", &[(&[], load(&of.failures))])
        .counter(
            "weir_audit_refused_events_total",
            "Events that could not be recorded.",
            &[(&[], load(&of.refused_events))],
        )
        .gauge(
            "weir_audit_queued_records",
            "Records that wait to be written.",
            &[(&[], shared.audit.queued_records() as f64)],
        )
        .gauge(
            "weir_audit_down",
            "1 while nothing can be recorded.",
            &[(&[], f64::from(of.down.load(Ordering::Relaxed)))],
        )
        .histogram("weir_audit_durable_seconds", "From a record's birth to the disk.", &[(&[], histogram)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_plugins() {
        let refused = PluginProblem::Refused("no world".into());
        assert_eq!(plugin_state(true, None), "ready");
        assert_eq!(plugin_state(true, Some(&refused)), "kept");
        assert_eq!(plugin_state(false, Some(&refused)), "failed");
        assert_eq!(plugin_state(false, Some(&PluginProblem::Gone)), "missing");
        assert_eq!(plugin_state(false, None), "missing");
    }
}
