//! What the card network calls a payment method.

/// What begins every name.
const PREFIX: &str = "pm_";

/// The text, if it can name a payment method: `pm_` with letters, digits and underscores behind it. Whether there is
/// one of that name is for the card network to say, which costs an attempt; anything else is nonsense, or a card's
/// number, and is neither stored nor sent.
pub fn parse(text: &str) -> Option<String> {
    let rest = text.strip_prefix(PREFIX)?;
    let fits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_a_name() {
        for name in ["pm_card_visa", "pm_1MqLiJLkdIwHu7ixUEgbFdYF"] {
            assert_eq!(parse(name).as_deref(), Some(name));
        }
        for text in
            ["", "pm_", "visa", "4242424242424242", "tok_visa", "pm_card visa", "pm_\u{e9}", "PM_card", "pm_a\n"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
