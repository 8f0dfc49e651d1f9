//! Entity-tags of ICE sessions (RFC 9725 section 4.3.1, RFC 9110 sections 8.8.3 and 13.1.1).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::engine::Condition;

/// The strong entity-tag that an ICE session's tag makes.
pub(super) fn strong(tag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{tag}\"")).ok()
}

/// What `If-Match` demands. Weak tags match nothing here, and neither does what is no tag.
pub(super) fn condition(headers: &HeaderMap) -> Condition {
    let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Condition::Absent;
    }
    let mut tags = Vec::new();
    for line in lines {
        let mut rest = line.to_str().unwrap_or_default();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            // Bare as RFC 9110 has it, and in quotes as in the example of RFC 9725.
            if rest.starts_with('*') || rest.starts_with("\"*\"") {
                return Condition::Any;
            }
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let tag = quoted
                .strip_prefix('"')
                .and_then(|text| text.split_once('"'));
            let Some((tag, after)) = tag else {
                break;
            };
            if !weak {
                tags.push(tag.to_owned());
            }
            rest = after;
        }
    }
    Condition::OneOf(tags)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(lines: &[&str]) -> Condition {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, line.parse().unwrap());
        }
        condition(&headers)
    }

    fn tags(tags: &[&str]) -> Condition {
        Condition::OneOf(tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[test]
    fn a_condition_is_read_as_http_writes_it() {
        assert_eq!(of(&[]), Condition::Absent);
        for any in ["*", "\"*\"", " * ", "\"a\", *"] {
            assert_eq!(of(&[any]), Condition::Any, "{any}");
        }
        assert_eq!(of(&["\"a\""]), tags(&["a"]));
        assert_eq!(of(&["\"a,b\" ,\t\"c\""]), tags(&["a,b", "c"]));
        assert_eq!(of(&["\"a\"", "\"b\""]), tags(&["a", "b"]));
        assert_eq!(of(&["W/\"a\", \"b\""]), tags(&["b"]));
    }

    #[test]
    fn what_is_no_tag_matches_nothing() {
        for line in ["", "a", "\"a", "W/\"a\"", "w/\"a\"", "'a'"] {
            assert_eq!(of(&[line]), tags(&[]), "{line}");
        }
    }

    #[test]
    fn a_tag_goes_out_in_quotes() {
        assert_eq!(strong("Zm9v").unwrap(), "\"Zm9v\"");
    }
}
