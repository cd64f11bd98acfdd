//! What tests of texts share.

use super::reader::{Locale, Reader};

/// Runs `render` for a German reader.
pub(crate) fn in_german<R>(render: impl FnOnce() -> R) -> R {
    Reader { locale: Locale::De, currency: Some("EUR"), ..Reader::default() }.scope(render)
}

/// Asserts which texts a page has, and which it does not have.
#[track_caller]
pub(crate) fn assert_texts<H: AsRef<str>>(html: &str, shown: &[&str], hidden: impl IntoIterator<Item = H>) {
    for text in shown {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    for text in hidden {
        let text = text.as_ref();
        assert!(!html.contains(text), "{text} is in {html}");
    }
}
