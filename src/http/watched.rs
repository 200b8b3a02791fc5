//! Files that may be replaced while they are used: what they say counts from the next look on, and what cannot be used
//! leaves the old in force.
//!
//! Must not put what the files hold into a log.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How often it is looked whether they are others.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No file of this kind is larger.
const LARGEST: u64 = 1 << 20;

/// What makes something of the files' bytes, in order of the files.
pub(super) type Parse<T> = fn(&[Vec<u8>]) -> Result<T, String>;

/// What the files held.
type Found = Result<Vec<Vec<u8>>, String>;

/// What was seen of the files.
struct Looked {
    /// What was judged last, of use or not.
    judged: Found,
    /// At the last look. Half of a file must not count: half of a password is a password too.
    last: Found,
}

/// What files say.
pub(super) struct Watched<T> {
    /// The options that name them.
    what: &'static str,
    files: Vec<PathBuf>,
    parse: Parse<T>,
    now: RwLock<Arc<T>>,
    looked: Mutex<Looked>,
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

impl<T> Watched<T> {
    /// Reads them for the first time.
    pub(super) fn read(what: &'static str, files: Vec<PathBuf>, parse: Parse<T>) -> Result<Self, String> {
        let bytes = bytes(&files).map_err(|why| format!("{what}: {why}"))?;
        let value = parse(&bytes).map_err(|why| format!("{what}: {why}"))?;
        let looked = Looked { judged: Ok(bytes.clone()), last: Ok(bytes) };
        Ok(Self { what, files, parse, now: RwLock::new(Arc::new(value)), looked: Mutex::new(looked) })
    }

    /// What is in force.
    pub(super) fn now(&self) -> Arc<T> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self) {
        let found = bytes(&self.files);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_settled = looked.last == found;
        looked.last.clone_from(&found);
        if !is_settled || looked.judged == found {
            return;
        }
        match found.as_ref().map_err(Clone::clone).and_then(|bytes| (self.parse)(bytes)) {
            Ok(value) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                tracing::info!(options = self.what, "the files were replaced; what they say counts from now on");
            }
            Err(why) => {
                tracing::error!(
                    options = self.what,
                    why,
                    "the files cannot be used; what was read before stays in force"
                );
            }
        }
        looked.judged = found;
    }
}

fn bytes(files: &[PathBuf]) -> Found {
    use std::io::Read as _;
    let read = |path: &PathBuf| {
        let refuse = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut bytes = Vec::new();
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(refuse)?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("{}: it is larger than 1 MiB", path.display()));
        }
        Ok(bytes)
    };
    files.iter().map(read).collect()
}

/// Looks at the files for ever.
pub(super) async fn follow<T: Send + Sync>(watched: Option<&Watched<T>>) {
    let Some(watched) = watched else { return };
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        watched.look();
    }
}
