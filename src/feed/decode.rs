//! Bytes of a file or an answer to the text of a document: plain or gzip, within the limit.

use std::io::{Read as _, Write as _};

use crate::domain::service_tags::{Document, DocumentError, MAX_DOCUMENT_BYTES};

/// The text behind bytes that may be compressed. Stops at the limit, whatever a gzip header promises.
pub fn text(bytes: Vec<u8>) -> Result<Vec<u8>, DocumentError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return if bytes.len() > MAX_DOCUMENT_BYTES { Err(DocumentError::TooLarge) } else { Ok(bytes) };
    }
    let mut text = Vec::with_capacity(bytes.len().saturating_mul(8).min(8 << 20));
    let limit = MAX_DOCUMENT_BYTES as u64 + 1;
    flate2::read::MultiGzDecoder::new(&*bytes).take(limit).read_to_end(&mut text).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            DocumentError::Truncated { line: 0, column: 0 }
        } else {
            DocumentError::NotJson(format!("the gzip data is damaged: {error}"))
        }
    })?;
    if text.len() > MAX_DOCUMENT_BYTES { Err(DocumentError::TooLarge) } else { Ok(text) }
}

/// What `text` undoes: an archive keeps documents so.
pub fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}

/// Reads a document from bytes that may be compressed, and keeps its text.
pub fn document(bytes: Vec<u8>) -> Result<(Document, Vec<u8>), DocumentError> {
    let text = text(bytes)?;
    Ok((Document::parse(&text)?, text))
}

/// The date in a published name: `ServiceTags_Public_20251020.json` has 2025-10-20.
pub fn published_date(name: &str) -> Option<jiff::civil::Date> {
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json")?;
    let digits = stem.rsplit_once('_').map(|(_, digits)| digits)?;
    if digits.len() != 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits[range].parse::<i16>().ok();
    let (month, day) = (i8::try_from(number(4..6)?).ok()?, i8::try_from(number(6..8)?).ok()?);
    jiff::civil::Date::new(number(0..4)?, month, day).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzip_give_the_same_text() {
        assert_eq!(text(b"abc".to_vec()).unwrap(), b"abc");
        assert_eq!(text(gzip(b"abc")).unwrap(), b"abc");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b' '; MAX_DOCUMENT_BYTES + 10]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(text(bomb), Err(DocumentError::TooLarge));
        assert_eq!(text(vec![b' '; MAX_DOCUMENT_BYTES + 1]), Err(DocumentError::TooLarge));
    }

    #[test]
    fn a_cut_or_damaged_gzip_is_said_to_be_so() {
        let whole = gzip(&[b'x'; 10_000]);
        assert!(matches!(text(whole[..whole.len() - 9].to_vec()), Err(DocumentError::Truncated { .. })));
        let mut damaged = whole;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        assert!(text(damaged).is_err());
    }

    #[test]
    fn the_date_stands_in_the_published_name() {
        let date = |name: &str| published_date(name).map(|date| date.to_string());
        assert_eq!(date("ServiceTags_Public_20251020.json").as_deref(), Some("2025-10-20"));
        assert_eq!(date("ServiceTags_China_20250512.json.gz").as_deref(), Some("2025-05-12"));
        for none in ["a.json", "ServiceTags_Public_20251320.json", "ServiceTags_Public_2025102.json", "x_20251020.txt"]
        {
            assert_eq!(date(none), None, "{none}");
        }
    }
}
