//! One requirement against an engine of its own.

use std::sync::Arc;

use livepeer::conformance::{
    Ending, Operator, Protocol, Requirement, Suite, Target, Verdict, requirements,
};
use livepeer::studio::Studio;
use url::Url;

use crate::support::{TestLocal, studio, text};

/// Panics unless the server does what the requirement asks.
pub(crate) async fn holds(protocol: Protocol, id: &str) {
    let (local, url) = TestLocal::serving().await;
    let stream = local.named("a").await;
    let address = |name: &str| -> Url {
        url.join("webrtc/")
            .unwrap()
            .join(&text(&stream, name))
            .unwrap()
    };
    let mut target = match protocol {
        Protocol::Whip => Target::new(protocol, address("streamKey")),
        Protocol::Whep => Target::new(protocol, address("playbackId")),
    };
    if protocol == Protocol::Whep {
        target.publish = Some(address("streamKey").into());
    }
    target.operator = Some(Arc::new(Console {
        studio: studio(&url),
        stream: text(&stream, "id"),
    }));
    let suite = Suite::new(target).unwrap();
    let verdict = suite.check(named(protocol, id)).await;
    suite.close().await;
    local.local.shutdown().await;
    assert!(matches!(verdict, Verdict::Pass(_)), "{id}: {verdict:?}");
}

fn named(protocol: Protocol, id: &str) -> &'static Requirement {
    let mut all = requirements(protocol).into_iter();
    all.find(|requirement| requirement.id == id)
        .unwrap_or_else(|| panic!("{protocol} has no requirement {id}"))
}

/// The API, as whoever runs the server uses it.
struct Console {
    studio: Studio,
    stream: String,
}

impl Operator for Console {
    fn end_sessions(&self) -> Ending<'_> {
        Box::pin(async {
            self.studio.terminate_stream(&self.stream).await.unwrap();
            Ok(())
        })
    }
}

/// Panics unless there is one test for every requirement, and each has the name of its own.
pub(crate) fn all_are_tested(protocol: Protocol, tests: &[(&str, &str)], later: &[&str]) {
    let tested = tests.iter().map(|(_, id)| *id).chain(later.iter().copied());
    let tested: Vec<&str> = tested.collect();
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
    ($protocol:ident: $($name:ident $id:literal)* ; not yet: $($later:literal)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::requirement::holds(livepeer::conformance::Protocol::$protocol, $id).await;
            }
        )*

        #[test]
        fn every_requirement_has_its_test() {
            let tests = [$((stringify!($name), $id)),*];
            crate::requirement::all_are_tested(livepeer::conformance::Protocol::$protocol, &tests, &[$($later),*]);
        }
    };
}
pub(crate) use tests;
