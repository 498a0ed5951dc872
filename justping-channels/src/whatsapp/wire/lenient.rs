//! Building blocks of documents that never refuse a value: whatever has the wrong type reads as
//! absent, and a number where text is due reads as its digits.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text; empty when it is absent or something else.
#[derive(Debug, Default, Clone)]
pub(in crate::whatsapp) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(in crate::whatsapp) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text unless it is empty.
    pub(in crate::whatsapp) fn filled(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }

    /// An owned copy unless it is empty.
    pub(in crate::whatsapp) fn owned(&self) -> Option<String> {
        self.filled().map(str::to_owned)
    }
}

/// A number; absent when it is something else. Digits in quotes count.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::whatsapp) struct Number(pub(in crate::whatsapp) Option<f64>);

/// An object; absent when it is something else.
#[derive(Debug)]
pub(in crate::whatsapp) struct Maybe<T>(pub(in crate::whatsapp) Option<T>);

/// A list of objects, each at its place; empty when it is something else.
#[derive(Debug)]
pub(in crate::whatsapp) struct Many<T>(pub(in crate::whatsapp) Vec<Maybe<T>>);

/// Whether an object or a list stands here.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::whatsapp) struct Present(pub(in crate::whatsapp) bool);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Many<T> {
    /// The objects that are there.
    pub(in crate::whatsapp) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|item| item.0.as_ref())
    }
}

/// Answers every kind of value that a visitor does not want with its default.
macro_rules! otherwise {
    (@one $value:expr; $($name:ident: $kind:ty),*) => {$(
        fn $name<E>(self, _: $kind) -> Result<Self::Value, E> {
            Ok($value)
        }
    )*};
    (@nothing $value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@seq $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
    (@map $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

/// What the visitors expect, for messages nobody sees: they accept everything.
const ANYTHING: &str = "any value";

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANYTHING)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    otherwise!(@one Text::default(); visit_bool: bool);
    otherwise!(@nothing Text::default());
    otherwise!(@seq Text::default());
    otherwise!(@map Text::default());
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANYTHING)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Number(text.parse().ok().filter(|number: &f64| number.is_finite())))
    }

    #[expect(clippy::cast_precision_loss, reason = "degrees need far fewer digits")]
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Number(Some(number as f64)))
    }

    #[expect(clippy::cast_precision_loss, reason = "degrees need far fewer digits")]
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Number(Some(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number(Some(number)))
    }

    otherwise!(@one Number::default(); visit_bool: bool);
    otherwise!(@nothing Number::default());
    otherwise!(@seq Number::default());
    otherwise!(@map Number::default());
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct MaybeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MaybeVisitor<T> {
    type Value = Maybe<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANYTHING)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Maybe(Some(object)))
    }

    otherwise!(@one Maybe(None); visit_bool: bool, visit_str: &str, visit_u64: u64, visit_i64: i64,
        visit_f64: f64);
    otherwise!(@nothing Maybe(None));
    otherwise!(@seq Maybe(None));
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeVisitor(PhantomData))
    }
}

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANYTHING)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Many(items))
    }

    otherwise!(@one Many::default(); visit_bool: bool, visit_str: &str, visit_u64: u64,
        visit_i64: i64, visit_f64: f64);
    otherwise!(@nothing Many::default());
    otherwise!(@map Many::default());
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

struct PresentVisitor;

impl<'de> Visitor<'de> for PresentVisitor {
    type Value = Present;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANYTHING)
    }

    otherwise!(@one Present(false); visit_bool: bool, visit_str: &str, visit_u64: u64,
        visit_i64: i64, visit_f64: f64);
    otherwise!(@nothing Present(false));
    otherwise!(@seq Present(true));
    otherwise!(@map Present(true));
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PresentVisitor)
    }
}
