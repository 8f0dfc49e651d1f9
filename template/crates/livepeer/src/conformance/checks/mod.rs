//! The checks, one file for each part of the texts. All have the same shape: the requirements first, then one function
//! for each, which says in words what it saw.

mod constraints;
mod events;
mod fragments;
mod http;
mod layers;
mod patch;
mod play;
mod restart;
mod service;
mod setup;
mod trickle;

use super::requirement::Requirement;

/// Every requirement, in the order of the texts.
pub(super) const ALL: &[&[Requirement]] = &[
    http::ALL,
    play::ALL,
    setup::ALL,
    patch::ALL,
    trickle::ALL,
    restart::ALL,
    fragments::ALL,
    constraints::ALL,
    service::ALL,
    events::ALL,
    layers::ALL,
];
