//! `cargo kit conformance` against the embedded engine, and its page of the book.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Output};

use kit::root;
use livepeer::conformance::{Protocol, Requirement, requirements};
use serde_json::Value;

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kit"))
        .arg("conformance")
        .args(args)
        .env_remove("WHIP_URL")
        .env_remove("WHEP_URL")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn both() -> impl Iterator<Item = (Protocol, &'static Requirement)> {
    [Protocol::Whip, Protocol::Whep]
        .into_iter()
        .flat_map(|protocol| {
            requirements(protocol)
                .into_iter()
                .map(move |it| (protocol, it))
        })
}

#[test]
fn the_strict_engine_fails_nothing_and_nothing_is_skipped() {
    let run = kit(&["--embedded", "--strict", "--json"]);
    let lines: Vec<Value> = text(&run.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert_eq!(line["result"], "pass", "{line}");
    }
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["protocol"].as_str().unwrap(),
                line["id"].as_str().unwrap(),
            )
        })
        .collect();
    let all: Vec<_> = both()
        .map(|(protocol, it)| {
            (
                if protocol == Protocol::Whip {
                    "whip"
                } else {
                    "whep"
                },
                it.id,
            )
        })
        .collect();
    assert_eq!(told, all);
    assert!(run.status.success());
}

#[test]
fn a_server_that_is_not_there_fails_and_its_address_is_not_told() {
    // Nobody listens on port 9 of this machine.
    let run = kit(&["whip", "http://127.0.0.1:9/webrtc/s3cr3t-key"]);
    assert!(!run.status.success());
    let (out, err) = (text(&run.stdout), text(&run.stderr));
    assert!(out.contains("S-S1   MUST    fail"), "{out}");
    assert!(!out.contains("s3cr3t") && !err.contains("s3cr3t"));
}

#[test]
fn the_book_lists_every_requirement_as_it_is() {
    let page = std::fs::read_to_string(root::kit().join("docs/conformance.md")).unwrap();
    let mut told = 0;
    for (_, it) in both() {
        let row = format!(
            "| {} | {} | {} | {} |",
            it.id, it.level, it.source, it.words
        );
        assert!(
            page.contains(&row),
            "docs/conformance.md lacks the row\n{row}"
        );
        told += 1;
    }
    assert!(told > 100);
}
