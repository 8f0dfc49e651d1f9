//! Does a server do what WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-04) ask of it? Every requirement has an id, and a
//! check that plays the client: it sends what the requirement is about and looks at what comes back.
//!
//! For servers of any maker: nothing is expected that does not stand in the text that a requirement names, no words are
//! compared, and whoever answers more leniently than the text asks passes where the text lets them.
//!
//! ```no_run
//! # async fn example() -> Result<(), String> {
//! use livepeer::conformance::{Protocol, Suite, Target};
//!
//! let url = "https://server.example/whip".parse().expect("a constant address");
//! let suite = Suite::new(Target::new(Protocol::Whip, url))?;
//! for requirement in suite.requirements() {
//!     let verdict = suite.check(requirement).await;
//!     println!("{} {} {}: {}", requirement.id, requirement.level, verdict.result(), verdict.why());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`Requirement`], [`Target`], [`Suite`]; then `checks/`, one file for each part of the texts, on top of
//! `client.rs` (HTTP), `offer.rs` and `description.rs` (SDP), `fragment.rs`, `stun.rs` and `call.rs` (ICE and DTLS).

mod call;
mod checks;
mod client;
mod description;
mod fragment;
mod offer;
mod publisher;
mod requirement;
mod session;
mod stun;
mod suite;
mod target;

pub use requirement::{Level, Protocol, Requirement, Verdict, requirements};
pub use suite::Suite;
pub use target::{Ending, Full, Operator, Target};
