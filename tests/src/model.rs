//! The questions that the generator asks, read from `cargo-generate.toml` itself: a new prompt or choice joins the tests,
//! the twins and `cargo kit new` without being named anywhere else.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

use crate::root;

/// The prompt that every project answers: which streaming architecture it is about.
pub const ARCHITECTURE: &str = "architecture";

/// What `cargo-generate.toml` says, as far as the kit's tools need it.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// Which files are rendered.
    pub template: Template,
    /// The prompts by name.
    pub placeholders: BTreeMap<String, Placeholder>,
}

/// The `[template]` table.
#[derive(Debug, Deserialize)]
pub struct Template {
    /// The generator versions that may be used.
    pub cargo_generate_version: String,
    /// The allow-list of rendered files, each as `/path` in the generated project.
    pub include: Vec<String>,
}

/// One prompt.
#[derive(Debug, Deserialize)]
pub struct Placeholder {
    /// The question.
    pub prompt: String,
    /// `string` or `bool`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What may be answered; empty for a bool.
    #[serde(default)]
    pub choices: Vec<String>,
    /// What `--silent` answers.
    pub default: toml::Value,
}

/// One answer to every prompt.
pub type Answers = BTreeMap<String, String>;

impl Model {
    /// Reads the kit's `cargo-generate.toml`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a prompt lacks its type or default.
    pub fn load() -> anyhow::Result<Model> {
        toml::from_str(&root::read("cargo-generate.toml")?).context("cargo-generate.toml")
    }

    /// What `--silent` answers to every prompt.
    pub fn defaults(&self) -> Answers {
        self.placeholders
            .iter()
            .map(|(name, placeholder)| (name.clone(), placeholder.default_answer()))
            .collect()
    }

    /// Every combination of answers.
    pub fn combinations(&self) -> Vec<Answers> {
        let mut combinations = vec![Answers::new()];
        for (name, placeholder) in &self.placeholders {
            combinations = combinations
                .into_iter()
                .flat_map(|answers| {
                    placeholder.answers().into_iter().map(move |answer| {
                        let mut answers = answers.clone();
                        answers.insert(name.clone(), answer);
                        answers
                    })
                })
                .collect();
        }
        combinations
    }

    /// The architectures that can be chosen, in the order of the prompt.
    pub fn architectures(&self) -> &[String] {
        self.placeholders
            .get(ARCHITECTURE)
            .map_or(&[], |placeholder| &placeholder.choices)
    }
}

impl Placeholder {
    /// Every answer that is allowed.
    pub fn answers(&self) -> Vec<String> {
        match self.kind.as_str() {
            "bool" => vec!["false".into(), "true".into()],
            _ if self.choices.is_empty() => vec![self.default_answer()],
            _ => self.choices.clone(),
        }
    }

    fn default_answer(&self) -> String {
        match &self.default {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}
