//! The `Link` header (RFC 8288): the next page of a list.

/// One link: its target, and its parameters with lower-case names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) target: String,
    params: Vec<(String, String)>,
}

impl Link {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `rel` names this relation.
    pub(crate) fn is(&self, relation: &str) -> bool {
        self.param("rel").is_some_and(|rels| {
            rels.split_ascii_whitespace()
                .any(|rel| rel.eq_ignore_ascii_case(relation))
        })
    }
}

/// Reads one header value; what does not look like a link is passed over.
pub(crate) fn parse(header: &str) -> Vec<Link> {
    split(header, ',')
        .into_iter()
        .filter_map(|text| one(&text))
        .collect()
}

fn one(text: &str) -> Option<Link> {
    let mut parts = split(text, ';').into_iter();
    let target = parts
        .next()?
        .trim()
        .strip_prefix('<')?
        .strip_suffix('>')?
        .to_owned();
    let params = parts
        .filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquote(value.trim())))
        })
        .collect();
    Some(Link { target, params })
}

/// Splits at a separator that stands neither within `<...>` nor within quotes.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for c in text.chars() {
        if c == separator && !quoted && !bracketed {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    parts
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_or_semicolon_within_target_or_quotes_does_not_split() {
        let links = parse(
            r#"<https://x/api/stream?a=1,2;3&cursor=skip20>; rel="next"; title="a, \"b\"; c", </first>;REL=first"#,
        );
        assert_eq!(links.len(), 2);
        assert_eq!(
            links[0].target,
            "https://x/api/stream?a=1,2;3&cursor=skip20"
        );
        assert!(links[0].is("next"));
        assert_eq!(links[0].param("title"), Some(r#"a, "b"; c"#));
        assert!(links[1].is("first"));
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert!(parse("").is_empty());
        assert!(parse("https://x; rel=next").is_empty());
        assert!(parse("<unclosed; rel=next").is_empty());
        assert!(!parse("<x>")[0].is("next"));
    }
}
