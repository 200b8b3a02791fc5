//! Approvals in a folder: those that can be read count, the others are said.

use super::*;

const HASH: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

fn text(name: &str, network: &str) -> String {
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: PlanApproval\nmetadata: {{name: {name}}}\n\
         spec: {{network: {network}, hash: \"{HASH}\", expiresAt: \"2099-01-01T00:00:00Z\"}}\n"
    )
}

#[test]
fn no_folder_is_no_approval_and_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Approvals::new(folder.path().join("none")).load(), (vec![], vec![]));
}

#[test]
fn what_is_written_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(folder.path().join("approvals"));
    assert_eq!(approvals.load().0.len(), 0);
    write(&folder.path().join("approvals"), "one", &text("one", "ml")).unwrap();
    write(&folder.path().join("approvals"), "two", &text("two", "ml")).unwrap();
    let (found, problems) = approvals.load();
    assert_eq!((found.len(), problems), (2, vec![]));
    assert_eq!((found[0].hash.as_str(), found[0].subject.to_string()), (HASH, "AmlNetwork default/ml".to_owned()));
    assert_ne!(found[0].id, found[1].id);
}

#[test]
fn a_file_that_changes_or_goes_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = Approvals::new(folder.path().to_owned());
    let path = write(folder.path(), "one", &text("one", "ml")).unwrap();
    let first = approvals.load().0.remove(0).id;
    std::fs::write(&path, text("one", "another-network")).unwrap();
    assert_ne!(approvals.load().0.remove(0).id, first, "another approval, though of the same name");
    std::fs::remove_file(path).unwrap();
    assert_eq!(approvals.load().0, []);
}

#[test]
fn a_bad_file_is_said_and_keeps_no_other_from_counting() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good", &text("good", "ml")).unwrap();
    std::fs::write(folder.path().join("bad.yaml"), text("bad", "ml").replace("hash", "hush")).unwrap();
    std::fs::write(folder.path().join("worse.yaml"), "a: [").unwrap();
    let (found, problems) = Approvals::new(folder.path().to_owned()).load();
    assert_eq!((found.len(), problems.len()), (1, 2), "{problems:?}");
    assert!(problems.iter().all(|problem| problem.place.contains(".yaml")));
}

#[test]
fn without_an_expiry_it_stands_seven_days_from_when_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let endless = text("one", "ml").replace(", expiresAt: \"2099-01-01T00:00:00Z\"", "");
    let path = write(folder.path(), "one", &endless).unwrap();
    let written = Timestamp::try_from(std::fs::metadata(path).unwrap().modified().unwrap()).unwrap();
    let found = Approvals::new(folder.path().to_owned()).load().0;
    assert_eq!(found[0].expires_at, written + DEFAULT_EXPIRY);
}

#[test]
fn what_is_no_approval_is_said_and_the_rest_of_its_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    let feed = "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {name: public}\n\
                spec: {cloud: Public, sources: [{download: {}}]}\n";
    std::fs::write(folder.path().join("both.yaml"), format!("{feed}---\n{}", text("good", "ml"))).unwrap();
    let (found, problems) = Approvals::new(folder.path().to_owned()).load();
    assert_eq!((found.len(), problems.len()), (1, 1));
    assert!(problems[0].to_string().contains("only a PlanApproval approves"), "{}", problems[0]);
}

#[test]
fn the_same_approval_is_the_same_whatever_its_file_is_called() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "first", &text("one", "ml")).unwrap();
    let id = || Approvals::new(folder.path().to_owned()).load().0.remove(0).id;
    let before = id();
    std::fs::rename(folder.path().join("first.yaml"), folder.path().join("second.yaml")).unwrap();
    assert_eq!(id(), before);
    write(folder.path(), "second", &text("one", "ml").replace("2099", "2098")).unwrap();
    assert_ne!(id(), before);
}

#[cfg(unix)]
#[test]
fn a_file_that_could_not_be_read_for_a_while_counts_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("one.yaml");
    std::os::unix::fs::symlink(&target, folder.path().join("one.yaml")).unwrap();
    let approvals = Approvals::new(folder.path().to_owned());
    assert_eq!(approvals.load().0.len(), 0);
    std::fs::write(&target, text("one", "ml")).unwrap();
    assert_eq!(approvals.load().0.len(), 1);
}
