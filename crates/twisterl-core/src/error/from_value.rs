//! JSON values as a deserialiser of serde whose errors are [`Refusal`]s with their paths.
//!
//! Everything that is read from JSON is read through these few types: each further deserialiser would be compiled for each
//! type that is read, which is a large part of a template of bundles.

use super::counts::counted;
use super::refusal::{Refusal, describe};
use serde::de::{
    self, DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::Value;
use std::result::Result;

/// A value. Of each visitor, only the methods for what it expects are used, and compiled.
pub(super) struct Json(pub(super) Value);

/// Returns the error of a value of another type than `expected`.
#[cold]
#[inline(never)]
fn refused(found: &Value, expected: &dyn Expected) -> Refusal {
    let found = match found {
        Value::Null => Unexpected::Unit,
        Value::Bool(truth) => Unexpected::Bool(*truth),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => Unexpected::Unsigned(whole),
            (None, Some(whole)) => Unexpected::Signed(whole),
            (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Refusal::invalid_type(found, expected)
}

impl Json {
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Value::Number(number) = &self.0 else { return Err(refused(&self.0, &visitor)) };
        match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => visitor.visit_u64(whole),
            (None, Some(whole)) => visitor.visit_i64(whole),
            (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            other => Err(refused(&other, &visitor)),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Value::Array(items) = self.0 else { return Err(refused(&self.0, &visitor)) };
        let mut items = Items { items: items.into_iter(), index: 0 };
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Value::Object(fields) = self.0 else { return Err(refused(&self.0, &visitor)) };
        visitor.visit_map(Fields { fields: fields.into_iter(), current: None })
    }
}

/// Defines methods of a deserialiser that read one type of JSON.
macro_rules! read_as {
    ($($read:ident: $($method:ident($($argument:ty),*)),*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, Refusal> {
            self.$read(visitor)
        }
    )*)*};
}

impl<'de> de::Deserializer<'de> for Json {
    type Error = Refusal;

    read_as! {
        number: deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(), deserialize_u8(),
            deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_f32(), deserialize_f64();
        text: deserialize_char(), deserialize_str(), deserialize_string();
        list: deserialize_seq(), deserialize_tuple(usize), deserialize_tuple_struct(&'static str, usize);
        object: deserialize_map(), deserialize_struct(&'static str, &'static [&'static str]);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Number(_) => self.number(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => self.list(visitor),
            Value::Object(_) => self.object(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Bool(truth) => visitor.visit_bool(truth),
            other => Err(refused(&other, &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let variant = match self.0 {
            Value::String(name) => Variant { name, content: None, is_tag: false },
            Value::Object(fields) if fields.len() == 1 => {
                let field = fields.into_iter().next();
                let (name, content) = field.unwrap_or_default();
                Variant { name, content: Some(content), is_tag: false }
            }
            Value::Object(fields) => {
                return Err(Refusal::new("an object with one key", counted(fields.len(), "key")));
            }
            other => return Err(Refusal::new("a name", describe(&other))),
        };
        visitor.visit_enum(variant)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct identifier
    }
}

/// An enum whose variant stands under `type`, beside the fields of the variant.
pub(crate) struct Tagged(pub(crate) Value);

impl<'de> de::Deserializer<'de> for Tagged {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Value::Object(mut fields) = self.0 else {
            return Err(Refusal::new("an object with a type", describe(&self.0)));
        };
        match fields.shift_remove("type") {
            Some(Value::String(name)) => {
                visitor.visit_enum(Variant { name, content: Some(fields.into()), is_tag: true })
            }
            Some(other) => Err(Refusal::new("a name", describe(&other)).below("type")),
            None => Err(Refusal::missing_field("type")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Defines an enum that is written and read with its variant under `type`. What serde derives for reading such enums keeps
/// each value in a type of its own first, which makes templates of bundles 5 % larger.
macro_rules! tagged_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($variants:tt)* }) => {
        $(#[$meta])*
        #[derive(serde::Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum $name { $($variants)* }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                type Read = $name;

                #[derive(serde::Deserialize)]
                #[serde(remote = "Read", rename_all = "snake_case", deny_unknown_fields)]
                enum Variants { $($variants)* }

                let value = serde::Deserialize::deserialize(deserializer)?;
                Variants::deserialize($crate::error::Tagged(value)).map_err($crate::error::Refusal::into_other)
            }
        }
    };
}
pub(crate) use tagged_enum;

/// The rest of a list.
struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl Items {
    /// Checks that nothing is left.
    fn end(self) -> Result<(), Refusal> {
        match self.items.len() {
            0 => Ok(()),
            more => {
                let expected = format!("a list of {}", counted(self.index, "value"));
                Err(Refusal::new(expected, format!("a list of {}", self.index + more)))
            }
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        match seed.deserialize(Json(item)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.below(&format!("[{index}]"))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The rest of an object.
struct Fields {
    fields: serde_json::map::IntoIter,
    current: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        self.current = self.fields.next();
        match &self.current {
            Some((key, _)) => seed.deserialize(key.as_str().into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let Some((key, value)) = self.current.take() else {
            return Err(Refusal::custom("a key comes before its value"));
        };
        seed.deserialize(Json(value)).map_err(|error| error.below(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// A variant of an enum: its name, and what stands behind it.
struct Variant {
    name: String,
    content: Option<Value>,
    /// The content is the object that the name stands in, so that it is no part of paths.
    is_tag: bool,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let variant = seed.deserialize(self.name.as_str().into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match &self.content {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(fields)) if fields.is_empty() => Ok(()),
            Some(other) => {
                Err(self.within(Refusal::new("nothing beside the name", describe(other))))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refusal> {
        self.read(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.read(|content| content.list(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.read(|content| content.object(visitor))
    }
}

impl Variant {
    fn read<T>(mut self, read: impl FnOnce(Json) -> Result<T, Refusal>) -> Result<T, Refusal> {
        match self.content.take() {
            Some(content) => read(Json(content)).map_err(|error| self.within(error)),
            None => {
                let expected = format!("an object with the key `{}`", self.name);
                Err(Refusal::new(expected, format!("`{}` alone", self.name)))
            }
        }
    }

    fn within(&self, error: Refusal) -> Refusal {
        if self.is_tag { error } else { error.below(&self.name) }
    }
}
