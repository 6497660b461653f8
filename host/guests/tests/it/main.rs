//! Plugins, well-behaved and hostile, against the real engine. The guests are in `tests/guests`.
//!
//! (`cfg(test)` tells the lints that helpers here may unwrap as tests may.)

#[cfg(test)]
mod bad_files;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_answers;
#[cfg(test)]
mod hostile_files;
#[cfg(test)]
mod hostile_sessions;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod made;
#[cfg(test)]
mod mask;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod reference_page;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod signs;
#[cfg(test)]
mod support;
