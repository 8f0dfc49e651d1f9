//! What must be true of every project that the generator can make.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use kit::{
    lock,
    model::{ARCHITECTURE, Model},
    root, twins,
};
use support::{KIT, NAME, Project};

#[test]
fn twins_are_fresh() {
    let derived = twins::all()
        .unwrap()
        .into_iter()
        .chain(lock::all(Path::new(KIT)).unwrap());
    let stale: Vec<&str> = derived
        .filter(|file| root::read(file.path).ok().as_ref() != Some(&file.text))
        .map(|file| file.path)
        .collect();
    assert!(
        stale.is_empty(),
        "renew these with `cargo kit bless`: {stale:?}"
    );
}

#[test]
fn there_are_at_most_five_questions_and_each_has_a_default() {
    let model = Model::load().unwrap();
    // The project's name is asked in a hook.
    assert!(model.placeholders.len() < 5);
    for (name, placeholder) in &model.placeholders {
        let default = model.defaults()[name].clone();
        assert!(
            placeholder.answers().contains(&default),
            "{name}: {default}"
        );
        assert!(!placeholder.prompt.is_empty(), "{name}");
    }
}

#[test]
fn the_choices_are_the_architectures_that_exist() {
    let folders: BTreeSet<String> = std::fs::read_dir(root::kit().join("architectures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let choices: BTreeSet<String> = Model::load()
        .unwrap()
        .architectures()
        .iter()
        .cloned()
        .collect();
    assert_eq!(choices, folders);
}

#[test]
fn what_is_not_rendered_is_copied_byte_for_byte() {
    let rendered: BTreeSet<String> = Model::load()
        .unwrap()
        .template
        .include
        .iter()
        .map(|path| path.trim_start_matches('/').to_owned())
        .collect();
    for project in Project::every() {
        for (name, content) in project.files() {
            if rendered.contains(&name) {
                let text = String::from_utf8(content).unwrap();
                assert!(
                    !text.contains("{{") && !text.contains("{%"),
                    "{name} is not rendered to the end"
                );
                assert!(
                    text.ends_with('\n') && !text.ends_with("\n\n"),
                    "{name} does not end in one line break"
                );
                continue;
            }
            let source = match name.strip_prefix("architectures/") {
                Some(_) => root::kit().join(&name),
                None => root::kit().join("template").join(&name),
            };
            assert!(
                std::fs::read(&source).is_ok_and(|source| source == content),
                "{name} is not what the kit has"
            );
        }
    }
}

#[test]
fn every_rendered_file_exists_and_every_liquid_file_is_rendered() {
    let include = Model::load().unwrap().template.include;
    let liquid: BTreeSet<String> = support::files(&root::kit().join("template"))
        .into_keys()
        .filter_map(|name| Some(format!("/{}", name.strip_suffix(".liquid")?)))
        .collect();
    assert_eq!(include.into_iter().collect::<BTreeSet<_>>(), liquid);
}

#[test]
fn nothing_tells_of_what_was_not_chosen_nor_of_the_kit() {
    let model = Model::load().unwrap();
    let mut traces = Vec::new();
    for project in Project::every() {
        let kept: BTreeSet<String> = folders(&project, "architectures");
        assert!(kept.contains(&project.answers[ARCHITECTURE]));
        let dropped: Vec<&String> = model
            .architectures()
            .iter()
            .filter(|name| !kept.contains(*name))
            .collect();
        for (name, content) in project.files() {
            let text = String::from_utf8_lossy(&content);
            for other in &dropped {
                if tells_of(other, &name) {
                    traces.push(format!("{}: {name} is about {other}", project.title()));
                }
                if let Some(at) = text.lines().position(|line| tells_of(other, line)) {
                    let line = at + 1;
                    traces.push(format!(
                        "{}: {name}:{line} tells of {other}",
                        project.title()
                    ));
                } else if tells_of(other, &text) {
                    traces.push(format!("{}: {name} tells of {other}", project.title()));
                }
            }
            // The kit's own name for the app: here it has another.
            if name != ".livepeer-starter.toml" && name != "README.md" {
                let line = text.lines().find(|line| {
                    line.contains("livepeer-starter") || line.contains("livepeer_starter")
                });
                assert_eq!(line, None, "{name} calls the app by its name in the kit");
            }
            assert!(
                !name.ends_with(".rhai") && !name.ends_with(".liquid"),
                "{name}"
            );
        }
    }
    assert!(traces.is_empty(), "{traces:#?}");
}

/// Whether a text contains the name of an architecture, in any of the ways in which names are written.
fn tells_of(architecture: &str, text: &str) -> bool {
    let plain = |text: &str| text.replace(['-', '_', ' '], "").to_lowercase();
    let words: Vec<&str> = architecture.split('-').collect();
    let pascal: String = words
        .iter()
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    // A name of one word is a word of its own; a longer one cannot be met by chance.
    match words.len() {
        1 => text
            .split(|letter: char| !letter.is_alphanumeric())
            .any(|word| word.to_lowercase() == architecture || word == pascal),
        _ => {
            ["-", "_", " "]
                .iter()
                .any(|between| text.to_lowercase().contains(&words.join(between)))
                || plain(text).contains(&plain(&pascal))
        }
    }
}

#[test]
fn traces_are_recognised_in_every_spelling() {
    for trace in [
        "one-to-one",
        "a one_to_one b",
        "OneToOne::new",
        "one to one",
        "ONE_TO_ONE",
    ] {
        assert!(tells_of("one-to-one", trace), "{trace}");
    }
    for trace in [
        "hybrid",
        "the Hybrid",
        "hybrid::Show",
        "feature = \"hybrid\"",
    ] {
        assert!(tells_of("hybrid", trace), "{trace}");
    }
    assert!(!tells_of("hybrid", "hybrids are many") && !tells_of("one-to-one", "one-to-many"));
}

#[test]
fn composed_architectures_bring_their_parts() {
    let app: toml::Table = toml::from_str(&root::read("template/Cargo.toml").unwrap()).unwrap();
    let model = Model::load().unwrap();
    for project in Project::every() {
        // What the feature of that name turns on, in the kit, is what stays in the project.
        let chosen = &project.answers[ARCHITECTURE];
        let mut expected = BTreeSet::new();
        let mut waiting = vec![chosen.clone()];
        while let Some(name) = waiting.pop() {
            let turns_on = app["features"][&name]
                .as_array()
                .expect("a feature of the app")
                .iter();
            waiting.extend(
                turns_on
                    .filter_map(|on| on.as_str())
                    .filter(|on| model.architectures().iter().any(|name| name == on))
                    .map(str::to_owned),
            );
            expected.insert(name);
        }
        assert_eq!(folders(&project, "architectures"), expected, "{chosen}");
    }
}

#[test]
fn the_kit_runs_in_place_as_the_default_project_does() {
    let default = &Model::load().unwrap().defaults()[ARCHITECTURE];
    let app: toml::Table = toml::from_str(&root::read("template/Cargo.toml").unwrap()).unwrap();
    for project in Project::every() {
        let own = project.toml("Cargo.toml");
        let features = own["features"]["default"].as_array().unwrap();
        assert_eq!(features[0].as_str(), Some(&*project.answers[ARCHITECTURE]));
        if project.answers[ARCHITECTURE] == *default {
            assert_eq!(own["features"], app["features"]);
        }
    }
}

#[test]
fn a_project_says_where_it_came_from() {
    let version = env!("CARGO_PKG_VERSION");
    for project in Project::every() {
        let origin = project.toml(".livepeer-starter.toml");
        assert_eq!(origin["kit"].as_str(), Some(version));
        let answers: BTreeMap<String, String> = origin["answers"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let mut expected = project.answers.clone();
        expected.insert("project-name".into(), NAME.into());
        assert_eq!(answers, expected);

        // The command that it names makes the same project.
        let command = origin["command"]
            .as_str()
            .unwrap()
            .strip_prefix("cargo kit ")
            .unwrap();
        let again = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = command
            .split(' ')
            .map(|word| {
                if word == NAME {
                    again.path().join(NAME).display().to_string()
                } else {
                    word.into()
                }
            })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = support::kit(&arguments);
        assert!(output.status.success(), "{}", support::said(&output));
        assert!(support::files(&again.path().join(NAME)) == project.files());
    }
}

#[test]
fn shared_dependencies_are_the_ones_that_crates_use() {
    for project in Project::every() {
        let root = project.toml("Cargo.toml");
        let shared: BTreeSet<String> = root["workspace"]["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let mut used = uses(&root);
        for folder in ["architectures", "crates"] {
            for name in folders(&project, folder) {
                used.extend(uses(&project.toml(&format!("{folder}/{name}/Cargo.toml"))));
            }
        }
        let unused: Vec<_> = shared.difference(&used).collect();
        assert!(
            unused.is_empty(),
            "{}: nothing uses {unused:?}: in the kit, move them out from between the twin marks",
            project.title()
        );
    }
}

/// The dependencies of a package that come from the workspace's table.
fn uses(manifest: &toml::Table) -> BTreeSet<String> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|kind| manifest.get(*kind)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[test]
fn the_lock_file_is_complete_and_in_order_whatever_the_name() {
    // Before the first crate of the lock, in the middle, between two versions of a crate, after the last one.
    for name in ["a", NAME, "zz-top", "rand-show"] {
        for answers in Model::load().unwrap().combinations() {
            let workshop = tempfile::tempdir().unwrap();
            kit::generate::apart(Path::new(KIT), name, workshop.path(), &answers).unwrap();
            let project = workshop.path().join(name);
            let lock = project.join("Cargo.lock");
            let before = std::fs::read_to_string(&lock).unwrap();
            // Without --locked: cargo writes the file anew if as much as the order of its entries differs.
            let output = root::cargo(&project)
                .args(["update", "--workspace", "--offline"])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", support::said(&output));
            assert!(
                before == std::fs::read_to_string(&lock).unwrap(),
                "cargo changed the lock of {name}"
            );
        }
    }
}

#[test]
fn every_project_is_formatted() {
    for project in Project::every() {
        let output = root::cargo(&project.path())
            .args(["fmt", "--all", "--check"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

fn folders(project: &Project, below: &str) -> BTreeSet<String> {
    project
        .files()
        .into_keys()
        .filter_map(|name| {
            Some(
                name.strip_prefix(below)?
                    .strip_prefix('/')?
                    .split_once('/')?
                    .0
                    .to_owned(),
            )
        })
        .collect()
}
