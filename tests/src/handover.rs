//! Commands that need browsers and an optimised engine: the tool builds itself with both and hands over.
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
    let tool = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "kit",
        "--features",
        "lab",
        "--",
        command,
    ];
    let mut cargo: Command = root::cargo(root::kit());
    let status = cargo
        .args(tool)
        .args(args.rest)
        .status()
        .context("cargo does not run")?;
    if !status.success() {
        bail!("`cargo kit {command}` ended with {status}");
    }
    Ok(())
}
