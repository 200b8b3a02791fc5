//! What was said last about each thing that goes on failing, so that it is said once and not at every try.
//!
//! Must not decide how something is said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// By what it is about and whom.
static SAID: Mutex<BTreeMap<(&'static str, String), String>> = Mutex::new(BTreeMap::new());

/// Whether this differs from what was said last about it.
pub fn is_news(about: &'static str, whom: &dyn ToString, what: &dyn ToString) -> bool {
    let (key, what) = ((about, whom.to_string()), what.to_string());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get(&key) == Some(&what) {
        return false;
    }
    said.insert(key, what);
    true
}

/// It is well again. Whether it was said not to be.
pub fn is_over(about: &'static str, whom: &dyn ToString) -> bool {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).remove(&(about, whom.to_string())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_until_it_changes_or_is_over() {
        let full = || is_news("a test", &"disk", &"no space left");
        assert!(full() && !full());
        assert!(is_news("a test", &"other", &"no space left"));
        assert!(is_news("a test", &"disk", &"read-only") && full());
        assert!(is_over("a test", &"disk") && !is_over("a test", &"disk"));
        assert!(full());
    }
}
