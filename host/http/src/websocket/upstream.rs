//! The leg to the upstream: a connection of its own for each WebSocket, and the handshake on it.

use super::handshake;
use super::leg::{Side, pair};
use crate::body::PipeBody;
use crate::dial::agreed_on_version_2;
use crate::pool::{Pool, broken, ended, not_answered, unreachable_upstream};
use crate::refusal::causes;
use crate::{UpstreamBody, hygiene};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use weir_model::{Fault, FaultSource, RefusedBy};
use weir_session::http::traffic::{AnswerHead, Pipe, RequestHead};

impl Pool {
    /// Asks for a WebSocket. When the upstream switches, what comes and goes are messages; else it is an answer like any.
    pub(crate) async fn switch(
        self: &Arc<Self>,
        head: RequestHead,
        from: Pipe,
    ) -> Result<(AnswerHead, UpstreamBody), Fault> {
        let options = self.options();
        let within = options.connect_time;
        let stream = tokio::time::timeout(within, self.dialed()).await.unwrap_or_else(|_| {
            Err(unreachable_upstream(format!("not within {} s", within.as_secs_f32())))
        })?;
        if agreed_on_version_2(&stream) {
            let message = "the upstream speaks HTTP/2, over which WebSocket is not spoken here";
            return Err(Fault::new(FaultSource::Upstream, "upstream-broken", message));
        }
        let failed = |error: hyper::Error| unreachable_upstream(causes(&error));
        let (mut sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(async move { ended(connection.with_upgrades().await) });
        let mut request = self.request(&head, PipeBody::nothing(), false)?;
        let accept = handshake::ask(request.headers_mut()).map_err(|why| {
            Fault::new(FaultSource::Host, "request-unsendable", "the request cannot be sent").with_detail(why)
        })?;
        let answer = tokio::time::timeout(options.answer_time, sender.send_request(request)).await;
        let mut answer = answer
            .map_err(|_| {
                let within = options.answer_time.as_secs();
                let message = format!("the upstream did not answer within {within} s");
                Fault::new(FaultSource::Upstream, "upstream-late", message)
            })?
            .map_err(|error| not_answered(&error))?;
        let wrong = |why: &str| broken("the upstream's answer cannot be passed on", why.to_owned());
        if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            let (parts, body) = answer.into_parts();
            let head = hygiene::answer_head(&parts, false, body.is_end_stream()).map_err(wrong)?;
            let mut body = UpstreamBody::new(body, &head.headers, RefusedBy::Upstream, options.body_time);
            body.keep(sender);
            return Ok((head, body));
        }
        let upgrade = hyper::upgrade::on(&mut answer);
        let (parts, _) = answer.into_parts();
        handshake::check(&parts.headers, &accept, &head.headers).map_err(wrong)?;
        let head = hygiene::switched_head(&parts).map_err(wrong)?;
        let upgraded = upgrade.await.map_err(|error| wrong(&causes(&error)))?;
        let (leg, took, start) = pair(Side::Server);
        // It ends when the session lets go of it, or the upstream does.
        tokio::spawn(async move { leg.run(TokioIo::new(upgraded), from).await });
        Ok((head, UpstreamBody::messages(took, start)))
    }
}
