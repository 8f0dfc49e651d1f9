//! What a request body may contain, and the complaint when it does not.
//!
//! Studio checks bodies with ajv against its OpenAPI description and answers 422, where every string of `errors` is
//! itself a JSON-encoded ajv error (facts of the running service; the description does not say so). Clients parse those,
//! so the complaints here carry ajv's fields, words and order: `required` before unknown fields before the fields'
//! own rules, and the first complaint only.

use serde::Serialize;
use serde_json::{Value, json};

/// The shape that one JSON value must have. Tables of these are written as constants beside the routes that use them.
pub(crate) enum Shape {
    /// Anything at all.
    Any,
    /// A boolean.
    Flag,
    /// A number.
    Number,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Text with a length within bounds (in characters), both included.
    Text {
        /// Shortest length.
        min: usize,
        /// Longest length.
        max: usize,
    },
    /// Text that is an `http` or `https` address.
    HttpAddress,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of values of one shape.
    List(&'static Shape),
    /// An object whose keys are free and whose values have one shape.
    Map(&'static Shape),
    /// An object with known keys and no others.
    Object {
        /// Keys that must be there.
        required: &'static [&'static str],
        /// Every known key with the shape of its value.
        fields: &'static [(&'static str, Shape)],
    },
    /// A value that has at least one of several shapes.
    Either(&'static [Shape]),
    /// `null`, or a value of this shape.
    OrNull(&'static Shape),
}

/// Text of any length (bodies are bounded as a whole).
pub(crate) const TEXT: Shape = Shape::Text {
    min: 0,
    max: usize::MAX,
};

/// Where a webhook may point: the description's own pattern.
const HTTP_ADDRESS: &str = "^http(s)?://";

/// One ajv error; serialised, it is one string of a 422's `errors`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    instance_path: String,
    schema_path: String,
    keyword: &'static str,
    params: Value,
    message: String,
}

impl Fault {
    /// The JSON text that Studio puts into `errors`.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| self.message.clone())
    }
}

impl Shape {
    /// Whether `value` has this shape; if not, the first thing wrong with it.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Fault> {
        self.check_at(value, &Place::default())
    }

    fn check_at(&self, value: &Value, place: &Place) -> Result<(), Fault> {
        match self {
            Shape::Any => Ok(()),
            Shape::OrNull(_) if value.is_null() => Ok(()),
            Shape::OrNull(inner) => inner.check_at(value, place).map_err(|mut fault| {
                // ajv names both types when a nullable value has the wrong one.
                if fault.keyword == "type" && fault.instance_path == place.instance {
                    let name = inner.type_name();
                    fault.params = json!({ "type": [name, "null"] });
                    fault.message = format!("must be {name},null");
                }
                fault
            }),
            Shape::Flag => place.typed(value.is_boolean(), "boolean"),
            Shape::Number => place.typed(value.is_number(), "number"),
            Shape::Integer { min, max } => {
                let number = value.as_i64().or_else(|| {
                    value
                        .as_f64()
                        .filter(|n| n.fract() == 0.0)
                        .map(|n| n as i64)
                });
                let Some(number) = number else {
                    return Err(place.type_fault("integer"));
                };
                if number < *min {
                    return Err(place.limit("minimum", ">=", *min));
                }
                if number > *max {
                    return Err(place.limit("maximum", "<=", *max));
                }
                Ok(())
            }
            Shape::Text { min, max } => {
                let Some(text) = value.as_str() else {
                    return Err(place.type_fault("string"));
                };
                let length = text.chars().count();
                if length < *min {
                    let message = format!("must NOT have fewer than {min} characters");
                    return Err(place.fault("minLength", json!({ "limit": min }), message));
                }
                if length > *max {
                    let message = format!("must NOT have more than {max} characters");
                    return Err(place.fault("maxLength", json!({ "limit": max }), message));
                }
                Ok(())
            }
            Shape::HttpAddress => {
                let Some(text) = value.as_str() else {
                    return Err(place.type_fault("string"));
                };
                if text.starts_with("http://") || text.starts_with("https://") {
                    return Ok(());
                }
                let message = format!("must match pattern \"{HTTP_ADDRESS}\"");
                Err(place.fault("pattern", json!({ "pattern": HTTP_ADDRESS }), message))
            }
            Shape::Word(words) => {
                let Some(text) = value.as_str() else {
                    return Err(place.type_fault("string"));
                };
                if words.contains(&text) {
                    return Ok(());
                }
                let message = "must be equal to one of the allowed values".to_owned();
                Err(place.fault("enum", json!({ "allowedValues": words }), message))
            }
            Shape::List(of) => {
                let Some(items) = value.as_array() else {
                    return Err(place.type_fault("array"));
                };
                let each = |(index, item)| of.check_at(item, &place.item(index));
                items.iter().enumerate().try_for_each(each)
            }
            Shape::Map(of) => {
                let Some(entries) = value.as_object() else {
                    return Err(place.type_fault("object"));
                };
                let each = |(key, item): (&String, _)| of.check_at(item, &place.entry(key));
                entries.iter().try_for_each(each)
            }
            Shape::Object { required, fields } => check_object(value, required, fields, place),
            Shape::Either(shapes) => {
                if shapes.iter().any(|shape| shape.check(value).is_ok()) {
                    return Ok(());
                }
                let message = "must match exactly one schema in oneOf".to_owned();
                Err(place.fault("oneOf", json!({ "passingSchemas": null }), message))
            }
        }
    }

    /// JSON Schema's name for the type of this shape, as ajv prints it.
    fn type_name(&self) -> &'static str {
        match self {
            Shape::Flag => "boolean",
            Shape::Number => "number",
            Shape::Integer { .. } => "integer",
            Shape::List(_) => "array",
            Shape::Map(_) | Shape::Object { .. } => "object",
            _ => "string",
        }
    }
}

