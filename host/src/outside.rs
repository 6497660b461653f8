//! What plugins reach when it is granted to them: a store of their own, and HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use weir_guests::{Answered, Declined, HttpAnswer, HttpRequest, Outside};
use weir_http::{Http2, Pool, PoolOptions, dial};
use weir_model::{Fault, PluginName};
use weir_net::{ClientTls, Verify};
use weir_session::http::traffic::{Frame, Header, Pipe, RequestHead, Source};
use weir_store::{KeyValue, KeyValueError};

/// Bytes of an answer that a plugin is given.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Requests of one plugin that may be on their way.
const MAX_REQUESTS: usize = 32;
/// For a connection of TCP, and again for TLS; a request's own time is shorter, mostly.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The gateway's own: `state/plugins.db`, and a pool of connections for each origin.
pub(crate) struct Granted {
    kept: KeyValue,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
    requests: Mutex<HashMap<PluginName, Arc<Semaphore>>>,
}

impl Granted {
    pub(crate) fn new(kept: KeyValue) -> Self {
        Self { kept, pools: Mutex::default(), requests: Mutex::default() }
    }

    fn pool(&self, origin: &str) -> Result<Arc<Pool>, Declined> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(origin) {
            return Ok(Arc::clone(pool));
        }
        let failed = |what: &str| Declined::new("http-failed", what.to_owned());
        let (secure, authority) = match origin.split_once("://") {
            Some(("https", authority)) => (true, authority),
            Some(("http", authority)) => (false, authority),
            _ => return Err(failed("this is no origin")),
        };
        let usual = if secure { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (authority, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match secure {
            true => {
                let tls = ClientTls::load(Verify::Full, None, &["http/1.1"], None);
                Some(tls.map_err(|error| failed(&error.to_string()))?)
            }
            false => None,
        };
        let options = PoolOptions { http2: Http2::Never, ..PoolOptions::new(authority, secure) };
        let pool = Pool::new(dial(host, port, tls, CONNECT_TIME), options);
        pools.insert(origin.to_owned(), Arc::clone(&pool));
        Ok(pool)
    }
}

impl Outside for Granted {
    fn get(&self, plugin: &PluginName, key: String) -> Answered<Option<Vec<u8>>> {
        let (kept, plugin) = (self.kept.clone(), plugin.clone());
        Box::pin(async move { kept.get(plugin.as_str(), &key).await.map_err(declined) })
    }

    fn set(
        &self,
        plugin: &PluginName,
        key: String,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Answered<()> {
        let (kept, plugin) = (self.kept.clone(), plugin.clone());
        Box::pin(async move { kept.set(plugin.as_str(), &key, &value, lifetime).await.map_err(declined) })
    }

    fn delete(&self, plugin: &PluginName, key: String) -> Answered<()> {
        let (kept, plugin) = (self.kept.clone(), plugin.clone());
        Box::pin(async move { kept.delete(plugin.as_str(), &key).await.map_err(declined) })
    }

    fn add(&self, plugin: &PluginName, key: String, by: i64, lifetime: Option<Duration>) -> Answered<i64> {
        let (kept, plugin) = (self.kept.clone(), plugin.clone());
        Box::pin(async move { kept.add(plugin.as_str(), &key, by, lifetime).await.map_err(declined) })
    }

    fn send(&self, plugin: &PluginName, request: HttpRequest) -> Answered<HttpAnswer> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let places = requests.entry(plugin.clone()).or_insert_with(|| Arc::new(Semaphore::new(MAX_REQUESTS)));
        let place = Arc::clone(places).try_acquire_owned();
        drop(requests);
        let pool = self.pool(&request.origin);
        Box::pin(async move {
            let _place = place.map_err(|_| {
                Declined::new(
                    "http-limit",
                    format!("{MAX_REQUESTS} requests of this plugin are on their way"),
                )
            })?;
            let pool = pool?;
            let within = request.within;
            match tokio::time::timeout(within, exchange(&pool, request)).await {
                Ok(answer) => answer,
                Err(_) => {
                    let message = format!("no whole answer within {} ms", within.as_millis());
                    Err(Declined::new("http-timeout", message))
                }
            }
        })
    }
}

async fn exchange(pool: &Arc<Pool>, request: HttpRequest) -> Result<HttpAnswer, Declined> {
    let failed = |fault: Fault| Declined::new("http-failed", fault.message);
    let HttpRequest { method, target, headers, body, .. } = request;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    let length = body.len() as u64;
    let head = RequestHead {
        method: method.into(),
        // The pool puts its own in.
        authority: String::new(),
        path,
        query,
        headers: headers.iter().map(|(name, value)| Header::new(name, value.clone().into_bytes())).collect(),
        has_body: !body.is_empty(),
        length: Some(length),
        runs_once: false,
    };
    let (head, mut rest) =
        pool.exchange(head, Pipe::whole(body.into()), Some(length)).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(frame) = rest.next().await {
        match frame.map_err(|broken| Declined::new("http-failed", broken.message))? {
            Frame::Data(bytes) if body.len() + bytes.len() > MAX_ANSWER_BYTES => {
                let message = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                return Err(Declined::new("http-limit", message));
            }
            Frame::Data(bytes) => body.extend_from_slice(&bytes),
            // Messages come only where a connection was upgraded, which is not asked for.
            Frame::Trailers(_) | Frame::Message(_) => {}
        }
    }
    let headers = head.headers.iter().map(|header| (header.name.to_string(), header.text().into_owned()));
    Ok(HttpAnswer { status: head.status, headers: headers.collect(), body })
}

fn declined(error: KeyValueError) -> Declined {
    let code = match error {
        KeyValueError::Down(_) => "key-value-down",
        KeyValueError::Full => "key-value-limit",
        KeyValueError::NotANumber(_) => "key-value-type",
    };
    Declined::new(code, error.to_string())
}
