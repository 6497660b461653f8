//! One request, from its header to its answer.
//!
//! meant for us? → is there such an address? → with this method? → who is it? → may they? → answer.

use super::problem::Problem;
use super::reply::{self, Reply};
use super::route::{Route, Visitors};
use super::{body, front};
use crate::auth::Caller;
use crate::views::{ApprovalView, ReviewBody, ReviewedView};
use crate::{AdminApi, Auth, Review, ReviewRefused};
use hyper::Request;
use hyper::body::Incoming;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use weir_model::{Principal, PrincipalKind};

/// Longer than the time a body may take, and than a trail that is alive needs for a record.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What every connection needs.
pub(super) struct Door<A> {
    pub(super) api: Arc<A>,
    pub(super) auth: Arc<Auth>,
}

impl<A: AdminApi> Door<A> {
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let answer = tokio::time::timeout(ANSWER_TIME, self.try_answer(request, peer)).await;
        answer.unwrap_or_else(|_| Err(Problem::too_slow().closing())).unwrap_or_else(Reply::from)
    }

    async fn try_answer(&self, request: Request<Incoming>, peer: IpAddr) -> Result<Reply, Problem> {
        front::check(request.uri(), request.headers())?;
        let path = request.uri().path().to_owned();
        let route = Route::of(&path).ok_or_else(Problem::no_such_page)?;
        if !route.answers_to(request.method()) {
            return Err(Problem::wrong_method(route.methods()));
        }
        match route.visitors() {
            Visitors::Anyone => self.to_anyone().await,
            Visitors::Operator => match self.caller(&request, peer).await? {
                Caller::Operator => self.to_operator(route, peer).await,
                Caller::Reviewer(_) => Err(Problem::operators_only()),
            },
            Visitors::OperatorOrReviewer => {
                let caller = self.caller(&request, peer).await?;
                self.approvals(route, &caller).await
            }
            Visitors::Reviewer => match self.caller(&request, peer).await? {
                Caller::Operator => Err(Problem::needs_a_person()),
                Caller::Reviewer(reviewer) => self.review(route, reviewer, request).await,
            },
        }
    }

    async fn caller(&self, request: &Request<Incoming>, peer: IpAddr) -> Result<Caller, Problem> {
        Ok(self.auth.identify(&self.api, request.headers(), peer).await?)
    }

    async fn to_anyone(&self) -> Result<Reply, Problem> {
        self.api.health().await?;
        Ok(reply::text("text/plain; charset=utf-8", "ok\n".to_owned()))
    }

    async fn to_operator(&self, route: Route<'_>, peer: IpAddr) -> Result<Reply, Problem> {
        match route {
            Route::Metrics => Ok(reply::text(METRICS_TYPE, self.api.metrics().await)),
            Route::Status => reply::view(&self.api.status().await),
            Route::Sessions => reply::view(&self.api.sessions().await),
            Route::Plugins => reply::view(&self.api.plugins().await),
            Route::Session(id) => {
                let (api, id) = (Arc::clone(&self.api), id.to_owned());
                to_its_end(async move { api.kill_session(&id, peer).await }).await??;
                reply::view(&serde_json::json!({}))
            }
            _ => Err(Problem::no_such_page()),
        }
    }

    async fn approvals(&self, route: Route<'_>, caller: &Caller) -> Result<Reply, Problem> {
        let may_see = |approval: &ApprovalView| match caller {
            Caller::Operator => true,
            Caller::Reviewer(who) => approval.concerns(who),
        };
        match route {
            Route::Approval(id) => {
                let found = self.api.approval(id).await.filter(may_see);
                reply::view(&found.ok_or_else(Problem::no_such_approval)?)
            }
            _ => {
                let mut all = self.api.approvals().await;
                all.retain(may_see);
                reply::view(&all)
            }
        }
    }

    async fn review(
        &self,
        route: Route<'_>,
        reviewer: Principal,
        request: Request<Incoming>,
    ) -> Result<Reply, Problem> {
        let Route::Review(id, vote) = route else { return Err(Problem::no_such_page()) };
        let ReviewBody { comment, digest } = body::read(request).await?;
        let asked = self.api.approval(id).await.ok_or_else(Problem::no_such_approval)?;
        // The host decides who may review. These come first only so that a stranger learns no digest.
        if asked.is_own(&reviewer) {
            return Err(ReviewRefused::OwnRequest.into());
        }
        if reviewer.kind != PrincipalKind::Human {
            return Err(ReviewRefused::NotPerson { who: reviewer.id, kind: reviewer.kind.as_word() }.into());
        }
        if !asked.is_reviewer(&reviewer) {
            return Err(not_reviewer(&asked, &reviewer).into());
        }
        // An id never changes its digest, so what is compared here is what is reviewed below.
        if digest.is_some_and(|looked_at| !looked_at.eq_ignore_ascii_case(&asked.digest)) {
            return Err(Problem::other_digest(&asked.digest));
        }
        let reviewed = ReviewedView { id: asked.id, vote, by: reviewer.id.clone(), digest: asked.digest };
        let review = Review { id: id.to_owned(), reviewer, vote, comment };
        let api = Arc::clone(&self.api);
        to_its_end(async move { api.review(review).await }).await??;
        reply::view(&reviewed)
    }
}

fn not_reviewer(asked: &ApprovalView, who: &Principal) -> ReviewRefused {
    let was_reviewer = asked.was_reviewer(who);
    let listed = |reviewers: &[String]| {
        if reviewers.is_empty() { "there are none".to_owned() } else { reviewers.join(", ") }
    };
    let who = who.id.clone();
    match asked.reviewers_now.as_deref().filter(|_| was_reviewer) {
        Some(now) => {
            ReviewRefused::NoLongerReviewer { who, resource: asked.resource.clone(), reviewers: listed(now) }
        }
        None => ReviewRefused::NotReviewer { who, reviewers: listed(&asked.reviewers) },
    }
}

/// Runs what changes something in a task of its own: when the caller hangs up, the request's future is dropped, and
/// a change dropped between its record and its effect would make the trail lie.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(change).await.map_err(|error| {
        tracing::error!(%error, "a change asked of the admin api broke");
        Problem::broken()
    })
}
