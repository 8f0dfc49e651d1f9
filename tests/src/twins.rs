//! Files that exist twice: as the kit compiles them, and as the generator renders them (`.liquid`). The second is derived
//! from the first, line by line, so that the two cannot say different things; `cargo kit bless` writes it.

use std::fmt::Write;

use anyhow::{Context, bail};

use crate::{model::Model, root};

/// A derived file of the kit.
#[derive(Debug)]
pub struct Derived {
    /// Its path below the kit's folder.
    pub path: &'static str,
    /// What it must contain.
    pub text: String,
}

/// Every twin except the lock file, as it should be.
///
/// # Errors
///
/// When a source cannot be read or has lost the marks that this module looks for.
pub fn all() -> anyhow::Result<Vec<Derived>> {
    let model = Model::load()?;
    Ok(vec![
        manifest(&model)?,
        source(&model, "template/src/architectures.rs.liquid")?,
        source(&model, "template/tests/app/main.rs.liquid")?,
        origin(&model)?,
    ])
}

/// The generated project's root manifest: the app's package and the workspace in one file.
fn manifest(model: &Model) -> anyhow::Result<Derived> {
    let kit = root::read("Cargo.toml")?;
    let app = root::read("template/Cargo.toml")?;
    let lock: toml::Table = toml::from_str(&root::read("Cargo.lock")?)?;

    let mut text = String::new();
    text += "[package]\nname = \"{{ project-name }}\"\ndescription = \"Interactive video on Livepeer.\"\n";
    for line in section(&app, "[package]")?.lines() {
        if !line.starts_with("name ") && !line.starts_with("description ") {
            writeln!(text, "{line}")?;
        }
    }
    text.truncate(text.trim_end().len());
    text += "\n\n";
    for heading in [
        "[lints]",
        "[lib]",
        "[features]",
        "[dependencies]",
        "[dev-dependencies]",
    ] {
        writeln!(
            text,
            "{heading}\n{}\n",
            for_the_chosen(model, section(&app, heading)?)
        )?;
    }

    text += "# The app is the root of a workspace of small crates; what they share is said once, here.\n";
    text += "[workspace]\nresolver = \"3\"\nmembers = [\"architectures/*\", \"crates/*\"]\n\n";
    for heading in [
        "[workspace.package]",
        "[workspace.lints.rust]",
        "[workspace.lints.clippy]",
    ] {
        writeln!(text, "{heading}\n{}\n", section(&kit, heading)?)?;
    }
    text += "[workspace.dependencies]\n";
    let own = between(&kit, "[workspace.dependencies]\n", "# twin: begin")?;
    for line in own
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let line = line.replace("\"template/crates/", "\"crates/");
        text += &for_the_chosen(model, &line);
        text += "\n";
    }
    writeln!(
        text,
        "\n{}\n",
        between(&kit, "# twin: begin\n", "# twin: end")?.trim_end()
    )?;

    writeln!(text, "[profile.dev]\n{}\n", section(&kit, "[profile.dev]")?)?;
    text += "[profile.dev.package]\n";
    for line in section(&kit, "[profile.dev.package]")?.lines() {
        // A profile for a package that is not in the graph is a warning.
        let name = line.split('=').next().unwrap_or_default().trim();
        if line.starts_with('#') || in_generated_lock(&lock, name) {
            writeln!(text, "{line}")?;
        }
    }
    Ok(Derived {
        path: "template/Cargo.toml.liquid",
        text,
    })
}

/// Whether a package of the kit's lock is needed by the app or its crates.
fn in_generated_lock(lock: &toml::Table, name: &str) -> bool {
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut seen = std::collections::BTreeSet::new();
    let mut waiting = vec!["livepeer-starter".to_owned()];
    while let Some(next) = waiting.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        for package in packages {
            if package.get("name").and_then(toml::Value::as_str) != Some(&next) {
                continue;
            }
            let needs = package
                .get("dependencies")
                .and_then(toml::Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            // An entry is a name, followed by a version where several are in use.
            waiting.extend(
                needs
                    .iter()
                    .filter_map(|need| need.as_str()?.split(' ').next())
                    .map(str::to_owned),
            );
        }
    }
    seen.contains(name)
}

/// A source file in which what belongs to one architecture is a `#[cfg]` line that names its feature, and the line after.
fn source(model: &Model, path: &'static str) -> anyhow::Result<Derived> {
    let text = root::read(path.strip_suffix(".liquid").unwrap_or(path))?;
    Ok(Derived {
        path,
        text: lines_of_the_chosen(model, &text).with_context(|| path.to_owned())?,
    })
}

