//! What is generated, as snapshots of lists and parsed manifests. `cargo kit bless` renews them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::Project;

#[test]
fn every_combination_has_these_files() {
    for project in Project::every() {
        let names: Vec<String> = project.files().into_keys().collect();
        insta::assert_snapshot!(format!("tree_{}", project.title()), names.join("\n"));
    }
}

#[test]
fn every_combination_has_this_manifest() {
    for project in Project::every() {
        insta::assert_json_snapshot!(
            format!("manifest_{}", project.title()),
            project.toml("Cargo.toml")
        );
    }
}
