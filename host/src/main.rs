//! `weir`: a programmable access gateway.
//!
//! This crate is where the house is put together. `commands::run` builds every room in the order they depend on
//! each other and passes them down; nothing is global. ARCHITECTURE.md tells what the rooms are.

mod admin_api;
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
use std::process::ExitCode;

/// An operation takes some two hundred small allocations, many of which end on another thread than they began: the C
/// library's allocator takes a tenth of the gateway's time for them, this one a third of that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}