fn lines_of_the_chosen(model: &Model, source: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let condition = line.trim().strip_prefix("#[cfg(").unwrap_or_default();
        let named: Vec<&str> = condition
            .split("feature = \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|feature| is_architecture(model, feature))
            .collect();
        match named[..] {
            [] => writeln!(text, "{line}")?,
            [name] => {
                if !model.architectures().iter().any(|known| known == name) {
                    bail!("it knows '{name}', which cargo-generate.toml does not offer");
                }
                let entry = lines
                    .next()
                    .with_context(|| format!("nothing follows the cfg of '{name}'"))?;
                writeln!(text, "{}{line}\n{entry}{}", opening(name), closing())?;
            }
            _ => bail!("one line belongs to several architectures: {line}"),
        }
    }
    Ok(text)
}

/// Whether that feature is an architecture's: one that is offered, or that is about to be.
fn is_architecture(model: &Model, feature: &str) -> bool {
    model.architectures().iter().any(|known| known == feature)
        || root::kit().join("architectures").join(feature).is_dir()
}

/// `.livepeer-starter.toml`: where a project came from.
fn origin(model: &Model) -> anyhow::Result<Derived> {
    let kit: toml::Table = toml::from_str(&root::read("Cargo.toml")?)?;
    let version = kit["workspace"]["package"]["version"]
        .as_str()
        .context("the kit has no version")?;
    let mut text = format!(
        "# Where this project came from, and how to make it again. The app does not read this file.\n\
         kit = \"{version}\"\ncommand = \"cargo kit new {{{{ project-name }}}}"
    );
    for prompt in model.placeholders.keys() {
        write!(text, " --{prompt} {{{{ {prompt} }}}}")?;
    }
    text += "\"\n\n[answers]\nproject-name = \"{{ project-name }}\"\n";
    for prompt in model.placeholders.keys() {
        writeln!(text, "{prompt} = \"{{{{ {prompt} }}}}\"")?;
    }
    Ok(Derived {
        path: "template/.livepeer-starter.toml.liquid",
        text,
    })
}

/// Lines of a manifest with what belongs to one architecture made conditional.
fn for_the_chosen(model: &Model, lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines() {
        let name = line.split('=').next().unwrap_or_default().trim();
        if name == "default" {
            // The chosen one brings those that it is made of.
            let others = line
                .split('"')
                .skip(1)
                .step_by(2)
                .filter(|feature| !model.architectures().iter().any(|known| known == feature));
            let features: Vec<String> = std::iter::once("{{ architecture }}")
                .chain(others)
                .map(|feature| format!("\"{feature}\""))
                .collect();
            text += &format!("default = [{}]\n", features.join(", "));
        } else if model.architectures().iter().any(|known| known == name) {
            text += &format!("{}{line}{}\n", opening(name), closing());
        } else {
            text += &format!("{line}\n");
        }
    }
    text.trim_end().to_owned()
}

/// Liquid's opening of what only projects with this architecture contain. Written in front of a line, it leaves no trace.
pub fn opening(architecture: &str) -> String {
    format!("{{%- if architectures contains \"{architecture}\" %}}\n")
}

/// Liquid's end of [`opening`].
pub fn closing() -> &'static str {
    "\n{%- endif %}"
}

/// The lines of a table, without its heading and without what surrounds them.
fn section<'a>(manifest: &'a str, heading: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = manifest
        .split_once(&format!("{heading}\n"))
        .with_context(|| format!("a manifest has lost its {heading}"))?;
    Ok(rest
        .split_once("\n[")
        .map_or(rest, |(lines, _)| lines)
        .trim_end())
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = text
        .split_once(from)
        .with_context(|| format!("Cargo.toml has lost '{}'", from.trim()))?;
    let (inner, _) = rest
        .split_once(to)
        .with_context(|| format!("Cargo.toml has lost '{to}'"))?;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_that_names_an_architecture_goes_with_the_one_after_it() {
        let model = Model::load().unwrap();
        let source = "mod a;\n#[cfg(feature = \"local\")]\nmod b;\n\
                      #[cfg(all(feature = \"one-to-many\", feature = \"local\"))]\nmod c;\nmod d;\n";
        let text = lines_of_the_chosen(&model, source).unwrap();
        assert_eq!(
            text,
            "mod a;\n#[cfg(feature = \"local\")]\nmod b;\n{%- if architectures contains \"one-to-many\" %}\n\
             #[cfg(all(feature = \"one-to-many\", feature = \"local\"))]\nmod c;\n{%- endif %}\nmod d;\n"
        );
    }

    #[test]
    fn a_line_that_names_several_cannot_go_with_either() {
        let model = Model::load().unwrap();
        let source = "#[cfg(any(feature = \"one-to-many\", feature = \"one-to-one\"))]\nmod a;\n";
        assert!(lines_of_the_chosen(&model, source).is_err());
    }
}
