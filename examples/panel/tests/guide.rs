//! The guide quotes code that is here.

const GUIDE: &str = include_str!("../../../docs/write-your-own-architecture.md");
const SOURCES: [&str; 4] = [
    include_str!("../src/lib.rs"),
    include_str!("../src/main.rs"),
    include_str!("transcripts.rs"),
    include_str!("properties.rs"),
];

/// Without indentation: a quotation begins at the margin.
fn flat(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("\n")
}

#[test]
fn every_rust_excerpt_in_the_guide_stands_in_the_sources() {
    let sources = SOURCES.map(flat);
    let blocks = GUIDE.split("```rust\n").skip(1);
    let excerpts: Vec<String> = blocks
        .filter_map(|block| Some(flat(block.split_once("\n```")?.0)))
        .collect();
    assert!(excerpts.len() > 5, "the guide quotes nothing any more");
    for excerpt in excerpts {
        assert!(
            sources.iter().any(|source| source.contains(&excerpt)),
            "this is not in the sources:\n{excerpt}"
        );
    }
}
