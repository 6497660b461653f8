//! Lines for the host's log. It adds plugin, digest and session, cuts long lines and limits the rate.
//! Do not log values of an operation: what passes here is not masked.

#[cfg(target_arch = "wasm32")]
use crate::bindings::weir::plugin::host_log;

pub fn debug(message: &str) {
    write(1, message);
}

pub fn info(message: &str) {
    write(2, message);
}

pub fn warn(message: &str) {
    write(3, message);
}

pub fn error(message: &str) {
    write(4, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: u8, message: &str) {
    host_log::log(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: u8, message: &str) {
    eprintln!("plugin log, level {level}: {message}");
}

/// A panic in a guest prints nowhere by itself: tell the host's log where it happened (not what it said: the
/// text may hold a value).
#[doc(hidden)]
pub fn install_panic_hook() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => error(&format!("panic at {}:{}", place.file(), place.line())),
        None => error("panic"),
    }));
}
