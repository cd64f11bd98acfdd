//! Macros for types that are strings in documents and JSON: `Display` writes the string, `FromStr` parses it.

/// Implements `Serialize` and `Deserialize`.
macro_rules! serde_as_string {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Implements `JsonSchema`: an inline string schema with one further keyword. With a format and an example, implements
/// `ToSchema` (`OpenAPI`) as well.
macro_rules! string_schema {
    ($name:ident, $keyword:literal: $value:expr) => {
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $keyword: $value })
            }
        }
    };
    ($name:ident, format $format:literal, example $example:literal) => {
        $crate::string_form::string_schema!($name, "format": $format);

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
                let format = SchemaFormat::Custom($format.to_owned());
                ObjectBuilder::new().schema_type(Type::String).format(Some(format)).examples([$example]).into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

/// Declares an enum of unit variants that has one text form, the variant's name in camelCase. JSON, JSON Schema,
/// `OpenAPI`, `AsRef<str>` and `FromStr` all use this form.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[derive(schemars::JsonSchema, utoipa::ToSchema, strum::AsRefStr, strum::EnumString, strum::VariantArray)]
        #[serde(rename_all = "camelCase")]
        #[strum(serialize_all = "camelCase")]
        #[schemars(inline)]
        $(#[$doc])*
        pub enum $name {
            $($(#[$meaning])* $variant,)*
        }
    };
}

pub(crate) use {serde_as_string, string_schema, text_enum};
