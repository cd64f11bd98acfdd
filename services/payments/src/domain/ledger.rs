//! The ledger: double entries for every movement of money, stored in the payment that caused it.

use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The account that an entry is posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Account {
    /// Amounts that can be captured.
    Authorizations,
    /// Amounts authorised on buyers' cards.
    CardholderFunds,
    /// The amount that the provider owes the marketplace.
    ProviderBalance,
    /// The amount that the marketplace owes the seller.
    SellerPayable,
}

/// A debit or a credit of one account, in minor units of the payment's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When the entry was posted.
    pub at: Timestamp,
    /// The account.
    pub account: Account,
    /// Zero for a credit.
    pub debit: i64,
    /// Zero for a debit.
    pub credit: i64,
}

/// Two entries that balance.
fn transfer(at: Timestamp, debit: Account, credit: Account, amount: i64) -> [Entry; 2] {
    [Entry { at, account: debit, debit: amount, credit: 0 }, Entry { at, account: credit, debit: 0, credit: amount }]
}

/// The amount is authorised on the card.
pub fn authorized(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::Authorizations, Account::CardholderFunds, amount)
}

/// The authorisation is released.
pub fn released(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::CardholderFunds, Account::Authorizations, amount)
}

/// The card was charged.
pub fn captured(amount: i64, at: Timestamp) -> [Entry; 2] {
    transfer(at, Account::ProviderBalance, Account::SellerPayable, amount)
}

/// An amount was refunded. A negative amount reverses a refund that failed.
pub fn refunded(amount: i64, at: Timestamp) -> [Entry; 2] {
    if amount < 0 {
        return captured(-amount, at);
    }
    transfer(at, Account::SellerPayable, Account::ProviderBalance, amount)
}

/// The debits minus the credits of an account.
pub fn balance(entries: &[Entry], account: Account) -> i64 {
    entries.iter().filter(|entry| entry.account == account).map(|entry| entry.debit - entry.credit).sum()
}
