//! The documentation speaks of what is there: links lead somewhere, and paths named in tables exist.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kit::{model::Model, root, sizes};
use support::Project;

/// A Markdown file, without its code blocks.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Page {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut code = false;
        let lines = text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            !code && !fence
        });
        Page {
            path,
            text: lines.collect::<Vec<_>>().join("\n"),
        }
    }

    /// The targets of `[text](target)`.
    fn links(&self) -> Vec<&str> {
        self.text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect()
    }

    /// What headings are called in links to them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self
            .text
            .lines()
            .filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
        headings.map(anchor).collect()
    }

    /// Paths that tables give in their first column, as `path`.
    fn paths_in_tables(&self) -> Vec<&str> {
        let mut paths = Vec::new();
        let mut of_paths = false;
        for line in self.text.lines() {
            let Some(row) = line.strip_prefix('|') else {
                of_paths = false;
                continue;
            };
            let first = row.split('|').next().unwrap_or_default().trim();
            of_paths |= first.starts_with("path");
            if of_paths {
                paths.extend(first.split('`').skip(1).step_by(2));
            }
        }
        paths
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// What is wrong with a page's links.
fn broken(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in page.links() {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() {
            page.path.clone()
        } else {
            page.path.parent().unwrap().join(file)
        };
        if !target.exists() {
            wrong.push(format!("{}: {link} leads nowhere", page.path.display()));
        } else if !heading.is_empty() && !Page::read(target).anchors().contains(heading) {
            wrong.push(format!("{}: {link} names no heading", page.path.display()));
        }
    }
    wrong
}

/// Whether a path, which may end in `*`, is in one of these folders.
fn exists(bases: &[PathBuf], path: &str) -> bool {
    let path = path.split('*').next().unwrap_or(path);
    bases.iter().any(|base| base.join(path).exists())
}

/// Every Markdown file below a folder.
fn pages(folder: &Path) -> Vec<Page> {
    let names = support::files(folder)
        .into_keys()
        .filter(|name| name.ends_with(".md"));
    names.map(|name| Page::read(folder.join(name))).collect()
}

/// Every Markdown file of the kit.
fn pages_of_the_kit() -> Vec<Page> {
    let mut found = vec![Page::read(root::kit().join("README.md"))];
    for folder in ["architectures", "docs", "examples", "template"] {
        found.extend(pages(&root::kit().join(folder)));
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let wrong: Vec<String> = pages_of_the_kit().iter().flat_map(broken).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn links_of_a_generated_project_lead_somewhere() {
    for project in Project::every() {
        let wrong: Vec<String> = pages(&project.path()).iter().flat_map(broken).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", project.title());
    }
}

#[test]
fn paths_in_tables_exist() {
    for project in Project::every() {
        for page in pages_of_the_kit() {
            // The kit's README speaks of the project too.
            let bases = [
                root::kit().to_owned(),
                page.path.parent().unwrap().to_owned(),
                project.path(),
            ];
            for path in page.paths_in_tables() {
                assert!(
                    exists(&bases, path),
                    "{}: there is no {path}",
                    page.path.display()
                );
            }
        }
        for page in pages(&project.path()) {
            let bases = [project.path(), page.path.parent().unwrap().to_owned()];
            for path in page.paths_in_tables() {
                assert!(
                    exists(&bases, path),
                    "{}: there is no {path}",
                    page.path.display()
                );
            }
        }
    }
}

#[test]
fn the_sizes_in_the_readme_are_true() {
    let expected = sizes::readme(Path::new(support::KIT)).unwrap().text;
    assert!(
        root::read("README.md").unwrap() == expected,
        "renew the table with `cargo kit bless`; it should be\n{expected}"
    );
}

#[test]
fn every_architecture_is_in_the_readme() {
    let readme = root::read("README.md").unwrap();
    for name in Model::load().unwrap().architectures() {
        let row = format!("| [`{name}`](architectures/{name}/README.md)");
        assert!(readme.contains(&row), "{name}");
    }
}

#[test]
fn what_is_broken_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.md");
    std::fs::write(
        &path,
        "# One `two`, three\n[a](#one-two-three) [b](#four) [c](gone.md) [d](page.md#one-two-three) [e](https://example.org)\n\
         ```\n[f](not-a-link)\n```\n\n| path | purpose |\n|---|---|\n| `a/`, `b.rs` | both |\n",
    )
    .unwrap();
    let page = Page::read(path);
    let wrong = broken(&page);
    assert_eq!(wrong.len(), 2, "{wrong:#?}");
    assert!(
        wrong[0].contains("#four") && wrong[1].contains("gone.md"),
        "{wrong:#?}"
    );
    assert_eq!(page.paths_in_tables(), ["a/", "b.rs"]);
}
