//! Stripe's test cards: names, numbers, and what becomes of a payment with each.

/// What becomes of an authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Approve,
    Decline(Decline),
    /// 3-D Secure first, always; then as the inner answer says.
    Challenge(Option<Decline>),
}

/// Why the issuer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decline {
    Generic,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    AuthenticationRequired,
}

impl Decline {
    /// The error's code, its decline code, the advice, and the text for the buyer.
    pub(crate) fn words(self) -> (&'static str, &'static str, Option<&'static str>, &'static str) {
        let declined = "card_declined";
        let text = "Your card was declined.";
        match self {
            Self::Generic => (declined, "generic_decline", Some("try_again_later"), text),
            Self::InsufficientFunds => {
                (declined, "insufficient_funds", Some("try_again_later"), "Your card has insufficient funds.")
            }
            Self::LostCard => (declined, "lost_card", Some("do_not_try_again"), text),
            Self::StolenCard => (declined, "stolen_card", Some("do_not_try_again"), text),
            Self::ExpiredCard => ("expired_card", "expired_card", Some("do_not_try_again"), "Your card has expired."),
            Self::IncorrectCvc => ("incorrect_cvc", "incorrect_cvc", None, "Your card's security code is incorrect."),
            Self::ProcessingError => (
                "processing_error",
                "processing_error",
                Some("try_again_later"),
                "An error occurred while processing your card. Try again in a little bit.",
            ),
            Self::AuthenticationRequired => (
                "authentication_required",
                "authentication_required",
                None,
                "Your card was declined. This transaction requires authentication.",
            ),
        }
    }
}

/// One test card.
#[derive(Debug)]
pub(crate) struct TestCard {
    /// Ids that name it, without `pm_card_` or `tok_`.
    names: &'static [&'static str],
    number: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) behaviour: Behaviour,
}

impl TestCard {
    pub(crate) fn last4(&self) -> &'static str {
        let start = self.number.len().saturating_sub(4);
        self.number.get(start..).unwrap_or_default()
    }

    /// Equal for equal numbers, as Stripe's is.
    pub(crate) fn fingerprint(&self) -> String {
        format!("Fake{:0>12}", self.number.get(4..).unwrap_or_default())
    }
}

const fn card(
    names: &'static [&'static str],
    number: &'static str,
    brand: &'static str,
    behaviour: Behaviour,
) -> TestCard {
    TestCard { names, number, brand, behaviour }
}

const fn declined(names: &'static [&'static str], number: &'static str, decline: Decline) -> TestCard {
    card(names, number, "visa", Behaviour::Decline(decline))
}

static CARDS: [TestCard; 19] = [
    card(&["visa"], "4242424242424242", "visa", Behaviour::Approve),
    card(&["visa_debit"], "4000056655665556", "visa", Behaviour::Approve),
    card(&["mastercard"], "5555555555554444", "mastercard", Behaviour::Approve),
    card(&["mastercard_debit"], "5200828282828210", "mastercard", Behaviour::Approve),
    card(&["amex"], "378282246310005", "amex", Behaviour::Approve),
    card(&["discover"], "6011111111111117", "discover", Behaviour::Approve),
    declined(&["chargeDeclined", "visa_chargeDeclined"], "4000000000000002", Decline::Generic),
    declined(
        &["chargeDeclinedInsufficientFunds", "visa_chargeDeclinedInsufficientFunds"],
        "4000000000009995",
        Decline::InsufficientFunds,
    ),
    declined(&["chargeDeclinedLostCard", "visa_chargeDeclinedLostCard"], "4000000000009987", Decline::LostCard),
    declined(&["chargeDeclinedStolenCard", "visa_chargeDeclinedStolenCard"], "4000000000009979", Decline::StolenCard),
    declined(
        &["chargeDeclinedExpiredCard", "visa_chargeDeclinedExpiredCard"],
        "4000000000000069",
        Decline::ExpiredCard,
    ),
    declined(
        &["chargeDeclinedIncorrectCvc", "visa_chargeDeclinedIncorrectCvc"],
        "4000000000000127",
        Decline::IncorrectCvc,
    ),
    declined(
        &["chargeDeclinedProcessingError", "visa_chargeDeclinedProcessingError"],
        "4000000000000119",
        Decline::ProcessingError,
    ),
    card(&["threeDSecure2Required", "threeDSecureRequired"], "4000000000003220", "visa", Behaviour::Challenge(None)),
    card(&["authenticationRequired"], "4000002760003184", "visa", Behaviour::Challenge(None)),
    card(
        &["authenticationRequiredOnSetup", "authenticationRequiredSetupForOffSession"],
        "4000002500003155",
        "visa",
        Behaviour::Challenge(None),
    ),
    card(
        &["authenticationRequiredChargeDeclinedInsufficientFunds"],
        "4000008260003178",
        "visa",
        Behaviour::Challenge(Some(Decline::InsufficientFunds)),
    ),
    card(
        &["threeDSecureRequiredChargeDeclined"],
        "4000008400001629",
        "visa",
        Behaviour::Challenge(Some(Decline::Generic)),
    ),
    card(&["threeDSecureOptional"], "4000000000003055", "visa", Behaviour::Approve),
];

/// The card behind `pm_card_visa`, `tok_visa` and the like.
pub(crate) fn by_name(id: &str) -> Option<&'static TestCard> {
    let name = id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?;
    CARDS.iter().find(|card| card.names.contains(&name))
}

/// The card of that number, digits only.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.number == number)
}

/// The check digit that every card number carries.
pub(crate) fn checksum_holds(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    (12..=19).contains(&number.len()) && number.chars().all(|digit| digit.is_ascii_digit()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::{CARDS, checksum_holds};

    #[test]
    fn every_test_card_has_a_valid_number() {
        for card in &CARDS {
            assert!(checksum_holds(card.number), "{}", card.number);
        }
    }
}
