//! The requests that wait now.

use crate::{Ending, Journal, JournalDown, Requested, Vote};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use weir_model::{Abandoned, Grantee, Principal, PrincipalKind, ResourceName};

/// All waiting requests of one host.
pub struct Approvals<J: Journal> {
    journal: Arc<J>,
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
}

struct Waiting {
    request: Arc<Requested>,
    /// Taken by whoever ends the request; empty while that is being recorded.
    tell: Option<oneshot::Sender<Ending>>,
}

/// Why a review is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    #[error("there is no waiting request {0}: it was reviewed, has expired, or its client is gone")]
    NotWaiting(String),
    #[error("nobody reviews their own request, nor their agents'")]
    OwnRequest,
    /// `kind`: `agent` or `service`.
    #[error(
        "a review needs a person, and {who} is of kind `{kind}`: somebody of kind `human` must review it"
    )]
    NotPerson { who: String, kind: &'static str },
    #[error("{who} is not among the reviewers of this request: {reviewers}")]
    NotReviewer { who: String, reviewers: String },
    #[error("{who} is no longer among the reviewers of {resource}: {reviewers}")]
    NoLongerReviewer { who: String, resource: ResourceName, reviewers: String },
    #[error("the review could not be recorded, so it has no effect: {0}")]
    NotRecorded(#[from] JournalDown),
}

impl<J: Journal> Approvals<J> {
    pub fn new(journal: J) -> Self {
        Self { journal: Arc::new(journal), waiting: Arc::default() }
    }

    /// Records the request and shows it to reviewers. `request.id` is chosen here.
    ///
    /// # Errors
    /// When it cannot be recorded: then nobody sees it and nobody waits.
    pub async fn ask(&self, mut request: Requested) -> Result<Ticket<J>, JournalDown> {
        request.id = new_id();
        let request = Arc::new(request);
        self.journal.asked(&request).await?;
        let (tell, told) = oneshot::channel();
        let waiting = Waiting { request: Arc::clone(&request), tell: Some(tell) };
        lock(&self.waiting).insert(request.id.clone(), waiting);
        let left = request.expires_at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        Ok(Ticket {
            journal: Arc::clone(&self.journal),
            waiting: Arc::clone(&self.waiting),
            request,
            told: Some(told),
            why: Abandoned::SessionFailed,
            expires: Box::pin(tokio::time::sleep(left)),
        })
    }

    /// All requests that wait, oldest first.
    pub fn list(&self) -> Vec<Arc<Requested>> {
        let mut all: Vec<_> =
            lock(&self.waiting).values().map(|waiting| Arc::clone(&waiting.request)).collect();
        all.sort_by_key(|request| request.asked_at);
        all
    }

    pub fn show(&self, id: &str) -> Option<Arc<Requested>> {
        lock(&self.waiting).get(id).map(|waiting| Arc::clone(&waiting.request))
    }

    /// A reviewer speaks. The review is recorded before it takes effect. `now`: the reviewers of a resource at this
    /// moment, since the configuration may have changed while the request waited.
    ///
    /// # Errors
    /// When the request does not wait (any more), when the reviewer is the requester, no person, or not among the
    /// reviewers, then or now, or when the review cannot be recorded.
    pub async fn review(
        &self,
        id: &str,
        reviewer: &Principal,
        vote: Vote,
        comment: &str,
        now: impl FnOnce(&ResourceName) -> Vec<Grantee>,
    ) -> Result<Arc<Requested>, ReviewError> {
        let not_waiting = || ReviewError::NotWaiting(id.to_owned());
        let (request, tell) = {
            let mut all = lock(&self.waiting);
            let waiting = all.get_mut(id).ok_or_else(not_waiting)?;
            if waiting.request.requester.same_person(reviewer) {
                return Err(ReviewError::OwnRequest);
            }
            may_review(&waiting.request, reviewer, now)?;
            (Arc::clone(&waiting.request), waiting.tell.take().ok_or_else(not_waiting)?)
        };
        // Timers stand still while a machine sleeps, its clock does not.
        if SystemTime::now() >= request.expires_at {
            lock(&self.waiting).remove(id);
            record_later(&self.journal, &request, Ending::Expired);
            // A session that is gone already needs no word.
            let _ = tell.send(Ending::Expired);
            return Err(not_waiting());
        }
        let ending = Ending::Voted { vote, by: reviewer.id.clone(), comment: comment.to_owned() };
        if let Err(down) = self.journal.ended(&request, &ending).await {
            if let Some(waiting) = lock(&self.waiting).get_mut(id) {
                waiting.tell = Some(tell);
            }
            return Err(down.into());
        }
        lock(&self.waiting).remove(id);
        // The client may have gone in this very moment: then nobody hears it, and nothing runs.
        tell.send(ending).map_err(|_| not_waiting())?;
        Ok(request)
    }

    /// The host is going: every waiting request ends.
    pub async fn shut_down(&self) {
        let all = std::mem::take(&mut *lock(&self.waiting));
        for waiting in all.into_values() {
            if let Some(tell) = waiting.tell {
                if let Err(down) = self.journal.ended(&waiting.request, &Ending::Shutdown).await {
                    tracing::warn!(approval = %waiting.request.id, error = %down, "ending not recorded");
                }
                // A session that is gone already needs no word.
                let _ = tell.send(Ending::Shutdown);
            }
        }
    }
}

/// Who has asked has been asked before.
fn may_review(
    request: &Requested,
    reviewer: &Principal,
    now: impl FnOnce(&ResourceName) -> Vec<Grantee>,
) -> Result<(), ReviewError> {
    let who = reviewer.id.clone();
    if reviewer.kind != PrincipalKind::Human {
        return Err(ReviewError::NotPerson { who, kind: reviewer.kind.as_word() });
    }
    if !covered(&request.reviewers, reviewer) {
        return Err(ReviewError::NotReviewer { who, reviewers: listed(&request.reviewers) });
    }
    if request.reviewers_of_resource {
        let reviewers = now(&request.resource);
        if !covered(&reviewers, reviewer) {
            let (resource, reviewers) = (request.resource.clone(), listed(&reviewers));
            return Err(ReviewError::NoLongerReviewer { who, resource, reviewers });
        }
    }
    Ok(())
}

fn covered(grantees: &[Grantee], who: &Principal) -> bool {
    grantees.iter().any(|grantee| grantee.covers(who))
}

fn listed(reviewers: &[Grantee]) -> String {
    if reviewers.is_empty() {
        return "there are none".to_owned();
    }
    let reviewers: Vec<_> = reviewers.iter().map(ToString::to_string).collect();
    reviewers.join(", ")
}

/// What the waiting session holds: it waits until the ticket has ended or is abandoned.
pub struct Ticket<J: Journal> {
    journal: Arc<J>,
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
    request: Arc<Requested>,
    told: Option<oneshot::Receiver<Ending>>,
    /// what is recorded when it is dropped before it has ended
    why: Abandoned,
    expires: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl<J: Journal> Ticket<J> {
    pub fn request(&self) -> &Requested {
        &self.request
    }

    /// Nobody waits any more. Recorded, unless a review is being recorded in this very moment: then the review is
    /// the request's end, and the operation is refused all the same.
    pub fn abandon(mut self, why: Abandoned) {
        self.why = why;
    }

    /// Resolves with the ending. Cancel safe; after it has resolved once it stays pending for ever.
    pub async fn ended(&mut self) -> Ending {
        let Some(told) = self.told.as_mut() else { return std::future::pending().await };
        let ending = tokio::select! {
            biased;
            ending = &mut *told => ending.unwrap_or(Ending::Shutdown),
            () = self.expires.as_mut() => {
                if take(&self.waiting, &self.request.id) {
                    record_later(&self.journal, &self.request, Ending::Expired);
                    Ending::Expired
                } else {
                    // A review is being recorded in this very moment: it came first.
                    told.await.unwrap_or(Ending::Expired)
                }
            }
        };
        self.told = None;
        ending
    }
}

impl<J: Journal> Drop for Ticket<J> {
    fn drop(&mut self) {
        if self.told.is_none() || !take(&self.waiting, &self.request.id) {
            return;
        }
        record_later(&self.journal, &self.request, Ending::Abandoned(self.why));
    }
}

/// Records an ending that nobody waits for: the operation is refused whether or not it can be recorded.
fn record_later<J: Journal>(journal: &Arc<J>, request: &Arc<Requested>, ending: Ending) {
    let (journal, request) = (Arc::clone(journal), Arc::clone(request));
    // Without a runtime the process is ending, and starting again closes the request in the trail.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if let Err(down) = journal.ended(&request, &ending).await {
                tracing::warn!(approval = %request.id, error = %down, "ending not recorded");
            }
        });
    }
}

