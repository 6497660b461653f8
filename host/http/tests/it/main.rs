//! Both legs over real sockets or pipes in memory.
//!
//! (`cfg(test)` tells the lints that helpers here may unwrap as tests may.)

#[cfg(test)]
mod client_gone;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod served;
#[cfg(test)]
mod through;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod version_two;
#[cfg(test)]
mod websocket;
