//! The ledger: double entries for every move of money, kept inside the payment that moved it.

use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What an entry is booked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Account {
    /// Amounts that we may capture.
    Authorizations,
    /// Amounts set aside on buyers' cards.
    CardholderHolds,
    /// What the provider owes us.
    ProviderBalance,
    /// What we owe the seller.
    SellerPayable,
}

/// One line: minor units of the payment's currency on one side of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it was booked.
    pub at: Timestamp,
    /// On what.
    pub account: Account,
    /// Minor units; zero when it is a credit.
    pub debit: i64,
    /// Minor units; zero when it is a debit.
    pub credit: i64,
}

/// An amount from one account to another: two lines that balance.
fn transfer(at: Timestamp, debit: Account, credit: Account, amount: i64) -> [Entry; 2] {
    [Entry { at, account: debit, debit: amount, credit: 0 }, Entry { at, account: credit, debit: 0, credit: amount }]
}

/// The amount is set aside on the card.
pub fn authorized(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::Authorizations, Account::CardholderHolds, amount)
}

/// What was set aside is given back.
pub fn released(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::CardholderHolds, Account::Authorizations, amount)
}

/// The card was charged.
pub fn captured(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::ProviderBalance, Account::SellerPayable, amount)
}

/// Some of the charge was given back; a negative amount when what was to be given back was not.
pub fn refunded(amount: i64, at: Timestamp) -> [Entry; 2] {
    if amount < 0 {
        return captured(-amount, at);
    }
    transfer(at, Account::SellerPayable, Account::ProviderBalance, amount)
}

/// Debits minus credits of one account.
pub fn balance(entries: &[Entry], account: Account) -> i64 {
    entries.iter().filter(|entry| entry.account == account).map(|entry| entry.debit - entry.credit).sum()
}
