//! One call of the generator. A subcommand of its own, hidden, so that `cargo kit new` can run it with its output
//! captured and with a user's name in the environment: without one the generator refuses to work at all.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, anyhow, bail};
use cargo_generate::{GenerateArgs, TemplatePath, Vcs};

use crate::{model::Answers, root};

/// What the generator is to make.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name
    #[arg(long)]
    pub name: String,
    /// The folder in which the project's folder is made
    #[arg(long)]
    pub destination: PathBuf,
    /// An answer to a prompt, as name=value
    #[arg(long)]
    pub define: Vec<String>,
}

/// Runs the generator in this process.
///
/// # Errors
///
/// The generator's own words.
pub fn run(args: Args) -> anyhow::Result<()> {
    cargo_generate::generate(GenerateArgs {
        template_path: TemplatePath {
            path: Some(root::kit().display().to_string()),
            ..TemplatePath::default()
        },
        name: Some(args.name),
        destination: Some(args.destination),
        define: args.define,
        silent: true,
        quiet: true,
        no_workspace: true,
        vcs: Some(Vcs::None),
        ..GenerateArgs::default()
    })
    .map_err(|problem| anyhow!("{}", plain(&format!("{problem:#}"))))?;
    Ok(())
}

/// The sentence that a hook refused with, out of the names of scripts and positions that the generator wraps it in.
fn plain(said: &str) -> &str {
    let sentence = said
        .rsplit_once("Runtime error: ")
        .map_or(said, |(_, sentence)| sentence);
    sentence
        .rsplit_once(" (line ")
        .map_or(sentence, |(sentence, _)| sentence)
        .trim()
}

/// Runs the generator in a process of its own; the project is then in `destination`, in a folder of its name.
///
/// # Errors
///
/// What the generator said, without its decoration.
pub fn apart(
    tool: &std::path::Path,
    name: &str,
    destination: &std::path::Path,
    answers: &Answers,
) -> anyhow::Result<()> {
    let mut command = Command::new(tool);
    command
        .arg("generate")
        .arg("--name")
        .arg(name)
        .arg("--destination")
        .arg(destination);
    for (prompt, answer) in answers {
        command.arg("--define").arg(format!("{prompt}={answer}"));
    }
    // Nothing that is rendered contains it, so any name will do.
    command
        .env("CARGO_NAME", "developer")
        .env("RUST_BACKTRACE", "0")
        .env("NO_COLOR", "1");
    let output = command.output().context("the generator does not run")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // Its last words; before them comes what it shows to people.
        bail!(
            "{}",
            said.rsplit_once("error: ")
                .map_or(&*said, |(_, problem)| problem)
                .trim()
        );
    }
    Ok(())
}
