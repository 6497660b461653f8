//! The plugin contract as the host speaks it: one module per version it serves.
//!
//! Versions are of the package `weir:plugin`. Before 1.0 a minor number is a contract of its own, from 1.0 on a
//! major one is; the last number may differ either way. The host serves [`SERVED`]: today's and, once there is
//! one, the one before. A further version gets a module beside [`v0_1`], a line in [`SERVED`] and an arm in
//! `load::Code`.

pub(crate) mod v0_1;

use std::fmt;

/// The package all worlds belong to.
pub(crate) const PACKAGE: &str = "weir:plugin";

/// Contracts the host serves, newest first.
pub const SERVED: &[ContractVersion] = &[ContractVersion { major: 0, minor: 1, patch: 0 }];

/// A version of the package `weir:plugin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl ContractVersion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(Self { major, minor, patch })
    }

    /// Whether a plugin built for this version runs under a host that serves `served`.
    pub fn fits(self, served: Self) -> bool {
        self.major == served.major && (self.major > 0 || self.minor == served.minor)
    }

    pub(crate) fn is_served(self) -> bool {
        SERVED.iter().any(|served| self.fits(*served))
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a plugin is, told by what it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum World {
    StreamInspector,
    HttpInspector,
    Policy,
    Masker,
}

impl World {
    pub(crate) const ALL: [Self; 4] =
        [Self::StreamInspector, Self::HttpInspector, Self::Policy, Self::Masker];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::StreamInspector => "stream-inspector",
            Self::HttpInspector => "http-inspector",
            Self::Policy => "policy",
            Self::Masker => "masker",
        }
    }

    /// The interface that makes a plugin one of this world.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::StreamInspector => "stream-inspect",
            Self::HttpInspector => "http-inspect",
            Self::Policy => "decide",
            Self::Masker => "mask",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_word())
    }
}
