use super::*;
use std::io::Read as _;

#[test]
fn smoke() {
    for entry in std::fs::read_dir("../shared/service-tags/public").unwrap() {
        let path = entry.unwrap().path();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut text).unwrap();
        let t = std::time::Instant::now();
        let document = Document::parse(&text).unwrap();
        let regions = super::super::region::Regions::built_in();
        let v = super::super::accept::check(&document, document.cloud, &regions);
        eprintln!("{path:?} {:?} {} {:?} {v:?}", t.elapsed(), document.prefix_count(), document.digest);
    }
}
