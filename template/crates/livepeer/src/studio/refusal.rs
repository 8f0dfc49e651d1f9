//! From an error answer to words: the API's messages without the key that one of them echoes, a validator's findings as
//! sentences that name the field.

use serde::Deserialize;
use serde_json::Value;

use super::wire::ErrorBody;
use crate::secret::ApiKey;

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// No message is told longer than this.
const LONGEST: usize = 500;

/// The messages of an error answer.
pub(super) fn messages(body: &[u8], key: &ApiKey) -> Vec<String> {
    let raw = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => body.errors,
        // A page of HTML from a proxy on the way says nothing that the status does not.
        Err(_) => match std::str::from_utf8(body).map(str::trim) {
            Ok(text) if !text.is_empty() && !text.starts_with('<') => vec![text.to_owned()],
            _ => vec![],
        },
    };
    raw.iter()
        .map(|message| readable(&redact(message, key)))
        .collect()
}

/// Cuts the key out: the body of a 401 says `no token <apiKey> found`.
pub(super) fn redact(text: &str, key: &ApiKey) -> String {
    if key.expose().is_empty() {
        text.to_owned()
    } else {
        text.replace(key.expose(), REDACTED)
    }
}

/// One finding of the validator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    instance_path: String,
    keyword: String,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    message: String,
}

fn readable(message: &str) -> String {
    let mut words = match serde_json::from_str::<Finding>(message) {
        Ok(finding) => finding.words(),
        Err(_) => message.to_owned(),
    };
    if let Some((cut, _)) = words.char_indices().nth(LONGEST) {
        words.truncate(cut);
        words.push('…');
    }
    words
}

impl Finding {
    fn words(&self) -> String {
        let param = |name: &str| self.params.get(name).and_then(Value::as_str);
        match (
            self.keyword.as_str(),
            param("missingProperty"),
            param("additionalProperty"),
        ) {
            ("required", Some(name), _) => format!("{} is required", self.field(Some(name))),
            ("additionalProperties", _, Some(name)) => {
                format!("{} is not a known field", self.field(Some(name)))
            }
            ("enum", ..) => {
                let allowed = self.params.get("allowedValues").and_then(Value::as_array);
                let allowed: Vec<_> = allowed
                    .into_iter()
                    .flatten()
                    .map(Value::to_string)
                    .collect();
                format!("{} must be one of {}", self.field(None), allowed.join(", "))
            }
            _ => format!("{} {}", self.field(None), self.message),
        }
    }

    /// The field's name as one would write it: `/profiles/0/width` is `profiles[0].width`.
    fn field(&self, within: Option<&str>) -> String {
        let mut name = String::new();
        for part in self.instance_path.split('/').skip(1).chain(within) {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                name.push_str(&format!("[{part}]"));
            } else {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&part.replace("~1", "/").replace("~0", "~"));
            }
        }
        if name.is_empty() {
            "the body".to_owned()
        } else {
            format!("`{name}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Vec<String> {
        messages(body.as_bytes(), &ApiKey::new("s3cr3t-key"))
    }

    #[test]
    fn a_validators_findings_become_words() {
        let finding = |json: &str| read(&serde_json::json!({ "errors": [json] }).to_string());
        assert_eq!(
            finding(
                r##"{"instancePath":"","schemaPath":"#/required","keyword":"required","params":{"missingProperty":"name"},"message":"must have required property 'name'"}"##
            ),
            ["`name` is required"]
        );
        assert_eq!(
            finding(
                r##"{"instancePath":"/profiles/0/width","schemaPath":"#/x","keyword":"minimum","params":{"comparison":">=","limit":128},"message":"must be >= 128"}"##
            ),
            ["`profiles[0].width` must be >= 128"]
        );
        assert_eq!(
            finding(
                r##"{"instancePath":"/playbackPolicy","schemaPath":"#/x","keyword":"additionalProperties","params":{"additionalProperty":"kind"},"message":"must NOT have additional properties"}"##
            ),
            ["`playbackPolicy.kind` is not a known field"]
        );
        assert_eq!(
            finding(
                r##"{"instancePath":"/playbackPolicy/type","schemaPath":"#/x","keyword":"enum","params":{"allowedValues":["public","jwt"]},"message":"must be equal to one of the allowed values"}"##
            ),
            [r#"`playbackPolicy.type` must be one of "public", "jwt""#]
        );
        assert_eq!(
            finding(r#"{"instancePath":"","keyword":"type","message":"must be object"}"#),
            ["the body must be object"]
        );
    }

    #[test]
    fn plain_messages_stay_and_pages_are_dropped() {
        assert_eq!(read(r#"{"errors":["not found"]}"#), ["not found"]);
        assert_eq!(read("upstream timed out"), ["upstream timed out"]);
        assert!(read("<html><body>502</body></html>").is_empty());
        assert!(read("").is_empty());
        assert!(messages(&[0xff, 0xfe], &ApiKey::new("")).is_empty());
    }

    #[test]
    fn the_echo_of_the_key_is_cut_out() {
        assert_eq!(
            read(r#"{"errors":["no token s3cr3t-key found"]}"#),
            ["no token [redacted] found"]
        );
        assert_eq!(read("bad s3cr3t-key"), ["bad [redacted]"]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let told = read(&"é".repeat(2000));
        assert_eq!(told[0].chars().count(), 501);
    }
}
