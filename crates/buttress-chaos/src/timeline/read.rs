//! A timeline through serde: a sequence of steps, in each of which the fault stands beside the times.
//!
//! serde's own `flatten` keeps all that it reads before it knows what it is for, and with that loses
//! the line on which it stood; nor can it refuse what is unknown. Here the map is handed on as it is
//! read: what is `at`, `for` or `target` is taken out on the way, and the fault sees the rest.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IgnoredAny, MapAccess, VariantAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{
    Step, Timeline,
    values::{Inside, Key, Name, Of, Span, Time, True, listed},
};

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Timeline<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Step<F>>::deserialize(deserializer).map(Self::from_iter)
    }
}

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Step<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StepVisitor(PhantomData))
    }
}

struct StepVisitor<F>(PhantomData<F>);

impl<'de, F: Deserialize<'de>> Visitor<'de> for StepVisitor<F> {
    type Value = Step<F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault with the time at which it begins")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Step<F>, M::Error> {
        let mut rest = Rest { map, known: None, at: None, lasts: None, target: None };
        let fault = F::deserialize(&mut rest)?;
        // What the fault did not ask for may still hold a time, and must hold nothing else.
        rest.known.get_or_insert(&[]);
        while rest.next_key_seed(PhantomData::<IgnoredAny>)?.is_some() {}
        let at = rest.at.ok_or_else(|| M::Error::missing_field("at"))?;
        let mut step = Step::new(at, fault);
        if let Some(lasts) = rest.lasts {
            step = step.lasting(lasts).map_err(M::Error::custom)?;
        }
        if let Some(target) = rest.target {
            step = step.on(target).map_err(M::Error::custom)?;
        }
        Ok(step)
    }
}

/// The map of a step without what is not the fault's.
struct Rest<M> {
    map: M,
    /// What else may stand there, if the fault has said so.
    known: Option<&'static [&'static str]>,
    at: Option<Duration>,
    lasts: Option<Duration>,
    target: Option<String>,
}

impl<'de, M: MapAccess<'de>> Rest<M> {
    /// The next key that is the fault's.
    fn next(&mut self) -> Result<Option<String>, M::Error> {
        while let Some(key) = self.map.next_key_seed(Key(self.known))? {
            match key.as_str() {
                "at" => put(&mut self.at, "at", self.map.next_value_seed(Time)?)?,
                "for" => put(&mut self.lasts, "for", self.map.next_value_seed(Span)?)?,
                "target" => put(&mut self.target, "target", self.map.next_value_seed(Name)?)?,
                _ => return Ok(Some(key)),
            }
        }
        Ok(None)
    }
}

fn put<T, E: serde::de::Error>(
    place: &mut Option<T>,
    setting: &'static str,
    value: T,
) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(setting)),
    }
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Rest<M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, M::Error> {
        let Some(key) = self.next()? else { return Ok(None) };
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(seed)
    }
}

impl<'de, M: MapAccess<'de>> Deserializer<'de> for &mut Rest<M> {
    type Error = M::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, M::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        self.known = Some(fields);
        visitor.visit_map(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        self.known = Some(variants);
        let fault = visitor.visit_enum(&mut *self)?;
        match self.next()? {
            None => Ok(fault),
            Some(other) => {
                let text = format!("`{other}` is one fault more: each has a step of its own");
                Err(M::Error::custom(text))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, M::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, M::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'a, 'de, M: MapAccess<'de>> EnumAccess<'de> for &'a mut Rest<M> {
    type Error = M::Error;
    type Variant = &'a mut Rest<M>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), M::Error> {
        let Some(variant) = self.next()? else {
            let known = listed(self.known.unwrap_or_default());
            return Err(M::Error::custom(format!("it says no fault: one of {known}")));
        };
        let variant = seed.deserialize(StrDeserializer::new(&variant))?;
        Ok((variant, self))
    }
}

impl<'de, M: MapAccess<'de>> VariantAccess<'de> for &mut Rest<M> {
    type Error = M::Error;

    /// A fault of which there is nothing to say: `hangs = true`.
    fn unit_variant(self) -> Result<(), M::Error> {
        self.map.next_value_seed(True)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, M::Error> {
        self.map.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(Inside { visitor, of: Of::Tuple(length) })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(Inside { visitor, of: Of::Struct(fields) })
    }
}
