//! The proof of the list must be able to fail: each check on answers that are right, and on some that are wrong in one way.

use super::super::examples::only;
use super::*;

const FIRST: &str = "20.0.1.0/28\n20.0.2.0/28\n";
const BOTH: &str = "20.0.1.0/28\n20.0.2.0/28\n20.0.3.0/28\n";

fn nets(text: &str) -> BTreeSet<Ipv4Net> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn answer(asked_with: Option<&str>, status: u16, etag: Option<&str>, body: &str) -> Answer {
    let [asked_with, etag] = [asked_with, etag].map(|etag| etag.map(str::to_owned));
    Answer { asked_with, status, etag, modified: None, body: body.to_owned() }
}

/// Answers in which everything is right. 20.0.2.0/28 leaves the document.
fn right() -> Evidence {
    Evidence {
        needed: [nets(FIRST), nets("20.0.1.0/28\n20.0.3.0/28\n")],
        answers: vec![
            answer(None, 503, None, "nothing to serve yet\n"),
            answer(None, 200, Some("a"), FIRST),
            answer(Some("a"), 304, Some("a"), ""),
            answer(Some("a"), 304, Some("a"), ""),
            answer(Some("a"), 200, Some("b"), BOTH),
            answer(Some("b"), 304, Some("b"), ""),
            answer(Some("a"), 200, Some("b"), BOTH),
        ],
        before: 3,
    }
}

/// What fails after a change to the right answers.
fn failures(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = right();
    change(&mut evidence);
    checks(&evidence).into_iter().filter_map(Result::err).collect()
}

/// Both answers with the second list.
fn second(evidence: &mut Evidence, body: &str) {
    for answer in &mut evidence.answers[4..] {
        if answer.status == 200 {
            body.clone_into(&mut answer.body);
        }
    }
}

#[test]
fn right_answers_hold_and_say_what_stayed() {
    assert_eq!(failures(|_| ()), Vec::<String>::new());
    let said: Vec<String> = checks(&right()).into_iter().filter_map(Result::ok).collect();
    assert!(said[1].ends_with("the 3 lines that it should; 1 of them left the document and stay"), "{}", said[1]);
    assert!(said[2].ends_with("7 in all, 3 with 200, 3 with 304, 1 with 503"), "{}", said[2]);
}

#[test]
fn no_list_came() {
    let found = failures(|evidence| evidence.answers.clear());
    assert_eq!(found[..2], ["after the first document no list came", "after the second document no list came"]);
    assert_eq!(found.len(), 3, "nobody was told 304 either: {found:#?}");
}

#[test]
fn a_list_in_which_something_is_missing_or_needless() {
    let found = failures(|evidence| second(evidence, "20.0.1.0/28\n20.0.3.0/28\n"));
    assert_eq!(found[0], "after the second document the list lacks 20.0.2.0/28");
    assert!(found[1].contains("answer 4 of the list is neither document's whole list: 2 lines"), "{found:#?}");
    let found = failures(|evidence| second(evidence, &format!("{BOTH}20.0.9.0/28\n")));
    assert_eq!(found[0], "after the second document the list holds 20.0.9.0/28, which no document asks for");
    let found = failures(|evidence| evidence.answers[1].body.truncate(12));
    assert_eq!(found[0], "after the first document the list lacks 20.0.2.0/28");
}

#[test]
fn a_list_in_another_form() {
    for body in [
        "20.0.2.0/28\n20.0.1.0/28\n20.0.3.0/28\n",
        "20.0.1.0/28\n20.0.1.0/28\n20.0.2.0/28\n20.0.3.0/28\n",
        "# addresses\n20.0.1.0/28\n20.0.2.0/28\n20.0.3.0/28\n",
        BOTH.trim_end(),
    ] {
        let found = failures(|evidence| second(evidence, body));
        assert!(found[0].contains("the list is not sorted, each address on one line of its own"), "{found:#?}");
    }
}

#[test]
fn a_list_that_was_partial_or_empty_for_one_moment() {
    for body in ["", "20.0.1.0/28\n", "20.0.1.0/28\n20.0.3.0/28\n"] {
        only(
            &failures(|evidence| evidence.answers.insert(4, answer(Some("a"), 200, Some("c"), body))),
            "answer 4 of the list is neither document's whole list",
        );
    }
}

#[test]
fn the_first_list_after_the_second() {
    only(
        &failures(|evidence| evidence.answers.insert(6, answer(Some("b"), 200, Some("a"), FIRST))),
        "answer 6 of the list is neither document's whole list",
    );
}

#[test]
fn an_answer_that_is_no_list() {
    for status in [404, 500, 503] {
        only(
            &failures(|evidence| evidence.answers.insert(4, answer(Some("a"), status, None, "no\n"))),
            &format!("answer 4 of the list was {status}"),
        );
    }
    only(&failures(|evidence| evidence.answers[0].status = 404), "answer 0 of the list was 404");
}

#[test]
fn an_etag_that_says_nothing() {
    only(&failures(|evidence| evidence.answers[1].etag = None), "answer 1 of the list has no ETag");
    let same = failures(|evidence| {
        evidence.answers[4].etag = Some("a".to_owned());
        evidence.answers[4].asked_with = None;
    });
    only(&same, "answer 4 of the list has the ETag a, after a");
    only(&failures(|evidence| evidence.answers[6].etag = Some("c".to_owned())), "the ETag c, after b");
}

#[test]
fn a_list_that_was_sent_again_to_who_has_it() {
    only(
        &failures(|evidence| evidence.answers[5] = answer(Some("b"), 200, Some("b"), BOTH)),
        "answer 5 brought the list that b stands for once more",
    );
}

#[test]
fn a_304_to_who_does_not_have_the_list() {
    only(
        &failures(|evidence| evidence.answers[6] = answer(Some("a"), 304, Some("b"), "")),
        "answer 6 was 304 to a, which is not the list's",
    );
    only(
        &failures(|evidence| evidence.answers[5].asked_with = None),
        "answer 5 was 304 to no ETag, which is not the list's",
    );
}

#[test]
fn what_was_never_asked_is_not_said() {
    only(
        &failures(|evidence| {
            evidence.answers.remove(2);
            evidence.before = 2;
        }),
        "was never told 304 before the second document",
    );
    only(
        &failures(|evidence| {
            evidence.answers[4].asked_with = None;
            evidence.answers.pop();
        }),
        "the first list's ETag did not bring the second list",
    );
}

#[test]
fn a_list_that_does_not_change_is_not_sent_again() {
    let unchanged = |evidence: &mut Evidence| {
        evidence.needed[1] = nets(FIRST);
        evidence.answers.truncate(4);
    };
    assert_eq!(failures(unchanged), Vec::<String>::new());
}
