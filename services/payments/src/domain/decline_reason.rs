//! Explanations of Stripe's decline codes for the buyer.

use common::events::payment::PaymentState;

/// The explanation of a decline code. A card that is reported lost or stolen gets the general explanation, so that it
/// does not warn a thief.
pub fn explanation(reason: &str) -> &'static str {
    match reason {
        "insufficient_funds" | "withdrawal_count_limit_exceeded" | "card_velocity_exceeded" => {
            "The card has insufficient funds or has reached its limit. You were not charged. Try another card."
        }
        "expired_card" | "invalid_expiry_month" | "invalid_expiry_year" => {
            "The card has expired or its expiry date is wrong. You were not charged. Check it, or try another card."
        }
        "incorrect_cvc" | "invalid_cvc" => {
            "The card's security code is wrong. You were not charged. Check the code and try again."
        }
        "incorrect_number" | "invalid_number" | "invalid_account" => {
            "The card's number is wrong. You were not charged. Check the number, or try another card."
        }
        "authentication_required" | "payment_intent_authentication_failure" | PaymentState::SUPERSEDED => {
            "The payment was not confirmed with your bank. You were not charged. Try again, or use another card."
        }
        "card_not_supported" | "currency_not_supported" => {
            "The card can't be used for this purchase. You were not charged. Try another card."
        }
        "processing_error" | "issuer_not_available" | "try_again_later" | "provider_error" => {
            "Your bank could not be reached. You were not charged. Try again in a moment, or use another card."
        }
        _ => {
            "Your bank declined the card without giving a reason. You were not charged. Try another card, or ask your bank."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::explanation;

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
        }
    }
}
