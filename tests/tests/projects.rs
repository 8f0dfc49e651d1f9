//! Every project that the generator can make builds from its lock file, has no warning and passes its own tests.
//!
//! Slow, minutes a project: they share the kit's build folder, one after the other. They must not lie below that folder:
//! cargo would mistake the crates of one project for those of the next.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Instant;

use kit::{model::ARCHITECTURE, root};
use support::{Project, said};

#[test]
fn every_project_builds_lints_and_passes_its_tests() {
    let builds = root::build_folder().unwrap();
    for project in Project::every() {
        let lean = project.answers[ARCHITECTURE].as_str();
        for step in [
            &["build", "--locked", "--offline"][..],
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--offline",
                "--",
                "-D",
                "warnings",
            ],
            // As the image for production is built.
            &[
                "clippy",
                "--no-default-features",
                "--features",
                lean,
                "--locked",
                "--offline",
                "--",
                "-D",
                "warnings",
            ],
            &["test", "--workspace", "--locked", "--offline"],
        ] {
            let begun = Instant::now();
            let output = root::cargo(&project.path())
                .args(step)
                .env("CARGO_BUILD_BUILD_DIR", &builds)
                // A golden is compared here, not accepted.
                .env("INSTA_UPDATE", "no")
                .output()
                .unwrap();
            let words = said(&output);
            assert!(
                output.status.success(),
                "cargo {step:?}\n{words}\n{}",
                String::from_utf8_lossy(&output.stdout)
            );
            assert!(
                !words.lines().any(|line| line.starts_with("warning")),
                "cargo {step:?}\n{words}"
            );
            eprintln!(
                "{}: cargo {} took {} s",
                project.title(),
                step[0],
                begun.elapsed().as_secs()
            );
        }
        assert!(
            !project
                .files()
                .keys()
                .any(|name| name.ends_with(".snap.new"))
        );
    }
}
