//! Commands that need an optimised engine, and most of them browsers: the tool builds itself with both and hands over.
//!
//! `cargo kit new` stays quick to build because it has neither.

use std::{ffi::OsString, process::Command};

use anyhow::{Context, bail};

use crate::root;

/// Everything after the command's name, to be read by the tool that is handed over to.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Builds the tool with `--release` and the feature `lab`, and runs `command` with it.
///
/// # Errors
///
/// If it does not build, or does not succeed; it has said why.
pub fn run(command: &str, args: Args) -> anyhow::Result<()> {
    if let ("bench", Some((first, rest))) = (command, args.rest.split_first())
        && first == "fanout"
    {
        let rest = rest.to_vec();
        return fanout(Args { rest });
    }
    let tool = ["--package", "kit", "--features", "lab", "--", command];
    optimised(&tool, &args, command)
}

/// Builds and runs the benchmark that needs no browser, and so little else that it is a crate of its own.
///
/// # Errors
///
/// If it does not build, or does not succeed; it has said why.
pub fn fanout(args: Args) -> anyhow::Result<()> {
    optimised(&["--package", "fanout", "--"], &args, "bench fanout")
}

fn optimised(what: &[&str], args: &Args, command: &str) -> anyhow::Result<()> {
    let mut cargo: Command = root::cargo(root::kit());
    let status = cargo
        .args(["run", "--quiet", "--release"])
        .args(what)
        .args(&args.rest)
        .status()
        .context("cargo does not run")?;
    if !status.success() {
        bail!("`cargo kit {command}` ended with {status}");
    }
    Ok(())
}
