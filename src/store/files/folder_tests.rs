use super::*;

const TABLE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt";

fn network(name: &str, mode: &str) -> String {
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: {name}}}\n\
         spec: {{region: eastus2, mode: {mode}, routes: {{routeTables: [{{id: \"{TABLE}\"}}]}}}}\n"
    )
}

fn file(name: &str, text: &str) -> FileText {
    FileText { path: name.into(), text: Ok(text.to_owned()) }
}

fn keys(world: &World) -> Vec<(String, bool)> {
    world.networks.iter().map(|(key, held)| (key.name.clone(), held.broken.is_some())).collect()
}

#[test]
fn a_file_that_no_longer_parses_keeps_its_objects_and_is_reported() {
    let good = assemble(
        &[file("a.yaml", &network("one", "Sync")), file("b.yaml", &network("two", "Sync"))],
        &World::default(),
    );
    assert_eq!(keys(&good), [("one".into(), false), ("two".into(), false)]);
    for broken in ["spec: [", "\u{0}", "kind: AmlNetwork"] {
        let world = assemble(&[file("a.yaml", broken), file("b.yaml", &network("two", "Sync"))], &good);
        assert_eq!(keys(&world), [("one".into(), true), ("two".into(), false)], "{broken:?}");
        assert_eq!(world.undecodable.len(), 1);
    }
}

#[test]
fn a_bad_object_keeps_its_own_last_good_text_only() {
    let both = format!("{}---\n{}", network("one", "Sync"), network("two", "Sync"));
    let good = assemble(&[file("a.yaml", &both)], &World::default());
    let now = format!("{}---\n{}", network("one", "sync"), network("two", "Observe"));
    let world = assemble(&[file("a.yaml", &now)], &good);
    assert_eq!(keys(&world), [("one".into(), true), ("two".into(), false)]);
    assert_eq!(world.undecodable[0].network.as_ref().map(|key| key.name.as_str()), Some("one"));
    assert_eq!(world.networks.values().next().unwrap().object.intent.mode, crate::domain::intent::Mode::Sync);
}

#[test]
fn a_removed_file_takes_its_objects_away_and_a_removed_document_too() {
    let good = assemble(&[file("a.yaml", &network("one", "Sync"))], &World::default());
    assert!(assemble(&[], &good).networks.is_empty());
    assert!(assemble(&[file("a.yaml", "")], &good).networks.is_empty());
}

#[test]
fn an_unreadable_file_is_a_broken_one() {
    let good = assemble(&[file("a.yaml", &network("one", "Sync"))], &World::default());
    let unreadable = FileText { path: "a.yaml".into(), text: Err("permission denied".into()) };
    assert_eq!(keys(&assemble(&[unreadable], &good)), [("one".into(), true)]);
}

#[test]
fn of_two_objects_with_one_name_the_first_counts_and_the_second_is_reported() {
    let files = [file("a.yaml", &network("one", "Sync")), file("b.yaml", &network("one", "Observe"))];
    let world = assemble(&files, &World::default());
    assert_eq!(world.networks.len(), 1);
    assert!(world.undecodable[0].message.contains("stands also in a.yaml"), "{}", world.undecodable[0]);
}

#[test]
fn a_text_without_an_edition_keeps_the_one_that_it_was_first_read_with() {
    let network = |name: &str, edition: &str| {
        format!(
            "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: {name}}}\nspec:\n  region: eastus2\n  \
             mode: Sync\n  outbound: {{lists: [{{name: all}}]{edition}}}\n"
        )
    };
    let files = [
        file("a.yaml", &network("silent", "")),
        file("b.yaml", &network("says", ", edition: \"2026-03\"")),
        file("c.yaml", &network("new", "")),
    ];
    let mut world = assemble(&files, &World::default());
    keep_editions(&mut world, |key| (key.name != "new").then(|| "2023-01".to_owned()));
    let edition = |held: &Held<_>| {
        let network: &crate::api::read::Network = &held.object;
        network.intent.outbound.as_ref().unwrap().edition.clone()
    };
    let editions: Vec<(String, String)> =
        world.networks.iter().map(|(key, held)| (key.name.clone(), edition(held))).collect();
    let wanted = [("new", "2026-03"), ("says", "2026-03"), ("silent", "2023-01")];
    assert_eq!(editions, wanted.map(|(name, edition)| (name.to_owned(), edition.to_owned())));
}
