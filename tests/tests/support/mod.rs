//! Generated projects, for tests that look at them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "each test file uses what it needs"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kit::{
    generate,
    model::{Answers, Model},
};
use tempfile::TempDir;

/// The `kit` program.
pub(crate) const KIT: &str = env!("CARGO_BIN_EXE_kit");

/// A project's name that no crate has, and that sorts neither first nor last in its lock file.
pub(crate) const NAME: &str = "my-show";

/// A project in a folder of its own, deleted when dropped.
pub(crate) struct Project {
    pub(crate) answers: Answers,
    workshop: TempDir,
}

impl Project {
    pub(crate) fn generate(answers: &Answers) -> Project {
        let workshop = tempfile::tempdir().unwrap();
        generate::apart(Path::new(KIT), NAME, workshop.path(), answers).unwrap();
        Project {
            answers: answers.clone(),
            workshop,
        }
    }

    /// One project for every combination of answers.
    pub(crate) fn every() -> Vec<Project> {
        Model::load()
            .unwrap()
            .combinations()
            .iter()
            .map(Project::generate)
            .collect()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.workshop.path().join(NAME)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file))
            .unwrap_or_else(|problem| panic!("{file}: {problem}"))
    }

    pub(crate) fn toml(&self, file: &str) -> toml::Table {
        toml::from_str(&self.read(file)).unwrap_or_else(|problem| panic!("{file}: {problem}"))
    }

    /// The answers as a name for a snapshot or a folder.
    pub(crate) fn title(&self) -> String {
        title(&self.answers)
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.path())
    }
}

/// Answers as a name for a snapshot or a folder.
pub(crate) fn title(answers: &Answers) -> String {
    let parts: Vec<&str> = answers.values().map(String::as_str).collect();
    parts.join("-")
}

/// Every file below a folder, except its git history: relative path, with `/` between, to content.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".git" {
                    waiting.push(path);
                }
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

/// `cargo kit ...`, as somebody without a git configuration or a `$USER` runs it.
pub(crate) fn kit(arguments: &[&str]) -> Output {
    let mut command = Command::new(KIT);
    command.args(arguments);
    nobody(&mut command);
    command.output().unwrap()
}

/// Takes away whatever says who is working here.
pub(crate) fn nobody(command: &mut Command) {
    for name in [
        "CARGO_NAME",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_NAME",
        "USER",
        "USERNAME",
        "NAME",
    ] {
        command.env_remove(name);
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
}

/// What a program said on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
