//! `cargo kit sizes`: how big each project is that the generator makes. The README's table of them is this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use anyhow::{Context, bail};

use crate::{
    generate,
    lock::SAMPLE,
    model::{ARCHITECTURE, Model},
    root,
    rust_lines::{self, Files},
    twins::Derived,
};

/// Where the table stands in the README.
const BEGIN: &str = "<!-- sizes: begin -->\n";
const END: &str = "<!-- sizes: end -->";

/// Lines are given in hundreds, and the table is renewed when they are off by more than this, so that it does not change
/// with every edit.
const LINES: usize = 200;

/// What is counted, in the order of the table's rows.
const ROWS: [(&str, Unit); 9] = [
    ("files", Unit::Exact),
    ("lines of Rust in `architectures/`", Unit::Lines),
    ("in `src/`", Unit::Lines),
    ("in `crates/`", Unit::Lines),
    ("lines of JavaScript", Unit::Lines),
    ("of HTML and CSS", Unit::Lines),
    ("dependencies in `Cargo.lock`", Unit::Exact),
    ("of them compiled by `cargo build`", Unit::Exact),
    ("and without the embedded Livepeer", Unit::Exact),
];

/// The rules of counting, for the reader of the table.
const RULES: &str = "\
Lines are rounded to hundreds and count comments and blank ones, but no tests; dependencies are the crates that are not the
project's own, and those compiled are counted for Linux on x86-64. `cargo kit sizes` counts.
";

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Exact,
    Lines,
}

/// One project's numbers, one for each of [`ROWS`].
type Sizes = [usize; ROWS.len()];

/// Prints the table.
///
/// # Errors
///
/// When a project cannot be made or cargo does not know its dependencies.
pub fn run() -> anyhow::Result<()> {
    print!("{}", table(&measure(&std::env::current_exe()?)?)?);
    Ok(())
}

/// The README with its table as it should be: as it is, unless a number is wrong. `tool` is the `kit` program.
///
/// # Errors
///
/// As [`run`], or when the README has lost the marks around the table.
pub fn readme(tool: &Path) -> anyhow::Result<Derived> {
    let path = "README.md";
    let text = root::read(path)?;
    let sizes = measure(tool)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{path} has lost '{}'", BEGIN.trim_end()))?;
    let (present, after) = rest
        .split_once(END)
        .with_context(|| format!("{path} has lost '{END}'"))?;
    let text = match still_true(present, &sizes)? {
        true => text,
        false => format!("{before}{BEGIN}{}{END}{after}", table(&sizes)?),
    };
    Ok(Derived { path, text })
}

