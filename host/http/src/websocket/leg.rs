//! One leg of a WebSocket: its connection on one side, the session's messages on the other.
//!
//! Reading and writing never wait for each other. Pings are answered here, also while the session looks at nothing
//! because a message is held: so much is read behind it as there is room.

use super::frame::{self, Decoder, Event, Wrong};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use weir_model::RefusedBy;
use weir_session::http::traffic::{Broken, Frame, Goodbye, Message, Pipe, Sight};

const READ_BYTES: usize = 16 * 1024;
/// Messages that nobody has taken, together; a larger one stands there alone.
const AHEAD_BYTES: usize = 256 * 1024;
/// What is read besides, and kept as it came, while there is no room: so that the end of a connection is seen. A sender that
/// has filled this too is waited for no longer than the time.
const OVERFLOW_BYTES: usize = 1024 * 1024;
const OVERFLOW_TIME: Duration = Duration::from_secs(10);
/// What a message costs besides its bytes.
const MESSAGE_BYTES: usize = 64;
/// Pongs that could not be written yet: only the latest ping must be answered (RFC 6455, section 5.5.3).
const CONTROLS: usize = 8;
/// As for HTTP/2: a peer whose machine is gone is noticed after both.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME: Duration = Duration::from_secs(20);
/// For the session to answer a close frame, and for the peer to.
const CLOSE_TIME: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(2);
/// For one frame: a peer that takes nothing is not waited for any longer.
const WRITE_TIME: Duration = Duration::from_secs(60);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A message with the room it takes.
type Piece = (Result<Frame, Broken>, Option<OwnedSemaphorePermit>);

/// Says how large messages may be, and that they are wanted.
pub(crate) type Start = oneshot::Sender<usize>;

/// What a session takes of a leg.
pub(crate) struct Took {
    pieces: mpsc::UnboundedReceiver<Piece>,
    closing: watch::Receiver<bool>,
    sight: Sight,
}

impl Took {
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        self.pieces.recv().await.map(|(piece, _)| piece)
    }

    /// Resolves when a close frame has come. Cancel safe.
    pub(crate) async fn closing(&mut self) {
        if self.closing.wait_for(|closing| *closing).await.is_err() {
            // It ended without one.
            std::future::pending().await
        }
    }

    /// Blocked while so much is there that nothing more is read.
    pub(crate) fn sight(&self) -> Sight {
        self.sight.clone()
    }
}

pub(crate) struct Leg {
    side: Side,
    start: oneshot::Receiver<usize>,
    to: mpsc::UnboundedSender<Piece>,
    closing: watch::Sender<bool>,
    sight: Sight,
}

/// A leg before its connection is there, and what a session gets of it.
pub(crate) fn pair(side: Side) -> (Leg, Took, Start) {
    let (to, took) = mpsc::unbounded_channel();
    let (told, start) = oneshot::channel();
    let (close, closing) = watch::channel(false);
    let sight = Sight::new();
    let leg = Leg { side, start, to, closing: close, sight: sight.clone() };
    (leg, Took { pieces: took, closing, sight }, told)
}

/// How reading ended.
enum Ended {
    /// With a close frame.
    Closed,
    /// Without, but behind everything that it has said.
    Left,
    /// It broke off, or nobody knows what it does.
    Gone,
    Wrong(Wrong),
}

/// What the reader has to say itself.
enum Control {
    Ping,
    Pong(Bytes),
}

impl Leg {
    /// Runs the leg to its end. `from`: what the session sends.
    pub(crate) async fn run(self, stream: impl AsyncRead + AsyncWrite + Send, mut from: Pipe) {
        let Self { side, start, to, closing, sight } = self;
        // A session that lets go before it has begun says nothing more.
        let Ok(most) = start.await else { return };
        let (read, write) = tokio::io::split(stream);
        let (ask, asked) = mpsc::channel(CONTROLS);
        let decoder = Decoder::new(side == Side::Client, most);
        let room = Arc::new(Semaphore::new(AHEAD_BYTES));
        let reader = Reader { side, decoder, stream: read, to, closing, sight, ask, room, is_over: false };
        let mut writer = Writer { side, stream: write, is_cut: false, has_closed: false };
        let ended = {
            let reading = std::pin::pin!(reader.run());
            let writing = std::pin::pin!(writer.run(&mut from, asked));
            meet(reading, writing).await
        };
        let last = match &ended {
            Ended::Wrong(wrong) => goodbye(wrong.code, wrong.what),
            Ended::Closed => goodbye(1000, ""),
            Ended::Left | Ended::Gone => goodbye(1001, ""),
        };
        let _ = timeout(LINGER, writer.end(&last)).await;
        if matches!(ended, Ended::Wrong(_)) {
            tracing::debug!(?side, "a WebSocket was ended because of its frames");
        }
    }
}

