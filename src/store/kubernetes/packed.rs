//! Texts in ConfigMaps: compressed, and no larger than the API server takes. Must not know what they say.

use std::io::Read as _;

use crate::feed::decode;

/// The API server takes 1 MiB.
pub(super) const LARGEST: usize = 900 << 10;
/// What is decompressed is no larger, whatever was written by somebody else.
const LARGEST_TEXT: usize = 64 << 20;

/// Compresses what `unpack` gives back.
pub(super) fn pack(text: &[u8]) -> Result<Vec<u8>, String> {
    if text.len() > LARGEST_TEXT {
        return Err(format!("{} bytes are too many: {LARGEST_TEXT} can be read again", text.len()));
    }
    decode::gzip(text).map_err(|error| format!("it cannot be compressed: {error}"))
}

/// Decompresses what `pack` gave.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .take(LARGEST_TEXT as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("it cannot be decompressed: {error}"))?;
    if text.len() > LARGEST_TEXT { Err(format!("it is larger than {LARGEST_TEXT} bytes")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_what_was_damaged_is_refused() {
        let text = b"20.1.0.0/16 ".repeat(1000);
        let packed = pack(&text).unwrap();
        assert!(packed.len() * 10 < text.len());
        assert_eq!(unpack(&packed).unwrap(), text);
        for damaged in [&packed[..packed.len() / 2], &[], b"{}"] {
            assert!(unpack(damaged).unwrap_err().contains("cannot be decompressed"));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_nobody_packs_one() {
        let bomb = decode::gzip(&vec![b' '; LARGEST_TEXT + 10]).unwrap();
        assert!(bomb.len() < LARGEST);
        assert!(unpack(&bomb).unwrap_err().contains("larger than"));
        assert!(pack(&vec![b' '; LARGEST_TEXT + 1]).unwrap_err().contains("too many"));
    }
}
