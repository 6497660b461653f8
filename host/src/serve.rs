//! The accept loops: one task per listener, one per client.

use crate::postgres::PostgresHouse;
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use weir_model::ResourceName;
use weir_net::{Arrival, Listener};
use weir_session::life::live;

/// After a failed accept (out of file descriptors), how long before the next try.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Accepts clients of one resource until told to stop; sessions go on by themselves.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    resource: ResourceName,
    listener: Listener,
    mut stop: watch::Receiver<bool>,
) {
    tracing::info!(resource = %resource, address = %listener.address(), "listening");
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let arrival = match accepted {
            Ok(arrival) => arrival,
            Err(error) => {
                tracing::warn!(resource = %resource, %error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        // As many may be on their way in as may be in: strangers must not take more than sessions would.
        let Some(entering) = shared.sessions.let_in(shared.max_sessions) else {
            shared.metrics.connection_refused(&resource);
            no_room(arrival);
            continue;
        };
        // The configuration of this moment: a reload concerns the next session.
        let Some(house) = PostgresHouse::new(Arc::clone(&shared), &resource, entering) else { break };
        tokio::spawn(async move { live(&house, arrival).await });
    }
    tracing::info!(resource = %resource, "no longer listening");
}

/// One write and good-bye: whoever does not read it at once does not get it. No record either: a flood must not
/// fill the trail.
fn no_room(arrival: Arrival) {
    use std::io::Write;
    if let Ok(mut socket) = arrival.socket.into_std() {
        let _ = socket.write(&crate::postgres::no_room());
    }
}
