//! A client's connection of bare bytes, and handlers made of closures.

use bytes::Bytes;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use weir_http::{Handler, Incoming, Limits, Peer, Refusal, serve_connection};
use weir_session::http::traffic::{Answer, Broken, Frame, Header, Source};

pub(crate) const PEER: Peer = Peer { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), secure: false };

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

pub(crate) struct Scripted<F> {
    script: F,
    pub(crate) refusals: Mutex<Vec<Refusal>>,
}

impl<F: Fn(Incoming) -> Answering + Send + Sync + 'static> Handler for Scripted<F> {
    async fn handle(&self, incoming: Incoming) -> Answer {
        (self.script)(incoming).await
    }

    fn refused(&self, peer: Peer, refusal: &Refusal) {
        assert_eq!(peer, PEER);
        self.refusals.lock().unwrap().push(refusal.clone());
    }
}

pub(crate) fn handler<F, A>(
    script: F,
) -> Arc<Scripted<impl Fn(Incoming) -> Answering + Send + Sync + 'static>>
where
    F: Fn(Incoming) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let script = move |incoming| Box::pin(script(incoming)) as Answering;
    Arc::new(Scripted { script, refusals: Mutex::default() })
}

/// Says what came: method, path, and the body or why it broke.
pub(crate) fn echo() -> Arc<impl Handler> {
    handler(|mut incoming: Incoming| async move {
        let (body, trailers, broken) = read(&mut incoming.body).await;
        let broken = broken.map(|broken| format!(" broken: {}", broken.message)).unwrap_or_default();
        let trailers: String =
            trailers.iter().map(|header| format!(" {}={}", header.name, header.text())).collect();
        let head = incoming.head;
        text(
            200,
            &format!("{} {} {}{trailers}{broken}", head.method, head.path, String::from_utf8_lossy(&body)),
        )
    })
}

pub(crate) async fn read(body: &mut impl Source) -> (Vec<u8>, Vec<Header>, Option<Broken>) {
    let (mut data, mut trailers) = (Vec::new(), Vec::new());
    while let Some(frame) = body.next().await {
        match frame {
            Ok(Frame::Data(bytes)) => data.extend_from_slice(&bytes),
            Ok(Frame::Trailers(headers)) => trailers = headers,
            Ok(Frame::Message(_)) => panic!("a message in a body"),
            Err(broken) => return (data, trailers, Some(broken)),
        }
    }
    (data, trailers, None)
}

/// An answer that is all there.
pub(crate) fn text(status: u16, text: &str) -> Answer {
    let (sender, body) = mpsc::channel(1);
    sender.try_send(Ok(Frame::Data(Bytes::copy_from_slice(text.as_bytes())))).unwrap();
    Answer { status, headers: Vec::new(), body: body.into(), length: Some(text.len() as u64) }
}

/// An answer of unknown length, made of these frames.
pub(crate) fn frames(headers: Vec<Header>, frames: Vec<Result<Frame, Broken>>) -> Answer {
    let (sender, body) = mpsc::channel(frames.len().max(1));
    for frame in frames {
        sender.try_send(frame).unwrap();
    }
    Answer { status: 200, headers, body: body.into(), length: None }
}

pub(crate) fn data(bytes: &'static str) -> Result<Frame, Broken> {
    Ok(Frame::Data(Bytes::from_static(bytes.as_bytes())))
}

/// A client's end of a connection.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) served: JoinHandle<()>,
}

impl Client {
    pub(crate) fn of<H: Handler>(handler: Arc<H>) -> Self {
        Self::within(handler, Limits::default(), 64 * 1024)
    }

    pub(crate) fn within<H: Handler>(handler: Arc<H>, limits: Limits, buffer: usize) -> Self {
        let (stream, far) = tokio::io::duplex(buffer);
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(serve_connection(far, PEER, limits, handler, stopping));
        Self { stream, stop, served }
    }

    pub(crate) async fn say(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Until a text comes.
    pub(crate) async fn hear(&mut self, until: &str) -> String {
        let mut heard = Vec::new();
        loop {
            let read =
                tokio::time::timeout(Duration::from_secs(1000), self.stream.read_buf(&mut heard)).await;
            let read = read.expect("nothing comes").unwrap();
            let text = String::from_utf8_lossy(&heard);
            if text.contains(until) {
                return text.into_owned();
            }
            assert!(read > 0, "the connection ended behind {text:?}");
        }
    }

    /// All until the end of the connection.
    pub(crate) async fn hear_all(&mut self) -> String {
        let mut heard = Vec::new();
        self.stream.read_to_end(&mut heard).await.unwrap();
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Says all and hears all.
    pub(crate) async fn talk(mut self, bytes: &str) -> String {
        self.say(bytes).await;
        let heard = self.hear_all().await;
        self.served.await.unwrap();
        heard
    }
}
