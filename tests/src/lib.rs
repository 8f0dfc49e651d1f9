//! The kit's own tool, as a library: the tests in `tests/` use the same pieces as the command line.
//!
//! Read in this order: [`root`] knows where things are, [`model`] reads the questions that the generator asks,
//! [`new`] makes a project, [`twins`] and [`lock`] derive the files that exist twice, [`sizes`] measures
//! what is made, [`bless`] renews whatever is derived.

#[cfg(feature = "lab")]
pub mod bench;
pub mod bless;
#[cfg(feature = "lab")]
pub mod browser;
#[cfg(feature = "lab")]
pub mod conformance;
pub mod generate;
pub mod handover;
#[cfg(feature = "lab")]
pub mod interop;
pub mod lock;
pub mod model;
pub mod new;
pub mod root;
pub mod rust_lines;
#[cfg(feature = "lab")]
pub mod served;
pub mod sizes;
pub mod skip;
pub mod twins;
