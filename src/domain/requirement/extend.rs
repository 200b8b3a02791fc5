//! What is left of rows where others take their places.
//!
//! Must not read anything: `read` says which rows a file has.

use super::Row;

/// What is left of a row where others have its id: its editions and clouds that none of them names.
pub(super) fn without(row: Row, others: &[Row]) -> Vec<Row> {
    let mut left = vec![row];
    for other in others {
        left = left.into_iter().flat_map(|row| minus(row, other)).collect();
    }
    left
}

fn minus(row: Row, other: &Row) -> Vec<Row> {
    if !row.id.eq_ignore_ascii_case(&other.id) {
        return vec![row];
    }
    let (shared, editions): (Vec<String>, Vec<String>) =
        row.editions.iter().cloned().partition(|edition| other.is_of(edition));
    let clouds = row.clouds.iter().copied().filter(|cloud| !other.clouds.contains(cloud)).collect();
    let elsewhere = Row { editions, ..row.clone() };
    let in_other_clouds = Row { editions: shared, clouds, ..row };
    [elsewhere, in_other_clouds].into_iter().filter(|row| row.places().next().is_some()).collect()
}
