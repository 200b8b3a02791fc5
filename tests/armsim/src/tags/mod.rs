//! Made-up Service Tags documents of full size, one a week, with the changes that the real ones went through. For
//! machines without real files. Deterministic for a seed; every prefix is invented.

mod document;
mod estate;
mod services;
mod space;
#[cfg(test)]
mod tests;

use estate::Estate;
use jiff::{ToSpan, civil::Date};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Documents are dated on Mondays.
const FIRST_DATE: Date = Date::constant(2025, 1, 6);

/// Writes `ServiceTags_Public_YYYYMMDD.json` for each week into `folder`; the paths in order of publication.
pub fn write(seed: u64, weeks: u32, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut estate = Estate::new(seed);
    let mut previous = None;
    let mut paths = Vec::new();
    for week in 0..weeks {
        if week > 0 {
            estate.pass_week(week);
        }
        let document = estate.document(previous.as_ref());
        let date = FIRST_DATE.saturating_add(i64::from(week).weeks());
        let path = folder.join(format!("ServiceTags_Public_{}.json", date.strftime("%Y%m%d")));
        let mut file = BufWriter::new(File::create(&path)?);
        serde_json::to_writer_pretty(&mut file, &document)?;
        file.flush()?;
        paths.push(path);
        previous = Some(document);
    }
    Ok(paths)
}
