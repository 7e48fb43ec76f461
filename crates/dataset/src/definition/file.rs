//! What a definition file may hold, before anything in it is judged. What each key means: `datasets/README.md`.

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) key: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) drop: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) placeholders: Vec<Spanned<String>>,
    pub(super) column: Vec<Spanned<RawColumn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    pub(super) name: Spanned<String>,
    pub(super) from: Option<Spanned<OneOrMore<String>>>,
    pub(super) r#type: Spanned<String>,
    pub(super) read: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) otherwise: Option<Spanned<String>>,
    pub(super) placeholders: Option<Spanned<bool>>,
    pub(super) strip_prefix: Option<Spanned<String>>,
    pub(super) separator: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<OneOrMore<String>>>,
    pub(super) min: Option<Spanned<OneOrMore<f64>>>,
    pub(super) max: Option<Spanned<OneOrMore<f64>>>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T: Clone> OneOrMore<T> {
    pub(super) fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMore::One(one) => vec![one.clone()],
            OneOrMore::More(more) => more.clone(),
        }
    }
}
