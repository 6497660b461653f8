//! The stand-ins themselves, one arm for each function that a guest can reach.

use super::Nothing;
use crate::state::GuestState;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, Val};

type Handle = Resource<Nothing>;
type Context<'a> = StoreContextMut<'a, GuestState>;

/// Bytes of chance in one call. Runtimes ask for some hundred.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;
/// What an output says it takes at once.
const WRITABLE_BYTES: u64 = 64 * 1024;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "nothing here fails; the type has the case")]
    LastOperationFailed(Handle),
    #[component(name = "closed")]
    Closed,
}

/// `error-code` of wasi:sockets/network, whole: types must be the same.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "one case is all there is to say")]
enum SocketError {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "not-supported")]
    NotSupported,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "out-of-memory")]
    OutOfMemory,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "concurrency-conflict")]
    ConcurrencyConflict,
    #[component(name = "not-in-progress")]
    NotInProgress,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "invalid-state")]
    InvalidState,
    #[component(name = "new-socket-limit")]
    NewSocketLimit,
    #[component(name = "address-not-bindable")]
    AddressNotBindable,
    #[component(name = "address-in-use")]
    AddressInUse,
    #[component(name = "remote-unreachable")]
    RemoteUnreachable,
    #[component(name = "connection-refused")]
    ConnectionRefused,
    #[component(name = "connection-reset")]
    ConnectionReset,
    #[component(name = "connection-aborted")]
    ConnectionAborted,
    #[component(name = "datagram-too-large")]
    DatagramTooLarge,
    #[component(name = "name-unresolvable")]
    NameUnresolvable,
    #[component(name = "temporary-resolver-failure")]
    TemporaryResolverFailure,
    #[component(name = "permanent-resolver-failure")]
    PermanentResolverFailure,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn handle() -> Handle {
    Resource::new_own(0)
}

/// Defines the function `name` of `interface`.
pub(super) fn define(
    to: &mut LinkerInstance<'_, GuestState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    match interface {
        "wasi:cli/environment" | "wasi:cli/exit" => program(to, interface, name),
        "wasi:cli/stdin" | "wasi:cli/stdout" | "wasi:cli/stderr" => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((handle(),)))
        }
        "wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr" => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((None::<Handle>,)))
        }
        "wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock" => time(to, interface, name),
        "wasi:io/streams" => streams(to, name),
        "wasi:io/poll" => poll(to, name),
        "wasi:io/error" if name == "[method]error.to-debug-string" => {
            to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok(("there is nothing behind this",)))
        }
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => chance(to, name),
        _ => outside(to, interface, name),
    }
}

fn program(
    to: &mut LinkerInstance<'_, GuestState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    match name {
        "get-environment" => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))
        }
        "get-arguments" => to.func_wrap(name, |_: Context<'_>, (): ()| Ok((Vec::<String>::new(),))),
        "initial-cwd" => to.func_wrap(name, |_: Context<'_>, (): ()| Ok((None::<String>,))),
        "exit" => to.func_wrap(name, |_: Context<'_>, (_,): (Result<(), ()>,)| -> wasmtime::Result<()> {
            wasmtime::bail!("the plugin ended its program")
        }),
        _ => absent(to, interface, name),
    }
}

fn time(
    to: &mut LinkerInstance<'_, GuestState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    let datetime =
        |since: std::time::Duration| Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() };
    match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => {
            to.func_wrap(name, |store: Context<'_>, (): ()| Ok((store.data().wasi.monotonic(),)))
        }
        ("wasi:clocks/monotonic-clock", "resolution") => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((1_u64,)))
        }
        // Nobody sleeps: a guest that waits in here would not use up its time, and could stay for ever.
        ("wasi:clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            to.func_wrap(name, |_: Context<'_>, (_,): (u64,)| Ok((handle(),)))
        }
        ("wasi:clocks/wall-clock", "now") => {
            to.func_wrap(name, move |store: Context<'_>, (): ()| Ok((datetime(store.data().wasi.wall()),)))
        }
        ("wasi:clocks/wall-clock", "resolution") => to.func_wrap(name, move |_: Context<'_>, (): ()| {
            Ok((datetime(std::time::Duration::from_nanos(1)),))
        }),
        _ => absent(to, interface, name),
    }
}

