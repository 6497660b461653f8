//! The trail on a real disk: one binary, one file per theme.

mod crash;
mod events;
mod full_disk;
mod reading;
mod start;
mod tampering;