fn check_object(
    value: &Value,
    required: &[&str],
    fields: &[(&str, Shape)],
    place: &Place,
) -> Result<(), Fault> {
    let Some(entries) = value.as_object() else {
        return Err(place.type_fault("object"));
    };
    if let Some(missing) = required.iter().find(|key| !entries.contains_key(**key)) {
        let message = format!("must have required property '{missing}'");
        return Err(place.fault("required", json!({ "missingProperty": missing }), message));
    }
    let known = |key: &str| fields.iter().any(|(name, _)| *name == key);
    if let Some(unknown) = entries.keys().find(|key| !known(key)) {
        let message = "must NOT have additional properties".to_owned();
        let params = json!({ "additionalProperty": unknown });
        return Err(place.fault("additionalProperties", params, message));
    }
    for (name, shape) in fields {
        if let Some(value) = entries.get(*name) {
            shape.check_at(value, &place.field(name))?;
        }
    }
    Ok(())
}

/// Where in the body and in the schema the check stands, as JSON pointers.
#[derive(Default)]
struct Place {
    instance: String,
    schema: String,
}

impl Place {
    fn field(&self, name: &str) -> Place {
        Place {
            instance: format!("{}/{name}", self.instance),
            schema: format!("{}/properties/{name}", self.schema),
        }
    }

    fn entry(&self, key: &str) -> Place {
        let key = key.replace('~', "~0").replace('/', "~1");
        Place {
            instance: format!("{}/{key}", self.instance),
            schema: format!("{}/additionalProperties", self.schema),
        }
    }

    fn item(&self, index: usize) -> Place {
        Place {
            instance: format!("{}/{index}", self.instance),
            schema: format!("{}/items", self.schema),
        }
    }

    fn fault(&self, keyword: &'static str, params: Value, message: String) -> Fault {
        Fault {
            instance_path: self.instance.clone(),
            schema_path: format!("#{}/{keyword}", self.schema),
            keyword,
            params,
            message,
        }
    }

    fn type_fault(&self, name: &str) -> Fault {
        self.fault("type", json!({ "type": name }), format!("must be {name}"))
    }

