//! Explanations of Stripe's decline codes for the buyer.

use common::events::payment::PaymentState;

/// The reason that the buyer is told, in a stable form for programs. A card that is reported lost or stolen is declined
/// without a reason, so that it does not warn a thief.
pub fn shown_reason(code: &str) -> &'static str {
    match code {
        "insufficient_funds" | "withdrawal_count_limit_exceeded" | "card_velocity_exceeded" => "insufficient-funds",
        "expired_card" | "invalid_expiry_month" | "invalid_expiry_year" => "expired",
        "incorrect_cvc" | "invalid_cvc" => "wrong-code",
        "incorrect_number" | "invalid_number" | "invalid_account" => "wrong-number",
        "authentication_required" | "payment_intent_authentication_failure" | PaymentState::SUPERSEDED => "unconfirmed",
        "card_not_supported" | "currency_not_supported" => "unsupported",
        "processing_error" | "issuer_not_available" | "try_again_later" | "provider_error" => "bank-unreachable",
        _ => "unknown",
    }
}

/// The explanation of a decline code.
pub fn explanation(code: &str) -> &'static str {
    match shown_reason(code) {
        "insufficient-funds" => {
            "The card has insufficient funds or has reached its limit. You were not charged. Try another card."
        }
        "expired" => {
            "The card has expired or its expiry date is wrong. You were not charged. Check it, or try another card."
        }
        "wrong-code" => "The card's security code is wrong. You were not charged. Check the code and try again.",
        "wrong-number" => "The card's number is wrong. You were not charged. Check the number, or try another card.",
        "unconfirmed" => {
            "The payment was not confirmed with your bank. You were not charged. Try again, or use another card."
        }
        "unsupported" => "The card can't be used for this purchase. You were not charged. Try another card.",
        "bank-unreachable" => {
            "Your bank could not be reached. You were not charged. Try again in a moment, or use another card."
        }
        _ => {
            "Your bank declined the card without giving a reason. You were not charged. Try another card, or ask your bank."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{explanation, shown_reason};

    #[test]
    fn explanations_say_that_nothing_was_charged_and_what_to_do() {
        let codes = [
            "insufficient_funds",
            "expired_card",
            "incorrect_cvc",
            "incorrect_number",
            "authentication_required",
            "card_not_supported",
            "processing_error",
            "generic_decline",
        ];
        let mut texts: Vec<_> = codes.into_iter().map(explanation).collect();
        for text in &texts {
            assert!(text.contains("You were not charged. ") && !text.contains('_'), "{text}");
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), codes.len(), "every code has its own explanation");
        for secret in ["lost_card", "stolen_card", "pickup_card", "fraudulent", ""] {
            assert_eq!(explanation(secret), explanation("generic_decline"), "{secret}");
            assert_eq!(shown_reason(secret), "unknown", "{secret}");
        }
    }
}
