//! The streaming architectures that this app was built with.
//!
//! To add one: write its crate, give it a Cargo feature, and name it here. Nothing else knows.

use crate::kind::Kind;

/// Every architecture built in. The start page offers them in this order, and the first one where nobody chooses.
pub const KINDS: &[Kind] = &[
    #[cfg(feature = "hybrid")]
    Kind::of::<hybrid::Hybrid>(),
    #[cfg(feature = "one-to-one")]
    Kind::of::<one_to_one::OneToOne>(),
    #[cfg(feature = "one-to-many")]
    Kind::of::<one_to_many::OneToMany>(),
];
