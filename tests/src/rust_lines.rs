//! How many lines of Rust a project has when its tests are left out: folders named `tests`, and whatever stands under
//! `#[cfg(test)]`, in place or in a file of its own. It reads formatted sources, in which a block ends on a line with
//! nothing but its brace.

use std::collections::{BTreeMap, BTreeSet};

/// Files of a project: path, with `/` between, to text.
pub type Files = BTreeMap<String, String>;

/// The number of lines of each Rust file that is no test.
pub fn without_tests(files: &Files) -> BTreeMap<&str, usize> {
    let mut counted = BTreeMap::new();
    let mut tests = BTreeSet::new();
    for (name, text) in files {
        if !name.ends_with(".rs") || name.split('/').any(|folder| folder == "tests") {
            continue;
        }
        let (lines, modules) = count(name, text);
        counted.insert(name.as_str(), lines);
        tests.extend(modules);
    }
    counted.retain(|name, _| {
        !tests
            .iter()
            .any(|module| name.strip_suffix(".rs") == Some(module) || is_below(name, module))
    });
    counted
}

fn is_below(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The lines of a file without what is for tests, and the paths, without `.rs`, of its modules that are.
fn count(name: &str, text: &str) -> (usize, Vec<String>) {
    let (mut counted, mut modules) = (0, Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("#[cfg(test)]") else {
            counted += 1;
            continue;
        };
        // Attributes, then the item: one line, or a block.
        let mut path = None;
        let mut block = false;
        for line in lines.by_ref() {
            let words = line.trim();
            if let Some(rest) = words.strip_prefix("#[path = \"") {
                path = rest.split('"').next();
            } else if !block && words.ends_with(';') {
                if let Some((_, module)) = words.trim_end_matches(';').split_once("mod ") {
                    modules.push(place(name, path, module));
                }
                break;
            }
            block |= words.ends_with('{');
            if block && line.strip_prefix(indent) == Some("}") {
                break;
            }
        }
    }
    (counted, modules)
}

/// Where a file's module is, without `.rs` or `/mod.rs`.
fn place(file: &str, path: Option<&str>, module: &str) -> String {
    let (folder, own) = file.rsplit_once('/').unwrap_or(("", file));
    match path {
        Some(path) => format!("{folder}/{}", path.trim_end_matches(".rs")),
        None if ["lib.rs", "main.rs", "mod.rs"].contains(&own) => format!("{folder}/{module}"),
        None => format!("{folder}/{}/{module}", own.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_counted_wherever_they_stand() {
        let files = Files::from(
            [
                (
                    "src/lib.rs",
                    "mod a;\nmod b;\n\n#[cfg(test)]\nmod fake;\n#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;\n",
                ),
                (
                    "src/a.rs",
                    "fn a() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n\nfn c() {}\n",
                ),
                ("src/a_tests.rs", "fn a() {}\n"),
                ("src/b/mod.rs", "#[cfg(test)]\npub(crate) mod toy;\nfn b() {}\n"),
                ("src/b/toy.rs", "fn toy() {}\n"),
                ("src/c.rs", "impl C {\n    #[cfg(test)]\n    fn c() {\n        if x {\n        }\n    }\n}\n"),
                ("src/c/more.rs", "fn c() {}\n"),
                ("src/fake/mod.rs", "fn fake() {}\n"),
                ("src/fake/more.rs", "fn fake() {}\n"),
                ("src/faked.rs", "fn faked() {}\n"),
                ("tests/a.rs", "fn a() {}\n"),
                ("static/a.js", "a();\n"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned())),
        );
        let counted = without_tests(&files);
        let expected = [
            ("src/a.rs", 5),
            ("src/b/mod.rs", 1),
            ("src/c.rs", 2),
            ("src/c/more.rs", 1),
            ("src/faked.rs", 1),
            ("src/lib.rs", 3),
        ];
        assert_eq!(counted, BTreeMap::from(expected));
    }
}
