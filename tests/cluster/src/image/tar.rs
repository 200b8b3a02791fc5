//! Writes tar archives of the plain kind (POSIX ustar) whose bytes depend on nothing but what is put in: times are zero.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

const BLOCK: usize = 512;
pub(super) const LONGEST_PATH: usize = 100;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Folder,
    File { size: u64 },
}

#[derive(Debug)]
pub(super) struct Tar<W> {
    out: W,
}

impl<W: Write> Tar<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// One entry; `content` has to have the size that `kind` says, and is not read for a folder.
    pub(super) fn add(
        &mut self,
        path: &str,
        mode: u32,
        owner: u32,
        kind: Kind,
        content: &mut impl Read,
    ) -> io::Result<()> {
        self.out.write_all(&header(path, mode, owner, kind))?;
        let Kind::File { size } = kind else { return Ok(()) };
        let copied = io::copy(&mut content.take(size), &mut self.out)?;
        if copied != size {
            let why = format!("{path} has {copied} bytes and was said to have {size}: it changed while it was read");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        let rest = usize::try_from(size % BLOCK as u64).map_or(0, |over| (BLOCK - over) % BLOCK);
        self.out.write_all(&[0; BLOCK][..rest])
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn header(path: &str, mode: u32, owner: u32, kind: Kind) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    let (name, size, flag) = match kind {
        Kind::Folder => (format!("{path}/"), 0, "5"),
        Kind::File { size } => (path.to_owned(), size, "0"),
    };
    put(0, &name);
    put(100, &format!("{mode:07o}"));
    put(108, &format!("{owner:07o}"));
    put(116, &format!("{owner:07o}"));
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    // The checksum is made with spaces in its own place.
    put(148, "        ");
    put(156, flag);
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Passes on what is written, and digests it on the way.
#[derive(Debug)]
pub(super) struct Digesting<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Digesting<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, digest: Sha256::new() }
    }

    pub(super) fn hex(self) -> String {
        hex(self.digest)
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn hex(digest: Sha256) -> String {
    format!("{:x}", digest.finalize())
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
