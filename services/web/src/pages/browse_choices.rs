//! What can be chosen in the filters of the browse page.

use common::money::Currency;
use common::seats::MAX_SEATS;
use strum::VariantArray;

use crate::domain::filter::SearchParams;
use crate::domain::listing_form::categories as all_categories;
use crate::domain::period::Period;
use crate::domain::sort::Sort;
use crate::i18n::msg;

pub(super) struct Choice {
    /// Empty for the default.
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

impl Choice {
    fn new(value: impl Into<String>, label: impl Into<String>, is_chosen: bool) -> Self {
        Self { value: value.into(), label: label.into(), is_chosen }
    }
}

pub(super) fn categories(params: &SearchParams) -> Vec<Choice> {
    let chosen = params.category.as_ref().map_or("", AsRef::as_ref);
    let all = [("", msg::browse_any_category())].into_iter().chain(all_categories());
    all.map(|(value, label)| Choice::new(value, label, value == chosen)).collect()
}

pub(super) fn sorts(chosen: Sort) -> Vec<Choice> {
    let value = |sort: Sort| if sort == Sort::default() { "" } else { sort.name() };
    let choice = |sort: &Sort| Choice::new(value(*sort), sort.label(), *sort == chosen);
    Sort::VARIANTS.iter().map(choice).collect()
}

pub(super) fn periods(params: &SearchParams) -> Vec<Choice> {
    let any = Choice::new("", msg::browse_any_time(), params.when.is_none());
    let each = Period::VARIANTS
        .iter()
        .map(|period| Choice::new(period.as_ref(), period.label(), params.when == Some(*period)));
    std::iter::once(any).chain(each).collect()
}

pub(super) fn quantities(params: &SearchParams) -> Vec<Choice> {
    let any = Choice::new("", msg::browse_any_quantity(), params.quantity.is_none());
    let each =
        (1..=MAX_SEATS).map(|n| Choice::new(n.to_string(), n.to_string(), params.quantity.map(usize::from) == Some(n)));
    std::iter::once(any).chain(each).collect()
}

pub(super) fn currency_choices(params: &SearchParams, configured: &[Currency]) -> Vec<Choice> {
    let chosen = params.currency.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut codes: Vec<String> = configured.iter().map(ToString::to_string).collect();
    // Listings may have a currency that is no longer configured.
    if !chosen.is_empty() && !codes.contains(&chosen) {
        codes.push(chosen.clone());
    }
    let any = Choice::new("", msg::browse_any_currency(), chosen.is_empty());
    let each = codes.iter().map(|code| Choice::new(code, code, *code == chosen));
    std::iter::once(any).chain(each).collect()
}
