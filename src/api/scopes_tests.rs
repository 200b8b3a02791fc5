use super::*;

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-team-a";

fn with(more: &str) -> String {
    format!("scopes:\n- namespaces: [team-a]\n  resourceIds: [\"{GROUP}\"]\n{more}")
}

#[test]
fn a_file_says_what_each_namespace_may_name() {
    let text = format!(
        "scopes:\n- namespaces: [team-a, \"team-b-*\"]\n  resourceIds: [\"{GROUP}\"]\n  serviceTags: [Storage]\n  \
         hosts: [\"*.pypi.org\"]\n  sourceRanges: [10.1.0.0/16]\n  nextHops: [Internet, 10.0.0.0/8]\n"
    );
    let scopes = parse(&text).unwrap();
    let id = format!("{GROUP}/providers/Microsoft.Network/routeTables/rt").parse().unwrap();
    assert!(scopes.reaches("team-a", &id) && scopes.reaches("team-b-1", &id));
    assert!(!scopes.reaches("team-b", &id) && !scopes.is_any());
}

#[test]
fn every_mistake_names_line_and_field_and_what_to_write() {
    let id = |id: &str| format!("scopes:\n- namespaces: [team-a]\n  nextHops: [Internet]\n  resourceIds:\n  - {id}\n");
    for (text, said) in [
        (String::new(), vec!["not a scopes file"]),
        ("[]".to_owned(), vec!["not a scopes file"]),
        ("scopes: []".to_owned(), vec!["scopes: it is empty"]),
        ("scope: []".to_owned(), vec!["not a scopes file", "scope"]),
        (with(""), vec!["line 2: scopes[0]: it allows nothing", "add serviceTags and nextHops"]),
        (with("  serviceTag: [Storage]\n"), vec!["serviceTag", "line 4"]),
        (with("  serviceTags: []\n"), vec!["scopes[0].serviceTags: it is empty; write what is allowed"]),
        (with("  serviceTags:\n"), vec!["scopes[0].serviceTags: it is empty"]),
        (with("  nextHops: null\n"), vec!["scopes[0].nextHops: it is empty"]),
        (with("  serviceTags: Storage\n"), vec!["not a scopes file", "line 4"]),
        (with("  serviceTags: [Storage, AzureCloud, STORAGE]\n"), vec!["line 4: scopes[0].serviceTags[2]", "twice"]),
        (with("  serviceTags: [\"Azure*\"]\n"), vec!["line 4: scopes[0].serviceTags[0]", "write a whole name"]),
        (with("  nextHops: [Internet, 10.0.1.4]\n"), vec!["line 4: scopes[0].nextHops[1]", "write 10.0.1.4/32"]),
        (with("  nextHops: [10.0.1.4/8]\n"), vec!["scopes[0].nextHops[0]", "the prefix is 10.0.0.0/8"]),
        (with("  sourceRanges: [10.0.1.4/8]\n"), vec!["scopes[0].sourceRanges[0]", "the prefix is 10.0.0.0/8"]),
        (with("  hosts: [\"https://pypi.org\"]\n"), vec!["scopes[0].hosts[0]", "is not a host"]),
        (with("  nextHops: [Internet]\n  nextHops: [\"*\"]\n"), vec!["not a scopes file", "nextHops"]),
        (id(&format!("{GROUP}/..")), vec!["line 5: scopes[0].resourceIds[0]", "leads elsewhere"]),
        (id(&format!("{GROUP}%2f..")), vec!["line 5: scopes[0].resourceIds[0]", "has a %"]),
        (id(&format!("{GROUP}/")), vec!["line 5: scopes[0].resourceIds[0]", "ends with /"]),
        (format!("{}  - {}\n", id(GROUP), GROUP.to_uppercase()), vec!["line 6: scopes[0].resourceIds[1]", "twice"]),
        (
            with("  nextHops: [Internet]\n").replace("[team-a]", "[team-a, team-a]"),
            vec!["line 2: scopes[0].namespaces[1]", "twice"],
        ),
        (with("  nextHops: [Internet]\n").replace("[team-a]", "[Team]"), vec!["line 2: scopes[0].namespaces[0]"]),
        (with("  nextHops: [Internet]\n").replace("[team-a]", "[]"), vec!["scopes[0].namespaces: it is empty"]),
        (with("  nextHops: [Internet]\n").replace("namespaces", "namespace"), vec!["not a scopes file", "namespace"]),
        ("scopes:\n- namespaces: [a]\n  nextHops: [Internet]\n".to_owned(), vec!["resourceIds"]),
        (format!("{0}---\n{0}", with("  nextHops: [Internet]\n")), vec!["not a scopes file"]),
    ] {
        let error = parse(&text).expect_err(&text).to_string();
        for said in said {
            assert!(error.contains(said), "{said:?} is not in {error:?} for\n{text}");
        }
    }
}

#[test]
fn the_sample_is_a_scopes_file() {
    let sample = include_str!("../../config/scopes.yaml");
    assert!(!parse(sample).unwrap().is_any());
}
