//! One requirement against an engine of its own.

use livepeer::conformance::{Protocol, Suite, Verdict, requirements};
use livepeer_local::Fidelity;

use crate::server::Server;

/// Panics unless the server does, to the letter, what the requirement asks.
pub(crate) async fn holds(protocol: Protocol, id: &str) {
    let server = Server::start(Fidelity::Strict).await.unwrap();
    let suite = Suite::new(server.target(protocol).await.unwrap()).unwrap();
    let all = suite.requirements();
    let requirement = all.iter().find(|requirement| requirement.id == id);
    let verdict = suite.check(requirement.unwrap()).await;
    suite.close().await;
    server.stop().await;
    assert!(matches!(verdict, Verdict::Pass(_)), "{id}: {verdict:?}");
}

/// Panics unless there is one test for every requirement, and each has the name of its own.
pub(crate) fn all_are_tested(protocol: Protocol, tests: &[(&str, &str)]) {
    let tested: Vec<&str> = tests.iter().map(|(_, id)| *id).collect();
    for requirement in requirements(protocol) {
        let count = tested.iter().filter(|id| **id == requirement.id).count();
        assert_eq!(count, 1, "{protocol} {} has {count} tests", requirement.id);
    }
    for (name, id) in tests {
        let expected = format!("{protocol}_{}", id.to_lowercase().replace('-', "_"));
        assert_eq!(*name, expected);
    }
}

/// A test for each requirement, and one that none was forgotten.
macro_rules! tests {
    ($protocol:ident: $($name:ident $id:literal)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::requirement::holds(livepeer::conformance::Protocol::$protocol, $id).await;
            }
        )*

        #[test]
        fn every_requirement_has_its_test() {
            let tests = [$((stringify!($name), $id)),*];
            crate::requirement::all_are_tested(livepeer::conformance::Protocol::$protocol, &tests);
        }
    };
}
pub(crate) use tests;