    fn typed(&self, holds: bool, name: &str) -> Result<(), Fault> {
        if holds {
            Ok(())
        } else {
            Err(self.type_fault(name))
        }
    }

    fn limit(&self, keyword: &'static str, comparison: &str, limit: i64) -> Fault {
        let params = json!({ "comparison": comparison, "limit": limit });
        self.fault(keyword, params, format!("must be {comparison} {limit}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PERSON: Shape = Shape::Object {
        required: &["name"],
        fields: &[
            ("name", Shape::Text { min: 1, max: 5 }),
            ("age", Shape::Integer { min: 0, max: 150 }),
            ("tags", Shape::Map(&Shape::Either(&[TEXT, Shape::Number]))),
            ("nicks", Shape::OrNull(&Shape::List(&TEXT))),
            ("mood", Shape::Word(&["fine", "tired"])),
            ("site", Shape::HttpAddress),
        ],
    };

    fn complaint(body: Value) -> String {
        PERSON.check(&body).unwrap_err().to_text()
    }

    #[test]
    fn the_words_and_order_of_a_complaint_are_those_of_ajv() {
        assert_eq!(
            complaint(json!({})),
            r##"{"instancePath":"","schemaPath":"#/required","keyword":"required","params":{"missingProperty":"name"},"message":"must have required property 'name'"}"##
        );
        assert_eq!(
            complaint(json!({"name": "Ada", "nope": 1})),
            r##"{"instancePath":"","schemaPath":"#/additionalProperties","keyword":"additionalProperties","params":{"additionalProperty":"nope"},"message":"must NOT have additional properties"}"##
        );
        assert_eq!(
            complaint(json!({"name": "Ada", "age": -1})),
            r##"{"instancePath":"/age","schemaPath":"#/properties/age/minimum","keyword":"minimum","params":{"comparison":">=","limit":0},"message":"must be >= 0"}"##
        );
        assert_eq!(
            complaint(json!({"name": "Ada", "nicks": 7})),
            r##"{"instancePath":"/nicks","schemaPath":"#/properties/nicks/type","keyword":"type","params":{"type":["array","null"]},"message":"must be array,null"}"##
        );
    }

    #[test]
    fn each_rule_refuses_what_breaks_it_and_only_that() {
        let refused = [
            (json!([]), "must be object"),
            (json!({"name": 7}), "must be string"),
            (json!({"name": ""}), "must NOT have fewer than 1 characters"),
            (
                json!({"name": "Adelaide"}),
                "must NOT have more than 5 characters",
            ),
            (json!({"name": "Ada", "age": 1.5}), "must be integer"),
            (json!({"name": "Ada", "age": 151}), "must be <= 150"),
            (json!({"name": "Ada", "nicks": ["a", 1]}), "must be string"),
            (
                json!({"name": "Ada", "tags": {"a/b": []}}),
                "must match exactly one schema in oneOf",
            ),
            (
                json!({"name": "Ada", "mood": "odd"}),
                "must be equal to one of the allowed values",
            ),
            (
                json!({"name": "Ada", "site": "ftp://x"}),
                "must match pattern \"^http(s)?://\"",
            ),
        ];
        for (body, message) in refused {
            assert_eq!(PERSON.check(&body).unwrap_err().message, message, "{body}");
        }
        let taken = [
            json!({"name": "Ada"}),
            json!({"name": "Ada", "age": 36.0, "nicks": null, "mood": "fine"}),
            json!({"name": "Äöüßé", "tags": {"a": "b", "c": 1}, "site": "https://x"}),
        ];
        for body in taken {
            assert!(PERSON.check(&body).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_key_with_a_slash_is_escaped_as_a_json_pointer() {
        let fault = PERSON
            .check(&json!({"name": "Ada", "tags": {"a/b~c": []}}))
            .unwrap_err();
        assert_eq!(fault.instance_path, "/tags/a~1b~0c");
    }
}
