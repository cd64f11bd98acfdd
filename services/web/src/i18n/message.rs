//! Messages in Project Fluent's format, parsed once for each language.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use super::price::format_number;
use super::reader::{self, Language};

/// The files of each language: `(name, contents)`.
const ENGLISH: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/messages_en.rs"));
const GERMAN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/messages_de.rs"));

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> = LazyLock::new(|| Language::ALL.map(bundle));

/// A value of a variable: a number, by which a message may choose a plural form, or a text.
pub(crate) trait Argument {
    fn value(self) -> FluentValue<'static>;
}

impl Argument for String {
    fn value(self) -> FluentValue<'static> {
        FluentValue::from(self)
    }
}

impl Argument for &str {
    fn value(self) -> FluentValue<'static> {
        FluentValue::from(self.to_owned())
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Argument for $number {
            fn value(self) -> FluentValue<'static> {
                FluentValue::from(self)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, usize, i32, i64);

impl<A: Argument + Clone> Argument for &A {
    fn value(self) -> FluentValue<'static> {
        self.clone().value()
    }
}

/// The files of a language.
pub(super) const fn files(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::English => ENGLISH,
        Language::German => GERMAN,
    }
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
    // Isolating marks protect mixed directions of writing; both languages are written from left to right.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) => Some(format_number(number.value)),
        _ => None,
    }));
    for (_, text) in files(language) {
        // A test asserts that there are no errors.
        let resource = FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(valid, _)| valid);
        bundle.add_resource(resource).ok();
    }
    bundle
}

/// The message in the reader's language.
pub(super) fn format<const N: usize>(id: &str, arguments: [(&'static str, FluentValue<'static>); N]) -> String {
    let [english, german] = &*BUNDLES;
    let bundle = match reader::language() {
        Language::English => english,
        Language::German => german,
    };
    let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else { return id.to_owned() };
    let arguments = FluentArgs::from_iter(arguments);
    bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
}
