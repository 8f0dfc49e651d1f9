//! The command-line generator makes the same bytes as `cargo kit new`, from a folder and from a repository.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kit::{model::Model, root, skip};
use support::{NAME, Project, said};
use tempfile::TempDir;

/// The oldest version that the template admits, which is the one that installs with Rust 1.95.
const VERSION: &str = "0.23.14";

/// The installed generator, if there is one.
fn generator(test: &str) -> Option<PathBuf> {
    let found = skip::program(&["cargo-generate"]).filter(|program| {
        Command::new(program)
            .args(["generate", "--version"])
            .output()
            .is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip::skipped(
            test,
            &format!(
                "cargo-generate is not installed (cargo install cargo-generate --version {VERSION} --locked)"
            ),
        );
    }
    found
}

fn run(program: &Path, destination: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .arg("generate")
        .args(["--silent", "--destination"])
        .arg(destination)
        .args(arguments);
    // Unlike `cargo kit new` it needs to know who works here.
    support::nobody(&mut command);
    command
        .env("CARGO_NAME", "somebody")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn definitions(project: &Project) -> Vec<String> {
    project
        .answers
        .iter()
        .flat_map(|(name, answer)| ["-d".to_owned(), format!("{name}={answer}")])
        .collect()
}

/// The kit's files as they are now, committed or not, in a folder of their own: what else lies around in the kit would
/// only be copied back and forth.
fn copy_of_the_kit() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let listed = git(
        root::kit(),
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    );
    for name in listed.split_terminator('\0') {
        let target = copy.path().join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // What is deleted, but not committed so, is still listed.
        if root::kit().join(name).is_file() {
            std::fs::copy(root::kit().join(name), target).unwrap();
        }
    }
    copy
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn from_a_folder_it_makes_the_same_bytes() {
    let Some(program) = generator("from_a_folder_it_makes_the_same_bytes") else {
        return;
    };
    let copy = copy_of_the_kit();
    // What work in the kit leaves behind must not get into projects.
    for folder in ["data", "target/debug", "template/data", "template/target"] {
        std::fs::create_dir_all(copy.path().join(folder)).unwrap();
        std::fs::write(copy.path().join(folder).join("left-behind"), "secret").unwrap();
    }
    for folder in ["", "template"] {
        std::fs::write(
            copy.path().join(folder).join(".env"),
            "LIVEPEER_API_KEY=secret",
        )
        .unwrap();
    }
    for project in Project::every() {
        let destination = tempfile::tempdir().unwrap();
        let define = definitions(&project);
        let mut arguments = vec!["--path", copy.path().to_str().unwrap(), "--name", NAME];
        arguments.extend(define.iter().map(String::as_str));
        let output = run(&program, destination.path(), &arguments);
        assert!(output.status.success(), "{}", said(&output));
        let made = destination.path().join(NAME);
        assert!(
            support::files(&made) == project.files(),
            "{}",
            differences(&made, &project)
        );

        let words =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        for step in [
            format!("cd {}", made.display()),
            "cargo run".into(),
            "open http://localhost:3000".into(),
        ] {
            assert!(words.contains(&step), "{words}");
        }
        // Not one folder of the kit, not even an empty one.
        let mut folders: Vec<_> = std::fs::read_dir(&made)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.retain(|folder| {
            support::files(folder).is_empty() && folder.file_name().unwrap() != ".git"
        });
        assert!(folders.is_empty(), "{folders:?}");
    }
}

#[test]
fn from_a_repository_it_makes_the_same_bytes() {
    let Some(program) = generator("from_a_repository_it_makes_the_same_bytes") else {
        return;
    };
    let repository = copy_of_the_kit();
    git(repository.path(), &["init", "--quiet"]);
    git(repository.path(), &["add", "--all"]);
    let somebody = [
        "-c",
        "user.name=somebody",
        "-c",
        "user.email=somebody@localhost",
    ];
    git(
        repository.path(),
        &[
            &somebody[..],
            &["commit", "--quiet", "--no-gpg-sign", "-m", "everything"],
        ]
        .concat(),
    );
    let url = format!("file://{}", repository.path().display());

    for project in Project::every() {
        let destination = tempfile::tempdir().unwrap();
        let define = definitions(&project);
        let mut arguments = vec!["--git", &url, "--name", NAME];
        arguments.extend(define.iter().map(String::as_str));
        let output = run(&program, destination.path(), &arguments);
        assert!(output.status.success(), "{}", said(&output));
        let made = destination.path().join(NAME);
        assert!(
            support::files(&made) == project.files(),
            "{}",
            differences(&made, &project)
        );
    }
}

#[test]
fn what_is_named_after_an_architecture_goes_with_it() {
    let test = "what_is_named_after_an_architecture_goes_with_it";
    let Some(program) = generator(test) else {
        return;
    };
    let copy = copy_of_the_kit();
    let architectures = Model::load().unwrap().architectures().to_owned();
    let named = |name: &str| {
        let underscores = name.replace('-', "_");
        [
            format!("src/pages/{underscores}.rs"),
            format!("static/deep/down/{name}.test.js"),
            format!("templates/{underscores}/page.html"),
        ]
    };
    for path in architectures.iter().flat_map(|name| named(name)) {
        let path = copy.path().join("template").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "words").unwrap();
    }
    for project in Project::every() {
        let destination = tempfile::tempdir().unwrap();
        let define = definitions(&project);
        let mut arguments = vec!["--path", copy.path().to_str().unwrap(), "--name", NAME];
        arguments.extend(define.iter().map(String::as_str));
        let output = run(&program, destination.path(), &arguments);
        assert!(output.status.success(), "{}", said(&output));
        let made = destination.path().join(NAME);
        for name in &architectures {
            let kept = made.join("architectures").join(name).exists();
            for path in named(name) {
                assert_eq!(
                    made.join(&path).exists(),
                    kept,
                    "{}: {path}",
                    project.title()
                );
            }
        }
    }
}

#[test]
fn a_bad_name_is_refused_before_anything_is_written() {
    let Some(program) = generator("a_bad_name_is_refused_before_anything_is_written") else {
        return;
    };
    let copy = copy_of_the_kit();
    let destination = tempfile::tempdir().unwrap();
    for name in ["fn", "9lives", "MyShow", "livepeer"] {
        let output = run(
            &program,
            destination.path(),
            &["--path", copy.path().to_str().unwrap(), "--name", name],
        );
        assert!(!output.status.success(), "{name} was accepted");
        assert!(
            said(&output).contains("Choose another") || said(&output).contains("A name begins"),
            "{}",
            said(&output)
        );
        assert_eq!(
            std::fs::read_dir(destination.path()).unwrap().count(),
            0,
            "{name} left something"
        );
    }
}

#[test]
fn another_workspace_is_not_touched() {
    let Some(program) = generator("another_workspace_is_not_touched") else {
        return;
    };
    let copy = copy_of_the_kit();
    let outer = tempfile::tempdir().unwrap();
    let manifest = "# mine\n[workspace]\nmembers = []\n";
    std::fs::write(outer.path().join("Cargo.toml"), manifest).unwrap();
    let output = run(
        &program,
        outer.path(),
        &["--path", copy.path().to_str().unwrap(), "--name", NAME],
    );
    assert!(!output.status.success());
    assert!(
        said(&output).contains("cannot live inside another"),
        "{}",
        said(&output)
    );
    assert_eq!(
        std::fs::read_to_string(outer.path().join("Cargo.toml")).unwrap(),
        manifest
    );
    // The generator made the folder before the template had a say; it is empty.
    assert!(support::files(outer.path()).into_keys().eq(["Cargo.toml"]));
}

#[test]
fn the_version_in_use_is_admitted_by_the_template() {
    let admitted = Model::load().unwrap().template.cargo_generate_version;
    assert_eq!(admitted, format!(">={VERSION}"));
}

fn differences(made: &Path, project: &Project) -> String {
    let (made, expected) = (support::files(made), project.files());
    let names: std::collections::BTreeSet<_> = made.keys().chain(expected.keys()).collect();
    let differing: Vec<_> = names
        .into_iter()
        .filter(|name| made.get(*name) != expected.get(*name))
        .collect();
    format!("these differ from what `cargo kit new` makes: {differing:?}")
}