/// Until both directions are done, or one cannot be.
async fn meet(
    mut reading: std::pin::Pin<&mut impl Future<Output = Ended>>,
    mut writing: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Ended {
    tokio::select! {
        ended = reading.as_mut() => {
            if matches!(ended, Ended::Closed | Ended::Left) {
                // What it said last is looked at still; what the session has to say, and its close frame.
                let _ = timeout(CLOSE_TIME, writing).await;
            }
            ended
        }
        () = writing.as_mut() => timeout(LINGER, reading).await.unwrap_or(Ended::Gone),
    }
}

struct Reader<S> {
    side: Side,
    decoder: Decoder,
    stream: ReadHalf<S>,
    to: mpsc::UnboundedSender<Piece>,
    closing: watch::Sender<bool>,
    sight: Sight,
    ask: mpsc::Sender<Control>,
    room: Arc<Semaphore>,
    /// Nothing more comes.
    is_over: bool,
}

impl<S: AsyncRead> Reader<S> {
    async fn run(mut self) -> Ended {
        let mut space = BytesMut::with_capacity(READ_BYTES);
        loop {
            loop {
                match self.decoder.next() {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        if let Some(ended) = self.take(event).await {
                            return ended;
                        }
                    }
                    Err(wrong) => {
                        self.broken(wrong.what);
                        return Ended::Wrong(wrong);
                    }
                }
            }
            if self.is_over {
                return Ended::Left;
            }
            space.clear();
            space.reserve(READ_BYTES);
            let read = match timeout(PING_EVERY, self.stream.read_buf(&mut space)).await {
                Ok(read) => read,
                Err(_) => {
                    let _ = self.ask.try_send(Control::Ping);
                    let Ok(read) = timeout(PING_TIME, self.stream.read_buf(&mut space)).await else {
                        self.broken("it did not answer a ping in time");
                        return Ended::Gone;
                    };
                    read
                }
            };
            match read {
                Ok(0) => self.leaves(),
                Ok(_) => self.decoder.take(&space),
                Err(_) => return Ended::Gone,
            }
        }
    }

    /// Whoever has sent its last byte does not wait for anything.
    fn leaves(&mut self) {
        self.is_over = true;
        self.closing.send_replace(true);
    }

    /// How it ended, if that was the end.
    async fn take(&mut self, event: Event) -> Option<Ended> {
        let message = match event {
            Event::Ping(payload) => {
                let _ = self.ask.try_send(Control::Pong(payload));
                return None;
            }
            Event::Pong(_) => return None,
            Event::Message(message) => message,
        };
        if matches!(message, Message::Close(_)) {
            let _ = self.to.send((Ok(Frame::Message(message)), None));
            self.closing.send_replace(true);
            return Some(Ended::Closed);
        }
        let room = message.len().saturating_add(MESSAGE_BYTES).min(AHEAD_BYTES);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let mut permit = std::pin::pin!(Arc::clone(&self.room).acquire_many_owned(room));
        let mut space = BytesMut::with_capacity(READ_BYTES);
        // Whoever hung up is seen only by reading on: what waits for a person must not be done for nobody.
        let permit = loop {
            let is_full = self.decoder.buffered() >= OVERFLOW_BYTES;
            self.sight.set_blocked(is_full);
            space.clear();
            space.reserve(READ_BYTES);
            tokio::select! {
                biased;
                permit = permit.as_mut() => break permit.ok(),
                read = self.stream.read_buf(&mut space), if !is_full && !self.is_over => match read {
                    Ok(0) => self.leaves(),
                    Err(_) => return Some(Ended::Gone),
                    Ok(_) => self.decoder.take(&space),
                },
                () = tokio::time::sleep(OVERFLOW_TIME), if is_full || self.is_over => {
                    self.broken("too much of it waits behind a message that is held or not taken");
                    return Some(Ended::Gone);
                }
            }
        };
        self.sight.set_blocked(false);
        // When nobody takes it any more, the end is still waited for.
        let _ = self.to.send((Ok(Frame::Message(message)), permit));
        None
    }

    fn broken(&self, what: &str) {
        let (by, who) = match self.side {
            Side::Client => (RefusedBy::Inspector, "the client"),
            Side::Server => (RefusedBy::Upstream, "the upstream"),
        };
        let message = format!("what {who} sends is not WebSocket as it must be: {what}");
        let _ = self.to.send((Err(Broken { by, message }), None));
    }
}

struct Writer<S> {
    side: Side,
    stream: WriteHalf<S>,
    /// A frame was begun and not written to its end: nothing can follow.
    is_cut: bool,
    has_closed: bool,
}

impl<S: AsyncWrite> Writer<S> {
    /// Until the session has said its last word.
    async fn run(&mut self, from: &mut Pipe, mut asked: mpsc::Receiver<Control>) {
        loop {
            let bytes = tokio::select! {
                biased;
                Some(control) = asked.recv() => {
                    let Some(key) = self.key() else { return };
                    match control {
                        Control::Ping => frame::ping(b"weir", key),
                        Control::Pong(payload) => frame::pong(&payload, key),
                    }
                }
                piece = from.recv() => match piece {
                    Some(Ok(Frame::Message(message))) => {
                        let is_last = matches!(message, Message::Close(_));
                        if self.send(&message).await.is_err() || is_last {
                            return;
                        }
                        continue;
                    }
                    // Nothing else is part of a WebSocket.
                    Some(Ok(Frame::Data(_) | Frame::Trailers(_))) => continue,
                    Some(Err(broken)) => {
                        let _ = self.send(&self.farewell(&broken)).await;
                        return;
                    }
                    None => return,
                },
            };
            if self.write(&bytes).await.is_err() {
                return;
            }
        }
    }

