//! Ids of payment methods.

/// The prefix of every id.
const PREFIX: &str = "pm_";

/// The text, if it has the syntax of an id: `pm_`, then letters, digits and underscores. Only the provider knows
/// whether the id exists, and asking it counts as an attempt. Any other text may be a card number, so it is neither
/// stored nor sent.
pub fn parse_id(text: &str) -> Option<String> {
    let rest = text.strip_prefix(PREFIX)?;
    let fits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_the_syntax_of_ids() {
        for id in ["pm_card_visa", "pm_1MqLiJLkdIwHu7ixUEgbFdYF"] {
            assert_eq!(parse_id(id).as_deref(), Some(id));
        }
        for text in
            ["", "pm_", "visa", "4242424242424242", "tok_visa", "pm_card visa", "pm_\u{e9}", "PM_card", "pm_a\n"]
        {
            assert_eq!(parse_id(text), None, "{text:?}");
        }
    }
}
