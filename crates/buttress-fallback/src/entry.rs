//! What stands in a store: an answer, and what must be true of it for it to be served.

use std::{
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use bytes::{Buf, Bytes};

/// What every entry begins with.
const MAGIC: [u8; 4] = *b"BtLG";
/// Of what follows the magic. Entries of other versions are not read.
const VERSION: u8 = 1;
/// Where the sum over all that follows it stands.
const SUM: usize = MAGIC.len() + 1;
/// Where the time stands that the answer is of, in milliseconds since the epoch.
const BORN: usize = SUM + size_of::<u32>();
/// Where the length of the key stands.
const KEY_LEN: usize = BORN + size_of::<u64>();
/// Where the key stands, and after it the copy.
const KEY: usize = KEY_LEN + size_of::<u32>();

/// Enough for the head of most answers, and all of a small one.
const SMALL: usize = 256;

/// An answer as it was found in a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) copy: Bytes,
    pub(crate) age: Duration,
}

/// Why what was found in a store is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Foreign,
    Version(u8),
    Damaged,
    OtherKey,
}

/// How an entry under this key begins; the copy is appended to it.
pub(crate) fn start(key: &str) -> Vec<u8> {
    let mut entry = Vec::with_capacity(KEY + key.len() + SMALL);
    entry.extend_from_slice(&MAGIC);
    entry.push(VERSION);
    entry.resize(KEY_LEN, 0);
    // A key of 4 GiB has no entry: it is found to be damaged.
    entry.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    entry.extend_from_slice(key.as_bytes());
    entry
}

/// The whole entry, of an answer that is of this time.
pub(crate) fn seal(mut entry: Vec<u8>, born: SystemTime) -> Bytes {
    let millis = born.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    entry[BORN..KEY_LEN].copy_from_slice(&millis.to_be_bytes());
    let sum = crc32fast::hash(&entry[BORN..]);
    entry[SUM..BORN].copy_from_slice(&sum.to_be_bytes());
    // It may be kept for long, and a body whose length was not known has left up to as much room again.
    entry.shrink_to_fit();
    entry.into()
}

/// Reads an entry that was found under this key.
///
/// A clock that is behind the one of whoever stored it makes the answer new, and not younger than
/// that.
pub(crate) fn open(entry: &Bytes, key: &str, now: SystemTime) -> Result<Entry, Unreadable> {
    if !entry.starts_with(&MAGIC) {
        return Err(Unreadable::Foreign);
    }
    match entry.get(MAGIC.len()) {
        Some(&VERSION) => {}
        Some(&version) => return Err(Unreadable::Version(version)),
        None => return Err(Unreadable::Damaged),
    }
    if entry.len() < KEY {
        return Err(Unreadable::Damaged);
    }
    let mut rest = entry.slice(SUM..);
    if rest.get_u32() != crc32fast::hash(&rest) {
        return Err(Unreadable::Damaged);
    }
    let born = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(rest.get_u64()));
    let length = usize::try_from(rest.get_u32()).unwrap_or(usize::MAX);
    let (Some(born), Some(found)) = (born, rest.get(..length)) else {
        return Err(Unreadable::Damaged);
    };
    if found != key.as_bytes() {
        return Err(Unreadable::OtherKey);
    }
    rest.advance(length);
    Ok(Entry { copy: rest, age: now.duration_since(born).unwrap_or_default() })
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the store holds something else under this key"),
            Self::Version(version) => write!(
                f,
                "the stored answer is of version {version}, and this is version {VERSION}"
            ),
            Self::Damaged => f.write_str("the stored answer is damaged"),
            Self::OtherKey => f.write_str("the stored answer belongs to another key"),
        }
    }
}

impl Error for Unreadable {}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn entry(key: &str, copy: &[u8], born: u64) -> Bytes {
        let mut entry = start(key);
        entry.extend_from_slice(copy);
        seal(entry, at(born))
    }

    proptest! {
        #[test]
        fn what_was_stored_is_found(
            key in ".{0,20}",
            copy in vec(any::<u8>(), 0..100),
            born in 0..1_u64 << 48,
            later in 0..1_u64 << 40,
        ) {
            let found = open(&entry(&key, &copy, born), &key, at(born + later)).unwrap();
            prop_assert_eq!(&found.copy[..], &copy[..]);
            prop_assert_eq!(found.age, Duration::from_millis(later));
            let early = at(born.saturating_sub(later));
            prop_assert_eq!(open(&entry(&key, &copy, born), &key, early).unwrap().age, Duration::ZERO);
        }

        #[test]
        fn nothing_is_served_under_another_key(
            key in ".{0,20}",
            other in ".{0,20}",
            copy in vec(any::<u8>(), 0..100),
        ) {
            prop_assume!(key != other);
            let found = open(&entry(&key, &copy, 7), &other, at(7));
            prop_assert_eq!(found, Err(Unreadable::OtherKey));
        }

        #[test]
        fn random_bytes_are_no_answer(
            bytes in vec(any::<u8>(), 0..100),
            disguise in 0..4_usize,
        ) {
            // Some of them begin as an entry does.
            let mut bytes = bytes;
            let begins = &entry("key", b"", 0)[..[0, MAGIC.len(), SUM, KEY][disguise]];
            let length = bytes.len().min(begins.len());
            bytes[..length].copy_from_slice(&begins[..length]);
            // By chance once in four thousand million.
            prop_assert!(open(&bytes.into(), "key", at(0)).is_err());
        }

        #[test]
        fn an_entry_that_was_changed_or_cut_is_no_answer(
            copy in vec(any::<u8>(), 0..100),
            place in any::<prop::sample::Index>(),
            change in 1..=255_u8,
            longer in vec(any::<u8>(), 1..10),
        ) {
            let whole = entry("key", &copy, 7);
            let place = place.index(whole.len());
            let mut changed = whole.to_vec();
            changed[place] ^= change;
            prop_assert!(open(&changed.into(), "key", at(7)).is_err());
            prop_assert!(open(&whole.slice(..place), "key", at(7)).is_err());
            let longer = [&whole[..], &longer].concat();
            prop_assert!(open(&longer.into(), "key", at(7)).is_err());
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let whole = entry("key", b"copy", 7).to_vec();
        let open = |bytes: &[u8]| open(&Bytes::copy_from_slice(bytes), "key", at(7)).unwrap_err();
        assert_eq!(open(b""), Unreadable::Foreign);
        assert_eq!(open(b"{\"cents\":100}"), Unreadable::Foreign);
        assert_eq!(open(&whole[..MAGIC.len()]), Unreadable::Damaged);
        let mut newer = whole.clone();
        newer[MAGIC.len()] = 2;
        assert_eq!(open(&newer), Unreadable::Version(2));
        assert_eq!(
            open(&newer).to_string(),
            "the stored answer is of version 2, and this is version 1"
        );
    }

    #[test]
    fn a_key_length_that_lies_is_no_answer() {
        let mut lies = start("key");
        lies[KEY_LEN..KEY].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(open(&seal(lies, at(7)), "key", at(7)), Err(Unreadable::Damaged));
        let mut long_ago = start("key");
        long_ago.extend_from_slice(b"copy");
        let before_the_epoch = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(open(&seal(long_ago, before_the_epoch), "key", at(7)).is_ok());
    }
}
