//! Plugins, well-behaved and hostile, against the real engine. The guests are in `tests/guests`.

mod bad_files;
mod cache;
mod decide;
mod inspect;
mod limits;
mod load;
mod mask;
mod measure;
mod reload;
mod support;
