//! The values of a step, each of which says what it should be while its place in the file is known.

use std::{fmt, time::Duration};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, Visitor},
};

/// What stands in a step beside its fault.
const SETTINGS: [&str; 3] = ["at", "for", "target"];

/// The name of a setting, which is one of the step, or one of these if they are known.
pub(super) struct Key(pub(super) Option<&'static [&'static str]>);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a setting")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        let faults = self.0.unwrap_or_default();
        if self.0.is_none() || SETTINGS.contains(&key) || faults.contains(&key) {
            return Ok(key.to_owned());
        }
        let settings = listed(&SETTINGS);
        let text = match faults {
            [] => format!("unknown setting `{key}`, expected one of {settings}"),
            faults => {
                let faults = listed(faults);
                format!("unknown setting `{key}`, expected one of {settings}, or a fault: {faults}")
            }
        };
        Err(E::custom(text))
    }
}

/// These names, as they are told to a reader.
pub(super) fn listed(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $value:ty, $expected:literal, $read:expr) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl<'de> DeserializeSeed<'de> for $name {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.deserialize_str(self)
            }
        }

        impl Visitor<'_> for $name {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
                let read: fn(&str) -> Result<$value, String> = $read;
                read(text).map_err(E::custom)
            }
        }
    };
}

text!(
    /// When a step begins.
    Time, Duration, "a time, as \"5s\"",
    |text| duration("at", text)
);
text!(
    /// How long it lasts.
    Span, Duration, "a time, as \"5s\"",
    |text| match duration("for", text)? {
        Duration::ZERO => Err("`for` must be longer than zero".to_owned()),
        span => Ok(span),
    }
);
text!(
    /// Whom it is for.
    Name, String, "a name",
    |text| match text {
        "" => Err("`target` must be a name; left out, it is for all".to_owned()),
        name => Ok(name.to_owned()),
    }
);

fn duration(setting: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("`{setting}` must be a time, as \"5s\" or \"1m 30s\": {error}"))
}

/// Says that a fault is there of which there is nothing else to say.
pub(super) struct True;

impl<'de> DeserializeSeed<'de> for True {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_bool(self)
    }
}

impl Visitor<'_> for True {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`; a fault that is not to be is left out")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        if value {
            Ok(())
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Bool(false), &self))
        }
    }
}

/// The inside of a variant, for a visitor that the fault's type has brought.
pub(super) struct Inside<V> {
    pub(super) visitor: V,
    pub(super) of: Of,
}

/// What kind of variant it is.
pub(super) enum Of {
    Tuple(usize),
    Struct(&'static [&'static str]),
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Inside<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.of {
            Of::Tuple(length) => deserializer.deserialize_tuple(length, self.visitor),
            Of::Struct(fields) => deserializer.deserialize_struct("fault", fields, self.visitor),
        }
    }
}
