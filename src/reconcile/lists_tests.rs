use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::api::read::{self, Object};
use crate::domain::scope::Scopes;
use crate::domain::testing::{self, key};
use crate::store::files::state::{FileStore, State};
use crate::store::{Leaving, Undecodable};

/// A state folder, and what lists are looked at with.
struct Scene {
    folder: tempfile::TempDir,
    store: FileStore,
    lists: Lists,
    world: World,
    documents: Documents,
    setting: Setting,
    now: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let state = State::open(folder.path(), &testing::installation(), now).unwrap();
        let world = tokio::sync::watch::channel(Arc::new(World::default())).1;
        let setting = Setting {
            installation: testing::installation(),
            regions: Arc::new(crate::domain::region::Regions::built_in()),
            requirements: crate::domain::requirement::Tables::BuiltIn,
            no_memory: None,
            absent: index::Absent::Deleted,
            read_only: None,
            scopes: Arc::new(Scopes::any()),
        };
        let mut scene = Self {
            folder,
            store: FileStore { world, state: Some(Arc::new(state)) },
            lists: Lists::default(),
            world: World::default(),
            documents: Documents::default(),
            setting,
            now,
        };
        scene.read("ml", "", "");
        scene
    }

    /// Puts a Network with one list into the world.
    fn read(&mut self, name: &str, spec: &str, list: &str) {
        let text = format!(
            "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{namespace: ns, name: {name}}}\n\
             spec:\n  region: eastus2\n  mode: Sync\n  removal: {{holdFor: 10d}}\n{spec}  outbound:\n    edition: \"2026-03\"\n\
             \x20   profiles: []\n    additional:\n    - name: vault\n      serviceTag: AzureKeyVault\n\
             \x20     ports: [{{protocol: TCP, port: 443}}]\n    lists:\n    - {{name: fw{list}}}\n"
        );
        let object = read::read(&text).unwrap().remove(0);
        let Ok(Object::Network(object)) = object else { panic!("{object:?}") };
        let held = crate::store::Held { object: *object, origin: PathBuf::new(), broken: None };
        self.world.networks.insert(held.object.key.clone(), held);
    }

    fn publish(&mut self, number: u64, prefixes: &[&str]) {
        let tags: &[testing::TagRow<'_>] =
            &[("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]), ("AzureKeyVault", "", prefixes)];
        let document = testing::document_numbered(number, tags);
        self.documents.by_feed.insert("public".to_owned(), Ok(Arc::new(document)));
    }

    fn look(&mut self, days: i64) -> Vec<ListStatus> {
        self.now = self.now.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        self.lists.look(&self.store, &self.world, &self.documents, &self.setting, self.now);
        self.lists.standings().values().flatten().cloned().collect()
    }

    fn served(&self) -> BTreeSet<String> {
        let lists = self.store.lists();
        lists.values().flat_map(|list| list.state.prefixes()).map(|prefix| prefix.to_string()).collect()
    }
}

#[test]
fn a_list_waits_for_its_document_follows_it_and_gives_up_what_left_when_the_hold_is_over() {
    let mut scene = Scene::new();
    let [status] = scene.look(0).try_into().unwrap();
    assert_eq!(status.state, "Waiting");
    assert!(status.message.contains("no Service Tags document"), "{}", status.message);
    assert!(scene.store.lists().is_empty());

    scene.publish(1, &["20.0.0.0/24", "20.0.1.0/24"]);
    let [status] = scene.look(0).try_into().unwrap();
    assert_eq!((status.state.as_str(), status.ipv4, status.path.as_str()), ("Served", 2, "/lists/ns/ml/fw"));
    scene.publish(2, &["20.0.1.0/24"]);
    assert_eq!(scene.look(1)[0].retiring, 1);
    assert!(!scene.lists.is_due(scene.now));
    let over = scene.now.checked_add(SignedDuration::from_hours(240)).unwrap();
    assert!(scene.lists.is_due(over));
    assert_eq!(scene.look(9)[0].ipv4, 2);
    assert_eq!((scene.look(1)[0].ipv4, scene.served().len()), (1, 1));
}

#[test]
fn a_clock_that_went_back_is_looked_at() {
    let mut scene = Scene::new();
    scene.publish(1, &["20.0.0.0/24", "20.0.1.0/24"]);
    scene.look(1000);
    scene.publish(2, &["20.0.1.0/24"]);
    scene.look(0);
    let back = scene.now.checked_sub(SignedDuration::from_hours(24 * 999)).unwrap();
    assert!(scene.lists.is_due(back));
    scene.look(-999);
    assert_eq!(scene.look(9)[0].ipv4, 2);
    assert!(!scene.lists.is_due(scene.now));
    assert_eq!(scene.look(1)[0].ipv4, 1, "ten days after it was noticed");
}

#[test]
fn the_last_list_stands_while_it_is_not_known_what_is_needed() {
    let mut scene = Scene::new();
    scene.publish(1, &["20.0.0.0/24"]);
    scene.look(0);
    let stands = |scene: &mut Scene, why: &str| {
        let [status] = scene.look(100).try_into().unwrap();
        assert!(status.state == "Stands" && status.message.contains(why), "{status:?}");
        assert_eq!((status.ipv4, scene.served().len()), (1, 1));
    };
    scene.documents.by_feed.insert("public".to_owned(), Err("it burns".to_owned()));
    stands(&mut scene, "it burns");
    scene.publish(2, &["20.0.1.0/24"]);
    scene.read("ml", "  suspend: true\n", "");
    stands(&mut scene, "suspended");
    scene.read("ml", "", ", content: IPv6");
    stands(&mut scene, "ipFamilies has no IPv6");
    scene.read("ml", "", "");
    let text = "scopes: [{namespaces: [other], resourceIds: [/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590], \
                nextHops: [Internet], serviceTags: [AzureKeyVault]}]";
    let none = crate::api::scopes::parse(text).unwrap();
    scene.setting.scopes = Arc::new(none);
    stands(&mut scene, "scope");
    scene.setting.scopes = Arc::new(Scopes::any());
    assert_eq!(scene.look(0)[0].state, "Served");
    assert_eq!(scene.served().len(), 2, "the hold of the first begins now");
}

#[test]
fn a_list_is_forgotten_when_it_is_certain_that_nobody_names_it() {
    let mut scene = Scene::new();
    scene.publish(1, &["20.0.0.0/24"]);
    scene.look(0);
    let network = scene.world.networks.remove(&key("ml")).unwrap();
    let mut stays = |change: &dyn Fn(&mut World), stays: bool| {
        let world = std::mem::take(&mut scene.world);
        change(&mut scene.world);
        scene.look(0);
        assert_eq!(!scene.store.lists().is_empty(), stays, "{:?}", scene.world);
        scene.world = world;
    };
    let other = |world: &mut World| {
        let mut other = network.clone();
        other.object.key = key("other");
        other.object.intent.outbound = None;
        world.networks.insert(key("other"), other);
    };
    stays(&|_| {}, true);
    stays(
        &|world| {
            other(world);
            let (place, message) = ("a.yaml".to_owned(), "it cannot be read".to_owned());
            world.undecodable.push(Undecodable { place, network: None, generation: 1, message });
        },
        true,
    );
    stays(
        &|world| {
            other(world);
            world.leaving.insert(key("ml"), Leaving { generation: 2, deletes: true });
        },
        true,
    );
    stays(
        &|world| {
            other(world);
            world.unclaimed.insert(key("ml"), BTreeSet::new());
        },
        true,
    );
    stays(
        &|world| {
            let mut broken = network.clone();
            broken.object.intent.outbound = None;
            broken.broken = Some("a typing error".to_owned());
            world.networks.insert(key("ml"), broken);
        },
        true,
    );
    stays(&other, false);
}

#[test]
fn a_list_that_was_lost_is_made_anew() {
    let mut scene = Scene::new();
    scene.publish(1, &["20.0.0.0/24"]);
    scene.look(0);
    let fw = scene.store.lists().into_keys().next().unwrap();
    scene.store.remember_list(&fw, None);
    assert_eq!(scene.look(0)[0].state, "Served");
    assert_eq!(scene.served().len(), 1);
}

#[tokio::test]
async fn what_is_remembered_is_read_back_and_what_was_edited_is_lost() {
    let mut scene = Scene::new();
    scene.publish(1, &["20.0.0.0/24", "20.0.1.0/24"]);
    scene.look(0);
    scene.publish(2, &["20.0.1.0/24"]);
    scene.look(1);
    scene.store.save().await.unwrap();
    let folder = scene.folder.path().join("lists");
    let file = folder.join("ns.ml.fw.json");
    let again = crate::store::files::lists::Lists::load(folder.clone());
    assert_eq!(again.all(), scene.store.lists(), "with its holds");
    assert_eq!(**again.published().borrow().as_ref().unwrap(), scene.store.lists());

    let text = std::fs::read_to_string(&file).unwrap();
    for damaged in [text.replacen("20.0.1.0", "20.0.9.0", 1), text[..text.len() / 2].to_owned(), String::new()] {
        assert_ne!(damaged, text);
        std::fs::write(&file, damaged).unwrap();
        assert!(crate::store::files::lists::Lists::load(folder.clone()).all().is_empty());
    }
    std::fs::write(&file, &text).unwrap();
    std::fs::rename(&file, folder.join("ns.other.fw.json")).unwrap();
    assert!(crate::store::files::lists::Lists::load(folder).all().is_empty());
}
