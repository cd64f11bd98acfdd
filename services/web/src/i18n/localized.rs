//! One value for each locale.

use super::reader::{Locale, Reader};

/// A value for each locale, such as a message to pages in several languages.
#[derive(Debug, Clone)]
pub(crate) struct Localized<T>([T; Locale::ALL.len()]);

impl<T> Localized<T> {
    /// Renders a value for each locale.
    pub(crate) fn render<E>(mut render: impl FnMut() -> Result<T, E>) -> Result<Self, E> {
        let mut each = |locale| Reader { locale, ..Reader::default() }.scope(&mut render);
        let [us, gb, de] = Locale::ALL;
        Ok(Self([each(us)?, each(gb)?, each(de)?]))
    }

    pub(crate) fn get(&self, locale: Locale) -> &T {
        locale.choose(&self.0)
    }
}

impl<T: Clone> Localized<T> {
    /// The same value for every locale.
    pub(crate) fn same(value: T) -> Self {
        Self([value.clone(), value.clone(), value])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::reader;

    #[test]
    fn each_locale_has_its_own_value() {
        let tags = Localized::render(|| Ok::<_, ()>(reader::locale().tag())).unwrap();
        for locale in Locale::ALL {
            assert_eq!(*tags.get(locale), locale.tag());
            assert_eq!(*Localized::same(1).get(locale), 1);
        }
        let failing = Localized::render(|| if reader::locale() == Locale::De { Err(()) } else { Ok(()) });
        assert!(failing.is_err());
    }
}