/// Takes the request off the list unless somebody else is ending it.
fn take(waiting: &Mutex<BTreeMap<String, Waiting>>, id: &str) -> bool {
    let mut all = lock(waiting);
    match all.get(id) {
        Some(found) if found.tell.is_some() => all.remove(id).is_some(),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing in here panics while it holds the lock; the data is whole even if something did.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Short enough to read out on the phone; 60 random bits are enough among the few that wait at a time.
fn new_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("apr-{}", random.chars().take(10).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use weir_model::{Action, Digest, Operation, SessionId};

    #[derive(Default)]
    struct Notebook {
        down: AtomicBool,
        endings: Mutex<Vec<&'static str>>,
    }

    impl Journal for Arc<Notebook> {
        async fn asked(&self, _: &Requested) -> Result<(), JournalDown> {
            self.answer()
        }

        async fn ended(&self, _: &Requested, ending: &Ending) -> Result<(), JournalDown> {
            self.answer()?;
            self.endings.lock().unwrap().push(ending.as_word());
            Ok(())
        }
    }

    impl Notebook {
        fn answer(&self) -> Result<(), JournalDown> {
            match self.down.load(Ordering::SeqCst) {
                true => Err(JournalDown("disk full".into())),
                false => Ok(()),
            }
        }
    }

    fn person(id: &str, group: &str, on_behalf_of: Option<&str>) -> Principal {
        Principal {
            id: id.into(),
            kind: PrincipalKind::Human,
            on_behalf_of: on_behalf_of.map(Into::into),
            groups: vec![group.into()],
        }
    }

    fn request(expires: Duration) -> Requested {
        Requested {
            id: String::new(),
            session: SessionId::new("s"),
            resource: ResourceName::new("customers"),
            requester: person("ann-agent", "engineers", Some("ann")),
            client_address: "127.0.0.1".into(),
            operation_id: 1,
            operation: Operation {
                kind: "sql.query".into(),
                action: Action::Write,
                text: "delete from t".into(),
                objects: vec![],
                parameters: vec![],
                attributes: vec![],
                claimed: vec![],
            },
            digest: Digest([1; 32]),
            code: "bulk-write".into(),
            reason: "r".into(),
            reviewers: vec![Grantee::Group("leads".into())],
            reviewers_of_resource: true,
            asked_at: SystemTime::now(),
            expires_at: SystemTime::now() + expires,
        }
    }

    fn leads(_: &ResourceName) -> Vec<Grantee> {
        vec![Grantee::Group("leads".into())]
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_reviewer_approves_once() {
        let notebook = Arc::new(Notebook::default());
        let approvals = Approvals::new(Arc::clone(&notebook));
        let mut ticket = approvals.ask(request(LONG)).await.unwrap();
        let id = ticket.request().id.clone();
        let lead = person("lea", "leads", None);
        approvals.review(&id, &lead, Vote::Approve, "fine", leads).await.unwrap();
        assert_eq!(
            ticket.ended().await,
            Ending::Voted { vote: Vote::Approve, by: "lea".into(), comment: "fine".into() }
        );
        let again = approvals.review(&id, &lead, Vote::Approve, "", leads).await;
        assert!(matches!(again, Err(ReviewError::NotWaiting(_))));
        drop(ticket);
        assert_eq!(*notebook.endings.lock().unwrap(), ["approve"]);
    }

    #[tokio::test]
    async fn neither_owner_nor_agent_nor_stranger_reviews() {
        let approvals = Approvals::new(Arc::new(Notebook::default()));
        let ticket = approvals.ask(request(LONG)).await.unwrap();
        let id = ticket.request().id.clone();
        for (who, own) in [
            (person("ann", "leads", None), true),
            (person("ann-agent", "leads", Some("ann")), true),
            (person("ann-other", "leads", Some("ann")), true),
            (person("bob", "engineers", None), false),
        ] {
            let error = approvals.review(&id, &who, Vote::Approve, "", leads).await.unwrap_err();
            assert_eq!(error == ReviewError::OwnRequest, own, "{}: {error}", who.id);
        }
        assert_eq!(approvals.list().len(), 1);
    }

    #[tokio::test]
    async fn only_a_person_reviews() {
        let approvals = Approvals::new(Arc::new(Notebook::default()));
        let ticket = approvals.ask(request(LONG)).await.unwrap();
        let id = ticket.request().id.clone();
        for kind in [PrincipalKind::Agent, PrincipalKind::Service] {
            let who = Principal { kind, ..person("bot", "leads", Some("lea")) };
            for vote in [Vote::Approve, Vote::Deny] {
                let error = approvals.review(&id, &who, vote, "", leads).await.unwrap_err();
                assert_eq!(error, ReviewError::NotPerson { who: "bot".into(), kind: kind.as_word() });
            }
        }
        assert_eq!(approvals.list().len(), 1);
    }

    #[tokio::test]
    async fn who_is_no_reviewer_any_more_does_not_review_what_waits() {
        let approvals = Approvals::new(Arc::new(Notebook::default()));
        let ticket = approvals.ask(request(LONG)).await.unwrap();
        let id = ticket.request().id.clone();
        let (lea, max) = (person("lea", "leads", None), person("max", "leads", None));
        let zoe = person("zoe", "engineers", None);
        let now = |_: &ResourceName| vec![Grantee::User("max".into()), Grantee::User("zoe".into())];
        let error = approvals.review(&id, &lea, Vote::Approve, "", now).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "lea is no longer among the reviewers of customers: user:max, user:zoe"
        );
        let error = approvals.review(&id, &zoe, Vote::Approve, "", now).await.unwrap_err();
        assert!(matches!(error, ReviewError::NotReviewer { .. }), "{error}");
        let error = approvals.review(&id, &max, Vote::Approve, "", |_| vec![]).await.unwrap_err();
        assert!(error.to_string().ends_with("there are none"), "{error}");
        approvals.review(&id, &max, Vote::Approve, "", now).await.unwrap();
        // Those whom a policy has named need not be the resource's.
        let by_policy = Requested { reviewers_of_resource: false, ..request(LONG) };
        let ticket = approvals.ask(by_policy).await.unwrap();
        let id = ticket.request().id.clone();
        approvals.review(&id, &lea, Vote::Approve, "", now).await.unwrap();
    }

    #[tokio::test]
    async fn a_review_that_cannot_be_recorded_has_no_effect() {
        let notebook = Arc::new(Notebook::default());
        let approvals = Approvals::new(Arc::clone(&notebook));
        let mut ticket = approvals.ask(request(LONG)).await.unwrap();
        let id = ticket.request().id.clone();
        let lead = person("lea", "leads", None);
        notebook.down.store(true, Ordering::SeqCst);
        let error = approvals.review(&id, &lead, Vote::Approve, "", leads).await.unwrap_err();
        assert!(matches!(error, ReviewError::NotRecorded(_)));
        assert!(approvals.ask(request(LONG)).await.is_err());
        notebook.down.store(false, Ordering::SeqCst);
        approvals.review(&id, &lead, Vote::Deny, "no", leads).await.unwrap();
        assert!(matches!(ticket.ended().await, Ending::Voted { vote: Vote::Deny, .. }));
    }

    #[tokio::test]
    async fn it_expires_and_it_is_abandoned_for_a_reason() {
        let notebook = Arc::new(Notebook::default());
        let approvals = Approvals::new(Arc::clone(&notebook));
        let mut ticket = approvals.ask(request(Duration::from_millis(1))).await.unwrap();
        assert_eq!(ticket.ended().await, Ending::Expired);
        drop(ticket);
        tokio::task::yield_now().await;
        for why in [Abandoned::Cancelled, Abandoned::ClientGone, Abandoned::SessionKilled] {
            approvals.ask(request(LONG)).await.unwrap().abandon(why);
        }
        drop(approvals.ask(request(LONG)).await.unwrap());
        assert!(approvals.list().is_empty());
        tokio::task::yield_now().await;
        assert_eq!(
            *notebook.endings.lock().unwrap(),
            ["expired", "cancelled", "client-gone", "session-killed", "session-failed"]
        );
    }

    /// As after a night in which the machine slept: no timer has fired, the clock has gone on.
    #[tokio::test]
    async fn what_has_expired_cannot_be_approved() {
        let notebook = Arc::new(Notebook::default());
        let approvals = Approvals::new(Arc::clone(&notebook));
        let mut late = request(Duration::ZERO);
        late.asked_at = SystemTime::now() - LONG;
        let mut ticket = approvals.ask(late).await.unwrap();
        let id = ticket.request().id.clone();
        let review = approvals.review(&id, &person("lea", "leads", None), Vote::Approve, "", leads).await;
        assert_eq!(review.unwrap_err(), ReviewError::NotWaiting(id));
        assert_eq!(ticket.ended().await, Ending::Expired);
        assert!(approvals.list().is_empty());
        tokio::task::yield_now().await;
        assert_eq!(*notebook.endings.lock().unwrap(), ["expired"]);
    }

    #[tokio::test]
    async fn shutdown_ends_every_request() {
        let approvals = Approvals::new(Arc::new(Notebook::default()));
        let mut ticket = approvals.ask(request(LONG)).await.unwrap();
        approvals.shut_down().await;
        assert_eq!(ticket.ended().await, Ending::Shutdown);
    }
}
