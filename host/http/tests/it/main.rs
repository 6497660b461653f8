//! Both legs over real sockets or pipes in memory.

mod client_gone;
mod pool;
mod refused;
mod scene;
mod served;
mod through;
mod tls;
mod version_two;
