//! `weir`: a programmable access gateway.
//!
//! This crate is where the house is put together. `commands::run` builds every room in the order they depend on
//! each other and passes them down; nothing is global. ARCHITECTURE.md tells what the rooms are.

mod admin_api;
mod asks;
mod cli;
mod commands;
mod guesses;
mod http;
mod log;
mod metrics;
mod outside;
mod plugins;
mod postgres;
mod reload;
mod resource;
mod reviews;
mod serve;
mod sessions;
mod shared;
mod tokens;
mod trail;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

/// Many of an operation's small allocations end on another thread than they began: the C library's allocator took a tenth
/// of the gateway's time for them, this one a third of that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    std::panic::set_hook(Box::new(panicked(std::panic::take_hook())));
    match commands::dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync>;

/// `println` panics when its reader has left (`weir audit search | head`) or the disk is full. That is no fault of ours, and
/// said as what it is; what was asked for has been done.
fn panicked(usual: Hook) -> impl Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync {
    move |info| {
        let message = info.payload_as_str().unwrap_or_default();
        let Some(why) = message.strip_prefix("failed printing to stdout: ") else { return usual(info) };
        if !why.starts_with("Broken pipe") {
            // Perhaps that cannot be written either.
            let _ = writeln!(std::io::stderr(), "weir: the output cannot be written: {why}");
        }
        std::process::exit(1);
    }
}
