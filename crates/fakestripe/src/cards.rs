//! Stripe's test cards: names, numbers and the simulated result of a payment with each.

/// The result of an authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Approve,
    Decline(Decline),
    /// Always requires 3-D Secure; afterwards declined for the given reason, or approved.
    Challenge(Option<Decline>),
}

/// The issuer's reason.
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
    /// The error's code, decline code, advice code and message.
    pub(crate) fn error_fields(self) -> (&'static str, &'static str, Option<&'static str>, &'static str) {
        let (later, never) = (Some("try_again_later"), Some("do_not_try_again"));
        let declined = "Your card was declined.";
        let (decline_code, advice, message) = match self {
            Self::Generic => ("generic_decline", later, declined),
            Self::InsufficientFunds => ("insufficient_funds", later, "Your card has insufficient funds."),
            Self::LostCard => ("lost_card", never, declined),
            Self::StolenCard => ("stolen_card", never, declined),
            Self::ExpiredCard => ("expired_card", never, "Your card has expired."),
            Self::IncorrectCvc => ("incorrect_cvc", None, "Your card's security code is incorrect."),
            Self::ProcessingError => {
                let message = "An error occurred while processing your card. Try again in a little bit.";
                ("processing_error", later, message)
            }
            Self::AuthenticationRequired => {
                let message = "Your card was declined. This transaction requires authentication.";
                ("authentication_required", None, message)
            }
        };
        let is_card_declined =
            matches!(decline_code, "generic_decline" | "insufficient_funds" | "lost_card" | "stolen_card");
        (if is_card_declined { "card_declined" } else { decline_code }, decline_code, advice, message)
    }
}

/// One test card.
#[derive(Debug)]
pub(crate) struct TestCard {
    /// Its names without `pm_card_` or `tok_`, separated by spaces.
    names: &'static str,
    number: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) behaviour: Behaviour,
}

impl TestCard {
    pub(crate) fn last4(&self) -> &'static str {
        let start = self.number.len().saturating_sub(4);
        self.number.get(start..).unwrap_or_default()
    }

    /// The fingerprint, which is the same for every use of a card number, as at Stripe.
    pub(crate) fn fingerprint(&self) -> String {
        format!("Fake{:0>12}", self.number.get(4..).unwrap_or_default())
    }
}

const fn card(names: &'static str, number: &'static str, brand: &'static str, behaviour: Behaviour) -> TestCard {
    TestCard { names, number, brand, behaviour }
}

const fn visa(names: &'static str, number: &'static str, behaviour: Behaviour) -> TestCard {
    card(names, number, "visa", behaviour)
}

const fn declined(name: &'static str, number: &'static str, decline: Decline) -> TestCard {
    visa(name, number, Behaviour::Decline(decline))
}

static CARDS: [TestCard; 19] = [
    visa("visa", "4242424242424242", Behaviour::Approve),
    visa("visa_debit", "4000056655665556", Behaviour::Approve),
    card("mastercard", "5555555555554444", "mastercard", Behaviour::Approve),
    card("mastercard_debit", "5200828282828210", "mastercard", Behaviour::Approve),
    card("amex", "378282246310005", "amex", Behaviour::Approve),
    card("discover", "6011111111111117", "discover", Behaviour::Approve),
    declined("chargeDeclined", "4000000000000002", Decline::Generic),
    declined("chargeDeclinedInsufficientFunds", "4000000000009995", Decline::InsufficientFunds),
    declined("chargeDeclinedLostCard", "4000000000009987", Decline::LostCard),
    declined("chargeDeclinedStolenCard", "4000000000009979", Decline::StolenCard),
    declined("chargeDeclinedExpiredCard", "4000000000000069", Decline::ExpiredCard),
    declined("chargeDeclinedIncorrectCvc", "4000000000000127", Decline::IncorrectCvc),
    declined("chargeDeclinedProcessingError", "4000000000000119", Decline::ProcessingError),
    visa("threeDSecure2Required threeDSecureRequired", "4000000000003220", Behaviour::Challenge(None)),
    visa("authenticationRequired", "4000002760003184", Behaviour::Challenge(None)),
    visa(
        "authenticationRequiredOnSetup authenticationRequiredSetupForOffSession",
        "4000002500003155",
        Behaviour::Challenge(None),
    ),
    visa(
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        Behaviour::Challenge(Some(Decline::InsufficientFunds)),
    ),
    visa("threeDSecureRequiredChargeDeclined", "4000008400001629", Behaviour::Challenge(Some(Decline::Generic))),
    visa("threeDSecureOptional", "4000000000003055", Behaviour::Approve),
];

/// The card named by `pm_card_visa`, `tok_visa` and the like. `visa_chargeDeclined…` is an alias of `chargeDeclined…`.
pub(crate) fn by_name(id: &str) -> Option<&'static TestCard> {
    let name = id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?;
    let alias = name.strip_prefix("visa_").filter(|name| name.starts_with("chargeDeclined"));
    let name = alias.unwrap_or(name);
    CARDS.iter().find(|card| card.names.split(' ').any(|known| known == name))
}

/// The card with this number, digits only.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.number == number)
}

/// Whether the number passes the Luhn check.
pub(crate) fn passes_luhn(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    (12..=19).contains(&number.len()) && number.chars().all(|digit| digit.is_ascii_digit()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::{CARDS, passes_luhn};

    #[test]
    fn every_test_card_has_a_valid_number() {
        for card in &CARDS {
            assert!(passes_luhn(card.number), "{}", card.number);
        }
    }
}
