//! The life of a session, top to bottom.
//!
//! ```text
//! greet ─► identify ─► authorize ─► connect ─► open ─► exchange ─► close
//!                                                       │
//!              per operation: inspect → decide → hold if asked → record → forward → mask → reply, or refuse
//! ```
//!
//! Each stage consumes what the one before it gave, so none can be left out: connecting demands the permit
//! that only authorizing gives. Whoever does not get through is turned away by one door, which records it;
//! whoever does leaves by another, which records it once.

use crate::exchange::{Ended, Exchange, Start, Stream};
use crate::ports::Ports;
use std::future::Future;

/// What the house does at each stage of a session, protocol by protocol.
pub trait House: Sync {
    /// An accepted connection.
    type Arrival: Send;
    /// Its first words: TLS is settled, and it is known who they claim to be and what they want.
    type Greeting: Send;
    /// Proof checked: a principal.
    type Identity: Send;
    /// Only the access room makes one.
    type Permit: Send;
    /// Both sides are logged in.
    type Connected: Send;
    /// Why someone was turned away, with everything needed to tell them and to record it.
    type TurnedAway: Send;
    type Ports: Ports;
    type Client: Stream;
    type Upstream: Stream;

    /// `None`: that was no session but a cancel request, which is dealt with.
    fn greet(
        &self,
        arrival: Self::Arrival,
    ) -> impl Future<Output = Result<Option<Self::Greeting>, Self::TurnedAway>> + Send;

    fn identify(
        &self,
        greeting: Self::Greeting,
    ) -> impl Future<Output = Result<Self::Identity, Self::TurnedAway>> + Send;

    fn authorize(
        &self,
        identity: Self::Identity,
    ) -> impl Future<Output = Result<(Self::Identity, Self::Permit), Self::TurnedAway>> + Send;

    fn connect(
        &self,
        identity: Self::Identity,
        permit: Self::Permit,
    ) -> impl Future<Output = Result<Self::Connected, Self::TurnedAway>> + Send;

    /// The session begins: its record has a place in the queue before the client hears that it may speak.
    #[allow(clippy::type_complexity, reason = "a tuple of the three things an exchange runs on")]
    fn open(
        &self,
        connected: Self::Connected,
    ) -> impl Future<Output = Result<(Start<Self::Ports>, Self::Client, Self::Upstream), Self::TurnedAway>> + Send;

    /// The door for those who do not get in: tells them why as far as they may know, records the rest.
    fn turn_away(&self, turned_away: Self::TurnedAway) -> impl Future<Output = ()> + Send;

    /// The door for those who leave.
    fn close(&self, session: weir_model::SessionId, ended: Ended) -> impl Future<Output = ()> + Send;
}

/// One client, from its connection to its end.
pub async fn live<H: House>(house: &H, arrival: H::Arrival) {
    let (start, client, upstream) = match let_in(house, arrival).await {
        Ok(Some(session)) => session,
        Ok(None) => return,
        Err(turned_away) => return house.turn_away(turned_away).await,
    };
    let session = start.info.id.clone();
    let ended = Exchange::run(start, client, upstream).await;
    house.close(session, ended).await;
}

#[allow(clippy::type_complexity, reason = "a tuple of the three things an exchange runs on")]
async fn let_in<H: House>(
    house: &H,
    arrival: H::Arrival,
) -> Result<Option<(Start<H::Ports>, H::Client, H::Upstream)>, H::TurnedAway> {
    let Some(greeting) = house.greet(arrival).await? else { return Ok(None) };
    let identity = house.identify(greeting).await?;
    let (identity, permit) = house.authorize(identity).await?;
    let connected = house.connect(identity, permit).await?;
    house.open(connected).await.map(Some)
}
