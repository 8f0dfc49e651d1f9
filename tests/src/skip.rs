//! Tests that need a program which not everybody has: they say that they were skipped, except where nothing may be.

use std::path::PathBuf;

/// The first of these programs that is on the PATH.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// Says that a test was skipped and why; always false, so that it can be returned.
///
/// # Panics
///
/// If `KIT_REQUIRE` is set, as `.ci/run` does: there a skipped test is a failed one.
pub fn skipped(test: &str, why: &str) -> bool {
    assert!(
        std::env::var_os("KIT_REQUIRE").is_none(),
        "{test} cannot run: {why}"
    );
    eprintln!("SKIPPED {test}: {why}");
    false
}
