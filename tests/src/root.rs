//! Where things are: the kit's folder, its build folder, and the cargo that works on them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The kit's folder: the one that holds `cargo-generate.toml`.
///
/// Known when the tool is compiled, which is every time that `cargo kit` finds its sources changed.
pub fn kit() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// A file of the kit, as text.
///
/// # Errors
///
/// When it cannot be read; the message names it.
pub fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = kit().join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// `cargo` in a folder, without what an outer `cargo run` or `cargo test` put into the environment: with those variables
/// build scripts would see another package than the one they build, and shared build folders would never be fresh.
pub fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_outer_package = [
            "CARGO_PKG_",
            "CARGO_BIN_",
            "CARGO_MANIFEST_",
            "CARGO_CRATE_",
        ]
        .iter()
        .any(|prefix| text.starts_with(prefix));
        if of_outer_package || text == "CARGO_PRIMARY_PACKAGE" || text == "LD_LIBRARY_PATH" {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The folder of the kit's intermediate build files, as `.cargo/config.toml` or the environment says.
///
/// # Errors
///
/// When cargo does not run or does not say.
pub fn build_folder() -> anyhow::Result<PathBuf> {
    let output = cargo(kit())
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .context("cargo does not run")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    // Before 1.91 cargo knew one folder only.
    ["build_directory", "target_directory"]
        .iter()
        .find_map(|key| metadata[key].as_str())
        .map(PathBuf::from)
        .context("cargo metadata names no build folder")
}

/// The program that a `cargo build --message-format json-render-diagnostics` says it has built.
pub fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