/// Whether a table says these numbers, or lines that are near enough.
fn still_true(present: &str, sizes: &[(String, Sizes)]) -> anyhow::Result<bool> {
    let wanted = table(sizes)?;
    let (present, wanted): (Vec<&str>, Vec<&str>) =
        (present.lines().collect(), wanted.lines().collect());
    // A heading and the line below it come before the rows.
    let rows = 2..2 + ROWS.len();
    if present.len() != wanted.len() {
        return Ok(false);
    }
    for (line, (old, new)) in present.iter().zip(&wanted).enumerate() {
        if !rows.contains(&line) || ROWS[line - rows.start].1 == Unit::Exact {
            if old != new {
                return Ok(false);
            }
            continue;
        }
        let cells: Vec<&str> = old.split('|').map(str::trim).collect();
        let expected: Vec<usize> = sizes.iter().map(|(_, s)| s[line - rows.start]).collect();
        let said: Vec<usize> = cells
            .iter()
            .skip(2)
            .filter_map(|cell| cell.replace(',', "").parse().ok())
            .collect();
        let near = |(said, counted): (&usize, &usize)| said.abs_diff(*counted) <= LINES;
        if cells.get(1) != Some(&ROWS[line - rows.start].0)
            || said.len() != expected.len()
            || !said.iter().zip(&expected).all(near)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn table(sizes: &[(String, Sizes)]) -> anyhow::Result<String> {
    let mut text = String::from("| |");
    for (architecture, _) in sizes {
        write!(text, " `{architecture}` |")?;
    }
    text += "\n|---|";
    text += &"---:|".repeat(sizes.len());
    for (row, (words, unit)) in ROWS.iter().enumerate() {
        write!(text, "\n| {words} |")?;
        for (_, sizes) in sizes {
            let number = match unit {
                Unit::Exact => sizes[row],
                Unit::Lines => (sizes[row] + 50) / 100 * 100,
            };
            write!(text, " {} |", grouped(number))?;
        }
    }
    write!(text, "\n\n{RULES}")?;
    Ok(text)
}

/// A number with a comma before its thousands.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

/// The numbers of every architecture's project, in the order of the prompt.
fn measure(tool: &Path) -> anyhow::Result<Vec<(String, Sizes)>> {
    let model = Model::load()?;
    let mut measured = Vec::new();
    for architecture in model.architectures() {
        let workshop = tempfile::tempdir()?;
        let mut answers = model.defaults();
        answers.insert(ARCHITECTURE.into(), architecture.clone());
        generate::apart(tool, SAMPLE, workshop.path(), &answers)?;
        let project = workshop.path().join(SAMPLE);
        measured.push((architecture.clone(), sizes(&project, architecture)?));
    }
    Ok(measured)
}

fn sizes(project: &Path, architecture: &str) -> anyhow::Result<Sizes> {
    let files = read(project)?;
    let rust = rust_lines::without_tests(&files);
    let rust_in = |folder: &str| {
        let lines = rust.iter().filter(|(name, _)| name.starts_with(folder));
        lines.map(|(_, lines)| lines).sum::<usize>()
    };
    let lines_of = |kinds: &[&str]| {
        let texts = files
            .iter()
            .filter(|(name, _)| kinds.iter().any(|kind| name.ends_with(kind)));
        texts.map(|(_, text)| text.lines().count()).sum::<usize>()
    };
    let foreign = foreign(&files["Cargo.lock"])?;
    Ok([
        files.len(),
        rust_in("architectures/"),
        rust_in("src/"),
        rust_in("crates/"),
        lines_of(&[".js"]),
        lines_of(&[".html", ".css"]),
        foreign.len(),
        compiled(project, &foreign, &[])?,
        compiled(
            project,
            &foreign,
            &["--no-default-features", "--features", architecture],
        )?,
    ])
}

/// Every file of a project: its path, with `/` between, to its text.
fn read(project: &Path) -> anyhow::Result<Files> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![project.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(project)?.to_string_lossy().into_owned();
            let content = std::fs::read(&path)?;
            found.insert(
                name.replace('\\', "/"),
                String::from_utf8_lossy(&content).into_owned(),
            );
        }
    }
    Ok(found)
}

/// The packages of a lock file that come from somewhere else, as `name v1.2.3`.
fn foreign(lock: &str) -> anyhow::Result<BTreeSet<String>> {
    let lock: toml::Table = toml::from_str(lock)?;
    let packages = lock["package"].as_array().context("a lock of packages")?;
    let foreign = packages.iter().filter_map(|package| {
        package.get("source")?;
        let (name, version) = (package.get("name")?, package.get("version")?);
        Some(format!("{} v{}", name.as_str()?, version.as_str()?))
    });
    Ok(foreign.collect())
}

/// How many of those packages the app's build with these features compiles.
fn compiled(
    project: &Path,
    foreign: &BTreeSet<String>,
    features: &[&str],
) -> anyhow::Result<usize> {
    let output = root::cargo(project)
        .args(["tree", "--locked", "--offline", "--edges", "normal,build"])
        // Wherever it is counted.
        .args(["--target", "x86_64-unknown-linux-gnu", "--prefix", "none"])
        .args(features)
        .output()
        .context("cargo does not run")?;
    if !output.status.success() {
        bail!(
            "cargo tree: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    // After the name and the version may come a folder, or a remark.
    let said = String::from_utf8_lossy(&output.stdout);
    let compiled: BTreeSet<String> = said
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .filter(|package| foreign.contains(package))
        .collect();
    Ok(compiled.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_table_lasts_until_a_number_is_wrong() {
        let counted: Sizes = [300, 449, 5_000, 15_000, 2_000, 1_000, 310, 250, 200];
        let sizes = |sizes: Sizes| vec![("one-to-many".to_owned(), sizes)];
        let present = table(&sizes(counted)).unwrap();
        assert!(present.contains("| in `crates/` | 15,000 |") && present.contains("| 400 |"));

        let mut grown = counted;
        grown[1] += 100;
        assert!(still_true(&present, &sizes(grown)).unwrap());
        grown[1] += 100;
        assert!(!still_true(&present, &sizes(grown)).unwrap());
        let mut more = counted;
        more[0] += 1;
        assert!(!still_true(&present, &sizes(more)).unwrap());
        assert!(!still_true("", &sizes(counted)).unwrap());
        let two = [sizes(counted), sizes(counted)].concat();
        assert!(!still_true(&present, &two).unwrap());
    }
}
