//! The trail on a real disk: one binary, one file per theme.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod events;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod start;
#[cfg(test)]
mod tampering;
