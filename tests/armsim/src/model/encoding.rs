//! Base64url, and a keyed hash for things that must be presented as they were given out (tokens, operation URLs).
//! The hash only has to notice changes inside a test: it must not be used as cryptography.

use super::random::Random;
use std::hash::{DefaultHasher, Hasher};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (i, byte)| word | (u32::from(*byte) << (16 - 8 * i)));
        for i in 0..=chunk.len() {
            out.push(char::from(ALPHABET[((word >> (18 - 6 * i)) & 63) as usize]));
        }
    }
    out
}

pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for (i, symbol) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|candidate| candidate == symbol)?;
            word |= u32::try_from(value).ok()? << (18 - 6 * i);
        }
        out.extend(word.to_be_bytes().iter().skip(1).take(chunk.len().checked_sub(1)?));
    }
    Some(out)
}

/// `length` base64url characters that depend on the key and on every byte of `text`.
pub(super) fn signature(key: u64, text: &str, length: usize) -> String {
    let mut random = Random::new(hash(key, text.as_bytes()));
    let bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut signature = base64url(&bytes);
    signature.truncate(length);
    signature
}

pub(super) fn hash(key: u64, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(key);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_the_usual_one() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("\u{ff}?~", "w78_fg")]
        {
            assert_eq!(base64url(plain.as_bytes()), encoded);
            assert_eq!(from_base64url(encoded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(from_base64url("Z"), Some(vec![]));
        assert_eq!(from_base64url("Z=g"), None);
    }

    #[test]
    fn signatures_depend_on_key_and_text() {
        assert_eq!(signature(1, "a", 342).len(), 342);
        assert_ne!(signature(1, "a", 43), signature(2, "a", 43));
        assert_ne!(signature(1, "a", 43), signature(1, "b", 43));
    }
}