fn poll(to: &mut LinkerInstance<'_, GuestState>, name: &str) -> wasmtime::Result<()> {
    match name {
        "[method]pollable.ready" => to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok((true,))),
        "[method]pollable.block" => to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok(())),
        "poll" => to.func_wrap(name, |_: Context<'_>, (all,): (Vec<Handle>,)| {
            Ok(((0_u32..).zip(&all).map(|(index, _)| index).collect::<Vec<_>>(),))
        }),
        _ => absent(to, "wasi:io/poll", name),
    }
}

/// Inputs have ended. Outputs take everything; what is written becomes debug lines.
fn streams(to: &mut LinkerInstance<'_, GuestState>, name: &str) -> wasmtime::Result<()> {
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => to
            .func_wrap(name, |_: Context<'_>, (_, _): (Handle, u64)| {
                Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
            }),
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => to
            .func_wrap(name, |_: Context<'_>, (_, _): (Handle, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            }),
        "[method]input-stream.subscribe" | "[method]output-stream.subscribe" => {
            to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok((handle(),)))
        }
        "[method]output-stream.check-write" => {
            to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok((Ok::<_, StreamError>(WRITABLE_BYTES),)))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            to.func_wrap(name, |mut store: Context<'_>, (_, bytes): (Handle, Vec<u8>)| {
                store.data_mut().print(&bytes);
                Ok((Ok::<_, StreamError>(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            to.func_wrap(name, |_: Context<'_>, (_,): (Handle,)| Ok((Ok::<_, StreamError>(()),)))
        }
        _ => absent(to, "wasi:io/streams", name),
    }
}

fn chance(to: &mut LinkerInstance<'_, GuestState>, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            to.func_wrap(name, |mut store: Context<'_>, (count,): (u64,)| {
                let count = usize::try_from(count.min(MAX_RANDOM_BYTES + 1)).unwrap_or(usize::MAX);
                if count as u64 > MAX_RANDOM_BYTES {
                    wasmtime::bail!("more than {MAX_RANDOM_BYTES} random bytes at once");
                }
                Ok((store.data_mut().wasi.bytes(count),))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            to.func_wrap(name, |mut store: Context<'_>, (): ()| Ok((store.data_mut().wasi.number(),)))
        }
        "insecure-seed" => to.func_wrap(name, |mut store: Context<'_>, (): ()| {
            let wasi = &mut store.data_mut().wasi;
            Ok(((wasi.number(), wasi.number()),))
        }),
        _ => absent(to, "wasi:random", name),
    }
}

/// Files and sockets: there are none, and none can be made.
fn outside(
    to: &mut LinkerInstance<'_, GuestState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    match (interface, name) {
        ("wasi:filesystem/preopens", "get-directories") => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((Vec::<(Handle, String)>::new(),)))
        }
        ("wasi:sockets/instance-network", "instance-network") => {
            to.func_wrap(name, |_: Context<'_>, (): ()| Ok((handle(),)))
        }
        // Typed, because the host has to give a borrowed network back, which only typed functions do by themselves.
        (_, "resolve-addresses") => to.func_wrap(name, |_: Context<'_>, (_, _): (Handle, String)| {
            Ok((Err::<Handle, _>(SocketError::AccessDenied),))
        }),
        (_, "create-tcp-socket" | "create-udp-socket") => to.func_new(name, |_, _, _, results| {
            let denied = || Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned())))));
            results.iter_mut().for_each(|result| *result = denied());
            Ok(())
        }),
        _ => absent(to, interface, name),
    }
}

/// For what can only be done to something nobody has.
fn absent(
    to: &mut LinkerInstance<'_, GuestState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    let called = format!("{interface}#{name}");
    to.func_new(name, move |_, _, _, _| wasmtime::bail!("there is nothing behind `{called}` for plugins"))
}
