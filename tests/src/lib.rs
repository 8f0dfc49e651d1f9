//! The kit's own tool, as a library: the tests in `tests/` use the same pieces as the command line.
//!
//! Read in this order: [`root`] knows where things are, [`model`] reads the questions that the generator asks,
//! [`new`] makes a project, [`twins`] and [`lock`] derive the files that exist twice, [`bless`] renews them.

pub mod bless;
#[cfg(feature = "lab")]
pub mod browser;
pub mod generate;
pub mod lock;
pub mod model;
pub mod new;
pub mod root;
pub mod skip;
pub mod twins;
