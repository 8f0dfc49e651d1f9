//! `cargo kit bless`: writes anew whatever is derived from something else.

use anyhow::{Context, bail};

use crate::{lock, root, sizes, twins, twins::Derived};

/// Renews the twins, the lock file's twin, the README's sizes and the goldens of the generation tests, and says what changed.
///
/// # Errors
///
/// What could not be derived or written, or the tests that fail for another reason than an old golden.
pub fn run() -> anyhow::Result<()> {
    let tool = std::env::current_exe()?;
    write(&twins::all()?)?;
    write(&lock::all(&tool)?)?;
    write(&[sizes::readme(&tool)?])?;
    let goldens = root::cargo(root::kit())
        .args(["test", "--quiet", "--package", "kit", "--test", "goldens"])
        .env("INSTA_UPDATE", "always")
        .status()
        .context("cargo does not run")?;
    if !goldens.success() {
        bail!("the goldens could not be renewed");
    }
    Ok(())
}

fn write(files: &[Derived]) -> anyhow::Result<()> {
    for Derived { path, text } in files {
        let place = root::kit().join(path);
        if std::fs::read_to_string(&place).is_ok_and(|old| old == *text) {
            println!("  fresh    {path}");
        } else {
            std::fs::write(&place, text).with_context(|| format!("cannot write {path}"))?;
            println!("  renewed  {path}");
        }
    }
    Ok(())
}
