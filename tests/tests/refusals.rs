//! What cannot be made is refused in words, before anything is written.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use support::said;

/// Runs `cargo kit new` where it must fail, and returns its words; nothing may be left behind.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let before = support::files(folder);
    let entries = || std::fs::read_dir(folder).unwrap().count();
    let count = entries();
    let output = support::kit(&[&["new"], arguments].concat());
    let words = said(&output);
    assert!(!output.status.success(), "{arguments:?} was accepted");
    assert_eq!(words.lines().count(), 1, "{words}");
    assert_eq!(entries(), count, "{arguments:?} left something");
    assert!(
        support::files(folder) == before,
        "{arguments:?} changed something"
    );
    words
}

#[test]
fn names_that_cargo_or_the_project_cannot_have() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("show");
    let dir = dir.to_str().unwrap();
    for (name, why) in [
        ("fn", "Rust, Cargo or the project"),
        ("test", "Rust, Cargo or the project"),
        ("app", "Rust, Cargo or the project"),
        ("proc-macro", "Rust, Cargo or the project"),
        ("session", "a crate that the project contains"),
        ("livepeer", "a crate that the project contains"),
        ("livepeer-local", "a crate that the project contains"),
        ("livepeer_local", "a crate that the project contains"),
        ("one-to-many", "a crate that the project contains"),
        ("one_to_one", "a crate that the project contains"),
        ("hybrid", "a crate that the project contains"),
        ("serde-json", "a crate that the project contains"),
        ("9lives", "begins with a digit"),
        ("MyShow", "contains 'M'"),
        ("my show", "contains ' '"),
        ("schön", "contains 'ö'"),
        ("../up", "contains '.'"),
        ("my--show", "a separator where"),
        ("_show", "a separator where"),
        ("show-", "ends with"),
        ("my-big_show", "mixes"),
        ("", "needs a name"),
        (&"x".repeat(65), "longer than 64"),
    ] {
        let words = refused(folder.path(), &[dir, "--name", name]);
        assert!(words.contains(why), "{name}: {words}");
    }
}

#[test]
fn a_folder_whose_name_will_not_do_points_to_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let words = refused(
        folder.path(),
        &[folder.path().join("Show").to_str().unwrap()],
    );
    assert!(
        words.contains("--name") && words.contains("contains 'S'"),
        "{words}"
    );
}

#[test]
fn an_unknown_architecture_is_answered_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let words = refused(
        folder.path(),
        &[
            folder.path().join("show").to_str().unwrap(),
            "--architecture",
            "one-to-none",
        ],
    );
    assert!(
        words.contains("one-to-none") && words.contains("one-to-many"),
        "{words}"
    );
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("show");
    std::fs::create_dir(&used).unwrap();
    std::fs::write(used.join("thesis.txt"), "years of work").unwrap();
    let words = refused(folder.path(), &[used.to_str().unwrap()]);
    assert!(words.contains("not empty"), "{words}");
    let words = refused(folder.path(), &[used.join("thesis.txt").to_str().unwrap()]);
    assert!(words.contains("is a file"), "{words}");
}

#[test]
fn an_empty_folder_is_filled_and_missing_ones_above_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("show");
    std::fs::create_dir(&empty).unwrap();
    let deep = folder.path().join("a/b/show");
    for dir in [&empty, &deep] {
        let output = support::kit(&["new", dir.to_str().unwrap()]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(dir.join("Cargo.toml").is_file());
    }
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["a", "show"]);
}

#[test]
fn another_workspace_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("Cargo.toml"),
        "# mine\n[workspace]\nmembers = []\n",
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("apps")).unwrap();
    let words = refused(
        folder.path(),
        &[folder.path().join("apps/show").to_str().unwrap()],
    );
    assert!(
        words.contains("inside the cargo project") && words.contains("for example"),
        "{words}"
    );
}

#[test]
fn a_folder_beside_another_workspace_is_not_inside_it() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("kit");
    std::fs::create_dir(&workspace).unwrap();
    std::fs::write(workspace.join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    // As the README says it: one up from the kit, and then down again.
    let beside = workspace.join("../show");
    let output = support::kit(&["new", beside.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(folder.path().join("show/Cargo.toml").is_file());
}
