//! Every project that the generator can make builds from its lock file, has no warning and passes its own tests.
//!
//! Slow, minutes a project: they share the kit's build folder, and one test does one project after the other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{path::Path, time::Instant};

use kit::{
    generate,
    model::{ARCHITECTURE, Model},
    root,
};
use support::{KIT, NAME, said};

#[test]
fn every_project_builds_lints_and_passes_its_tests() {
    let builds = root::build_folder().unwrap();
    for answers in Model::load().unwrap().combinations() {
        // Always in the same place, so that what is built for it does not pile up.
        let place = builds.join("projects").join(support::title(&answers));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&place).unwrap();
        generate::apart(Path::new(KIT), NAME, &place, &answers).unwrap();
        let project = place.join(NAME);

        let lean = answers[ARCHITECTURE].as_str();
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
            let output = root::cargo(&project)
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
                support::title(&answers),
                step[0],
                begun.elapsed().as_secs()
            );
        }
        assert!(
            !support::files(&project)
                .keys()
                .any(|name| name.ends_with(".snap.new"))
        );
        std::fs::remove_dir_all(place).unwrap();
    }
}
