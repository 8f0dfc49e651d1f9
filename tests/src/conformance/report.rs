//! How a run is told: a table that grows, or a JSON object for each requirement.

use livepeer::conformance::{Protocol, Requirement, Verdict};
use serde_json::json;

/// Counts what is told.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    passed: usize,
    failed: usize,
    skipped: usize,
    violations: usize,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            passed: 0,
            failed: 0,
            skipped: 0,
            violations: 0,
        }
    }

    /// The head of the table.
    pub(super) fn begin(&self, protocol: Protocol) {
        if !self.json {
            println!(
                "{} ({})",
                protocol.to_string().to_uppercase(),
                text(protocol)
            );
        }
    }

    /// One requirement, as soon as it has been tried.
    pub(super) fn add(&mut self, protocol: Protocol, requirement: &Requirement, verdict: &Verdict) {
        match verdict {
            Verdict::Pass(_) => self.passed += 1,
            Verdict::Skip(_) => self.skipped += 1,
            Verdict::Fail(_) => {
                self.failed += 1;
                self.violations += usize::from(requirement.level.is_binding());
            }
        }
        match self.json {
            true => println!("{}", line(protocol, requirement, verdict)),
            false => println!("{}", row(requirement, verdict)),
        }
    }

    /// The foot of the table.
    pub(super) fn end(&self) {
        if !self.json {
            println!(
                "{} passed, {} failed, {} skipped",
                self.passed, self.failed, self.skipped
            );
        }
    }

    /// How much of what binds every server has failed.
    pub(super) fn violations(&self) -> usize {
        self.violations
    }
}

fn text(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Whip => "RFC 9725",
        Protocol::Whep => "draft-ietf-wish-whep-04",
    }
}

fn row(requirement: &Requirement, verdict: &Verdict) -> String {
    format!(
        "  {:<6} {:<6}  {}  {}",
        requirement.id,
        requirement.level,
        verdict.result(),
        verdict.why()
    )
}

fn line(protocol: Protocol, requirement: &Requirement, verdict: &Verdict) -> String {
    json!({
        "protocol": protocol.to_string(),
        "id": requirement.id,
        "level": requirement.level.to_string(),
        "result": verdict.result(),
        "why": verdict.why(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_one_line_in_either_form() {
        let all = livepeer::conformance::requirements(Protocol::Whip);
        let verdict = Verdict::Fail("GET: 405; expected 2xx".into());
        assert_eq!(
            row(all[0], &verdict),
            "  S-H1   MUST    fail  GET: 405; expected 2xx"
        );
        assert_eq!(
            line(Protocol::Whip, all[0], &verdict),
            r#"{"id":"S-H1","level":"MUST","protocol":"whip","result":"fail","why":"GET: 405; expected 2xx"}"#
        );
    }
}
