//! First words: TLS, cancel requests, the startup packet.

use super::{Greeting, PostgresHouse, TurnedAway};
use crate::postgres::upstream::nonce;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_audit::LoginStage;
use weir_net::{Arrival, Stream};
use weir_wire::postgres::{
    ALPN, ClientTransport, EndPointHash, ErrorReport, ServerLogin, ServerLoginOptions, ServerStep, ServerTls,
    SqlState, looks_like_tls,
};

/// One read of the login: packets are small, and what comes behind them is kept.
const READ_BYTES: usize = 2048;

/// A login under way: the machine, and the stream it speaks over.
pub(super) struct Talk {
    pub(super) stream: Stream,
    pub(super) login: ServerLogin,
    pub(super) client: IpAddr,
    pub(super) claimed_user: String,
}

impl Talk {
    pub(super) fn turned_away(self, report: Option<ErrorReport>, reason: String) -> TurnedAway {
        // The name comes with the first packet.
        let stage = if self.claimed_user.is_empty() { LoginStage::Greet } else { LoginStage::Identify };
        TurnedAway::stranger(Some(self.stream), report, stage, self.claimed_user, self.client, reason)
    }
}

impl PostgresHouse {
    pub(super) async fn greet_client(&self, arrival: Arrival) -> Result<Option<Greeting>, TurnedAway> {
        let client = arrival.client.ip();
        let (stream, transport) = match self.first_byte(arrival, client).await? {
            Some(begun) => begun,
            // It hung up without a word: a port check. Nothing happened.
            None => return Ok(None),
        };
        let options = ServerLoginOptions {
            tls: match (&self.resource.tls, self.resource.settings.tls.as_ref()) {
                (Some(_), Some(tls)) if tls.required => ServerTls::Required,
                (Some(_), _) => ServerTls::Offered,
                (None, _) => ServerTls::Absent,
            },
            cleartext: self.resource.cleartext(client),
            mock: self.shared.mock.clone(),
        };
        let login = ServerLogin::new(options, transport);
        let mut talk = Talk { stream, login, client, claimed_user: String::new() };
        loop {
            match drive(&mut talk).await {
                Ok(ServerStep::StartTls) => talk = self.start_tls(talk).await?,
                Ok(ServerStep::Cancel(request)) => {
                    self.shared.sessions.cancel(request).await;
                    return Ok(None);
                }
                Ok(ServerStep::NeedCredential(request)) => {
                    let Talk { stream, login, client, .. } = talk;
                    return Ok(Some(Greeting { stream, login, request, client }));
                }
                Ok(_) => return Err(talk.turned_away(None, "the login took a step it cannot take".into())),
                Err((report, reason)) => return Err(talk.turned_away(report, reason)),
            }
        }
    }

    /// Looks at the first byte without taking it: TLS may start at once (PostgreSQL 17's direct TLS).
    async fn first_byte(
        &self,
        arrival: Arrival,
        client: IpAddr,
    ) -> Result<Option<(Stream, ClientTransport)>, TurnedAway> {
        let turned_away = |reason: String| {
            TurnedAway::stranger(None, None, LoginStage::Greet, String::new(), client, reason)
        };
        let mut first = [0];
        match arrival.socket.peek(&mut first).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
        let [byte] = first;
        if !looks_like_tls(byte) {
            return Ok(Some((Stream::Plain(arrival.socket), ClientTransport::Plain)));
        }
        let Some(tls) = &self.resource.tls else {
            let reason = "the client began with TLS, and this resource has no certificate (`tls`)";
            return Err(turned_away(reason.into()));
        };
        let handshake = tls.accept(arrival.socket).await;
        let (stream, alpn) =
            handshake.map_err(|error| turned_away(format!("the TLS handshake failed: {error}")))?;
        // Without the name, another protocol's client could be tricked into talking to us.
        if alpn.as_deref() != Some(ALPN) {
            return Err(turned_away("the client began with TLS without naming `postgresql` (ALPN)".into()));
        }
        let end_point = tls.end_point().map(EndPointHash::new);
        Ok(Some((stream, ClientTransport::Tls(end_point))))
    }

    async fn start_tls(&self, talk: Talk) -> Result<Talk, TurnedAway> {
        let Talk { stream, mut login, client, claimed_user } = talk;
        let lost = |reason: String| {
            TurnedAway::stranger(None, None, LoginStage::Greet, String::new(), client, reason)
        };
        let (Stream::Plain(socket), Some(tls)) = (stream, &self.resource.tls) else {
            return Err(lost("TLS was to start where it cannot".into()));
        };
        let (stream, _) =
            tls.accept(socket).await.map_err(|error| lost(format!("the TLS handshake failed: {error}")))?;
        login.tls_started(tls.end_point().map(EndPointHash::new)).map_err(|error| lost(error.to_string()))?;
        Ok(Talk { stream, login, client, claimed_user })
    }
}

/// One step, with what the client may read of a failure.
pub(super) async fn drive(talk: &mut Talk) -> Result<ServerStep, (Option<ErrorReport>, String)> {
    loop {
        match talk.login.step() {
            Err(error) => return Err((Some(error.report()), error.to_string())),
            Ok(ServerStep::NeedInput) => {
                let mut buffer = [0; READ_BYTES];
                match talk.stream.read(&mut buffer).await {
                    Ok(0) => return Err((None, talk.login.closed().to_string())),
                    Ok(count) => talk.login.feed(buffer.get(..count).unwrap_or_default()),
                    Err(error) => return Err((None, format!("reading from the client failed: {error}"))),
                }
            }
            Ok(ServerStep::Send(bytes)) => {
                let sent = async {
                    talk.stream.write_all(&bytes).await?;
                    talk.stream.flush().await
                };
                sent.await.map_err(|error| (None, format!("writing to the client failed: {error}")))?;
            }
            Ok(step) => return Ok(step),
        }
    }
}

/// A nonce, or the refusal of a login for want of one.
pub(super) fn fresh_nonce() -> Result<weir_wire::postgres::Nonce, ErrorReport> {
    nonce().map_err(|_| ErrorReport::fatal(SqlState::INTERNAL_ERROR, "the gateway has no randomness"))
}