    /// The last frame, when there was none, and the end of the connection.
    async fn end(&mut self, last: &Message) {
        if !self.is_cut && !self.has_closed {
            let _ = self.send(last).await;
        }
        let _ = self.stream.shutdown().await;
    }

    async fn send(&mut self, message: &Message) -> std::io::Result<()> {
        let key = self.key().ok_or_else(|| std::io::Error::other("no random numbers"))?;
        self.has_closed |= matches!(message, Message::Close(_));
        self.write(&frame::encode(message, key)).await
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.is_cut = true;
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(WRITE_TIME, written).await.map_err(std::io::Error::from)??;
        self.is_cut = false;
        Ok(())
    }

    /// What we send to a server is masked, each frame anew. `None` when there is no key to be had.
    fn key(&self) -> Option<Option<[u8; 4]>> {
        match self.side {
            Side::Client => Some(None),
            Side::Server => {
                let mut key = [0; 4];
                getrandom::fill(&mut key).ok()?;
                Some(Some(key))
            }
        }
    }

    /// Why the session broke off. It is the client's to know, not the upstream's.
    fn farewell(&self, broken: &Broken) -> Message {
        if self.side == Side::Server {
            return goodbye(1001, "");
        }
        let code = match broken.by {
            RefusedBy::Policy | RefusedBy::Approval | RefusedBy::Inspector | RefusedBy::Client => 1008,
            RefusedBy::Host | RefusedBy::Operator => 1001,
            RefusedBy::Plugin | RefusedBy::Trail | RefusedBy::Upstream => 1011,
        };
        goodbye(code, &format!("weir: {}", broken.message))
    }
}

fn goodbye(code: u16, reason: &str) -> Message {
    Message::Close(Some(Goodbye { code, reason: reason.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    /// A client with its leg, and the session's end of it, which has taken nothing yet.
    fn leg() -> (DuplexStream, Took, mpsc::Sender<Result<Frame, Broken>>) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (leg, took, start) = pair(Side::Client);
        let (tell, pipe) = mpsc::channel(8);
        start.send(1 << 20).unwrap();
        tokio::spawn(leg.run(ours, pipe.into()));
        (theirs, took, tell)
    }

    fn masked(message: &Message) -> Vec<u8> {
        frame::encode(message, Some([1, 2, 3, 4])).to_vec()
    }

    fn text(length: usize) -> Message {
        Message::Text(vec![b'x'; length].into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_behind_what_nobody_takes_is_seen_at_once() {
        let (mut client, mut took, _tell) = leg();
        for message in [text(5), text(7), goodbye(1000, "bye")] {
            client.write_all(&masked(&message)).await.unwrap();
        }
        let began = tokio::time::Instant::now();
        took.closing().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for message in [text(5), text(7), goodbye(1000, "bye")] {
            assert_eq!(took.next().await, Some(Ok(Frame::Message(message))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_floods_behind_what_nobody_takes_is_given_up() {
        let (mut client, mut took, tell) = leg();
        let flood = tokio::spawn(async move {
            while client.write_all(&masked(&text(10_000))).await.is_ok() {}
            client
        });
        // Nobody takes anything: that the session is let go of shows in this.
        tell.closed().await;
        drop(flood.await.unwrap());
        let (mut messages, mut last) = (0, None);
        while let Some(next) = took.next().await {
            messages += usize::from(next.is_ok());
            last = Some(next);
        }
        assert!((20..=AHEAD_BYTES / 10_000).contains(&messages), "{messages}");
        assert!(matches!(last, Some(Err(Broken { by: RefusedBy::Inspector, .. }))), "{last:?}");
    }

    #[tokio::test]
    async fn a_client_that_has_sent_more_than_is_read_is_out_of_sight_until_it_is_taken() {
        let (mut client, mut took, _tell) = leg();
        let sight = took.sight();
        client.write_all(&masked(&text(10_000))).await.unwrap();
        assert!(took.next().await.is_some_and(|next| next.is_ok()) && !sight.is_blocked());
        // More than there is room for and is read besides; it stays.
        let sender = tokio::spawn(async move {
            for _ in 0..200 {
                client.write_all(&masked(&text(10_000))).await.unwrap();
            }
            client
        });
        while !sight.is_blocked() {
            tokio::task::yield_now().await;
        }
        assert!(!sender.is_finished());
        for _ in 0..200 {
            assert!(took.next().await.is_some_and(|next| next.is_ok()));
        }
        assert!(!sight.is_blocked());
        drop(sender.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_hangs_up_behind_what_nobody_takes_is_seen() {
        let (mut client, _took, tell) = leg();
        // More than there is room for, less than is read besides.
        for _ in 0..40 {
            client.write_all(&masked(&text(10_000))).await.unwrap();
        }
        assert!(!tell.is_closed());
        drop(client);
        tell.closed().await;
    }
}
