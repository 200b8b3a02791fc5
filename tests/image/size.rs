//! How much the image adds to its base: one layer with the program, compressed as registries keep it.

use std::fs::File;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

const MOST: u64 = 25_000_000;

#[derive(Default)]
struct Count(u64);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_program_is_at_most_25_megabytes_compressed() {
    let built = Path::new(env!("CARGO_BIN_EXE_amlnet")).ancestors().nth(2).unwrap().join("release/amlnet");
    let Ok(mut program) = File::open(&built) else {
        eprintln!("skipped: there is no {} (cargo build --release)", built.display());
        return;
    };
    let mut encoder = GzEncoder::new(Count::default(), Compression::default());
    let whole = std::io::copy(&mut program, &mut encoder).unwrap();
    let compressed = encoder.finish().unwrap().0;
    eprintln!("the program has {whole} bytes, {compressed} compressed");
    assert!(compressed <= MOST, "{compressed} bytes compressed, {MOST} are allowed");
}
