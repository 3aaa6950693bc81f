//! What a remembered answer is found by.

use std::{fmt::Write, sync::Arc};

/// What a remembered answer is found by: whoever asks for the same gets it.
///
/// So whatever an answer depends on belongs into its key: the tenant, the user, the language. It is
/// for the caller to choose, and there is no default.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    text: String,
    users: Users,
    fields: Option<Arc<[Box<str>]>>,
}

/// Whose answer is found by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Users {
    Several,
    One,
    Alike,
}

impl Key {
    /// A key that several users may share, unless an answer says that it is meant for one.
    pub fn shared(text: impl Into<String>) -> Self {
        Self { text: text.into(), users: Users::Several, fields: None }
    }

    /// A key that names one user, so that what is meant for nobody else may be stored, too.
    pub fn private(text: impl Into<String>) -> Self {
        Self { text: text.into(), users: Users::One, fields: None }
    }

    /// A key of what is the same for all users, so that an answer that comes with something for one
    /// of them, under HTTP a cookie, may be stored without that.
    pub fn users_alike(text: impl Into<String>) -> Self {
        Self { text: text.into(), users: Users::Alike, fields: None }
    }

    /// The same key, which says which fields of the request it looks at: an answer that says that it
    /// depends on another one is not stored.
    ///
    /// One that does not say so is believed to look at whatever matters.
    pub fn of_fields(mut self, fields: Arc<[Box<str>]>) -> Self {
        self.fields = Some(fields);
        self
    }

    /// The same key among those of the layer of this name. One that names a user is never one that does
    /// not, whatever their texts are.
    pub fn of_layer(mut self, layer: &str) -> Self {
        let users = if self.is_private() { "one" } else { "all" };
        // A length of up to twenty digits, and three colons.
        let mut text = String::with_capacity(layer.len() + users.len() + self.text.len() + 23);
        // With its length, for a name may have colons in it.
        let _ = write!(text, "{}:{layer}:{users}:{}", layer.len(), self.text);
        self.text = text;
        self
    }

    /// The key itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names one user.
    pub fn is_private(&self) -> bool {
        self.users == Users::One
    }

    /// Whether several users have it who may not be alike.
    pub fn is_shared(&self) -> bool {
        self.users == Users::Several
    }

    /// Whether it looks at this field of the request, whatever the case of its name; or does not say
    /// what it looks at.
    pub fn looks_at(&self, field: &str) -> bool {
        let fields = self.fields.as_ref();
        fields.is_none_or(|fields| fields.iter().any(|known| known.eq_ignore_ascii_case(field)))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::shared(text)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::shared(text)
    }
}
