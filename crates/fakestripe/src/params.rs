//! Form-encoded parameters with Stripe's nested brackets, and typed access to single values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// The parameters of a request as a tree of strings.
#[derive(Debug, Default)]
pub(crate) struct Params {
    root: Map<String, Value>,
    canonical: String,
}

/// Deeper nesting than any parameter of Stripe's.
const MAX_DEPTH: usize = 12;

impl Params {
    /// Parses `a[b]=1&list[]=x`: a repeated key overwrites, a repeated list item appends.
    pub(crate) fn parse(form: &str) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(form).map_err(|_| ApiError::invalid("Invalid request body.").not_cached())?;
        pairs.sort_by(|one, two| one.0.cmp(&two.0));
        let canonical = format!("{pairs:?}");
        let mut root = Map::new();
        for (key, value) in pairs {
            let (head, rest) = key.split_once('[').unwrap_or((&key, ""));
            let inner: Vec<&str> = rest.split('[').map(|part| part.trim_end_matches(']')).collect();
            if inner.len() > MAX_DEPTH {
                return Err(ApiError::invalid("Parameters are nested too deeply.").not_cached());
            }
            let path: &[&str] = if rest.is_empty() { &[] } else { &inner };
            insert_at(&mut root, head, path, value);
        }
        Ok(Self { root, canonical })
    }

    /// Rejects top-level parameters that are not in `known`, a space-separated list of names.
    pub(crate) fn reject_unknown(&self, known: &str) -> Result<(), ApiError> {
        let unknown = self.root.keys().find(|key| !known.split(' ').any(|name| name == *key));
        unknown.map_or(Ok(()), |key| {
            Err(ApiError::parameter(key, format!("Received unknown parameter: {key}")).code("parameter_unknown"))
        })
    }

    /// The parameters in a canonical order, by which requests with the same idempotency key are compared.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The value at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.root.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// The text at a dotted path; an empty one counts as absent.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn string(&self, path: &str) -> Option<String> {
        self.text(path).map(str::to_owned)
    }

    pub(crate) fn integer(&self, path: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            ApiError::parameter(&bracketed(path), format!("Invalid integer: {text}")).code("parameter_invalid_integer")
        })
    }

    /// An integer of at least 1; `message` is the error for smaller ones.
    pub(crate) fn positive(&self, path: &str, message: &str) -> Result<Option<i64>, ApiError> {
        match self.integer(path)? {
            Some(..1) => Err(ApiError::parameter(path, message).code("parameter_invalid_integer")),
            integer => Ok(integer),
        }
    }

    pub(crate) fn flag(&self, path: &str) -> Result<bool, ApiError> {
        match self.text(path) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(ApiError::parameter(&bracketed(path), format!("Invalid boolean: {text}"))),
        }
    }

    pub(crate) fn one_of(&self, path: &str, known: &[&str]) -> Result<Option<String>, ApiError> {
        match self.text(path) {
            None => Ok(None),
            Some(text) if known.contains(&text) => Ok(Some(text.to_owned())),
            Some(_) => {
                let param = bracketed(path);
                Err(ApiError::parameter(&param, format!("Invalid {param}: must be one of {}", known.join(", "))))
            }
        }
    }

    /// The entries of `name[]`, also of `name[0]`, `name[1]`.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let entries: Vec<&Value> = match self.get(path) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(items)) => items.values().collect(),
            _ => Vec::new(),
        };
        entries.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// Merges `metadata[…]` as Stripe does: an empty value removes that key, an empty `metadata` removes all.
    pub(crate) fn metadata(&self, into: &mut BTreeMap<String, String>) -> Result<(), ApiError> {
        let invalid = |message| Err(ApiError::parameter("metadata", message));
        let entries = match self.root.get("metadata") {
            Some(Value::Object(entries)) => entries,
            Some(Value::String(text)) if text.is_empty() => {
                into.clear();
                return Ok(());
            }
            Some(_) => return invalid("Invalid object"),
            None => return Ok(()),
        };
        for (key, value) in entries {
            let value = value.as_str().unwrap_or_default();
            if key.chars().count() > 40 || value.chars().count() > 500 {
                return invalid("Metadata keys can have up to 40 characters and values up to 500.");
            }
            if value.is_empty() {
                into.remove(key);
            } else {
                into.insert(key.clone(), value.to_owned());
            }
        }
        if into.len() > 50 { invalid("Metadata can have up to 50 keys.") } else { Ok(()) }
    }
}

/// `card.number` as Stripe names it: `card[number]`.
fn bracketed(path: &str) -> String {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| format!("{name}[{part}]"))
}

fn insert_at(into: &mut Map<String, Value>, key: &str, rest: &[&str], text: String) {
    match rest {
        [] => {
            into.insert(key.to_owned(), Value::String(text));
        }
        [""] => {
            let slot = into.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = slot {
                items.push(Value::String(text));
            }
        }
        [next, rest @ ..] => {
            let slot = into.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                insert_at(inner, next, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Params;

    #[test]
    fn brackets_parse_as_nested_values() {
        let params = Params::parse("amount=5&metadata[a]=1&expand[]=x&expand[]=y&a[b][c]=z&l[0]=p").unwrap();
        assert_eq!(params.integer("amount").unwrap(), Some(5));
        assert_eq!(params.text("metadata.a"), Some("1"));
        assert_eq!(params.text("a.b.c"), Some("z"));
        assert_eq!(params.list("expand"), ["x", "y"]);
        assert_eq!(params.list("l"), ["p"]);
    }

    #[test]
    fn canonical_form_ignores_parameter_order() {
        let one = Params::parse("a=1&b[x]=2").unwrap();
        let two = Params::parse("b[x]=2&a=1").unwrap();
        assert_eq!(one.canonical(), two.canonical());
    }

    #[test]
    fn too_deep_nesting_is_rejected() {
        let deep = format!("a{}=1", "[b]".repeat(200));
        assert!(Params::parse(&deep).is_err());
    }
}
