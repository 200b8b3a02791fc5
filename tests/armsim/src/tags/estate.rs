//! What all regions and services hold, and what a week changes. The global tags are made from the regional ones, which
//! is what keeps the identity of `AzureMachineLearning` and `BatchNodeManagement` true.

use super::{
    document::{Document, Properties, Tag, order},
    services::{BATCH, CLOUD_FEATURES, MACHINE_LEARNING, REGIONAL, SINGLE, Service},
    space::Space,
};
use crate::{
    model::random::Random,
    regions::{Cloud, REGIONS, Region},
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// Announced in the weeks to come.
const LATE_REGIONS: [&str; 2] = ["Denmark East", "East US 3"];
/// Grow first, so that even two documents show something for the regions of Microsoft's own example.
const FIRST_TO_GROW: [&str; 3] = ["eastus2", "centralus", "canadaeast"];
const FIRST_CHANGE_NUMBER: u32 = 330;
/// Prefixes of the global `AzureMachineLearning` tag that lie in no `AzureCloud.<region>`.
const STRAYS: usize = 24;

type Key = (&'static str, usize);

struct Home {
    region: &'static Region,
    space: Space,
    announced: Vec<IpNet>,
}

pub(super) struct Estate {
    random: Random,
    change_number: u32,
    homes: Vec<Home>,
    late: Vec<&'static Region>,
    /// By service and region.
    regional: BTreeMap<Key, Vec<IpNet>>,
    single: BTreeMap<&'static str, Vec<IpNet>>,
    elsewhere: Space,
    strays: Vec<IpNet>,
    /// What was removed and comes back in a later week.
    away: Vec<(u32, Key, IpNet)>,
}

impl Estate {
    pub(super) fn new(seed: u64) -> Self {
        let mut estate = Self {
            random: Random::new(seed),
            change_number: FIRST_CHANGE_NUMBER,
            homes: vec![],
            late: vec![],
            regional: BTreeMap::new(),
            single: BTreeMap::new(),
            elsewhere: Space::unannounced(),
            strays: vec![],
            away: vec![],
        };
        for region in REGIONS.iter().filter(|region| matches!(region.cloud, Cloud::Public | Cloud::Stage)) {
            if LATE_REGIONS.contains(&region.display_name) {
                estate.late.push(region);
            } else {
                estate.announce(region);
            }
        }
        for service in SINGLE {
            let Self { elsewhere, random, single, .. } = &mut estate;
            let next = |i| {
                if i % 5 == 4 { elsewhere.next_ipv6(124, random) } else { elsewhere.next_ipv4(24, 30, random) }
            };
            single.insert(service.name, (0..service.size).map(next).collect());
        }
        let Self { elsewhere, random, .. } = &mut estate;
        estate.strays = (0..STRAYS).map(|_| elsewhere.next_ipv4(27, 29, random)).collect();
        estate
    }

    /// A region begins: its address space, and a few prefixes for each service.
    fn announce(&mut self, region: &'static Region) {
        let number = u8::try_from(self.homes.len()).expect("there are fewer than 100 regions");
        let space = Space::of_region(number);
        let announced = space.announced(number, &mut self.random);
        let at = self.homes.len();
        self.homes.push(Home { region, space, announced });
        for service in REGIONAL {
            let is_there = service.thirds == 3 || self.random.below(3) < service.thirds;
            if is_there {
                let spread = service.size / 2;
                let count = self.random.between(service.size - spread, service.size + spread).max(2);
                self.grow(service, at, count);
            }
        }
    }

    /// More prefixes of a service in a region; about every fifth is IPv6.
    fn grow(&mut self, service: &Service, at: usize, count: u64) {
        let is_small = [MACHINE_LEARNING.name, BATCH.name].contains(&service.name);
        let Self { homes, random, regional, .. } = self;
        let space = &mut homes[at].space;
        let prefixes = regional.entry((service.name, at)).or_default();
        for i in 0..count {
            prefixes.push(match (i % 5 == 4, is_small) {
                (true, true) => space.next_ipv6(122, random),
                (true, false) => space.next_ipv6(124, random),
                (false, true) => space.next_ipv4(26, 32, random),
                (false, false) => space.next_ipv4(26, 30, random),
            });
        }
    }

    /// One week of changes: always some noise, and in turn each kind of event that the real documents show.
    pub(super) fn pass_week(&mut self, week: u32) {
        let event = (week - 1) % 8;
        // Real documents of one number were published twice with different content.
        if event != 2 {
            self.change_number += 1;
        }
        self.make_noise();
        self.bring_back(week);
        match event {
            0 => self.grow_machine_learning(week),
            1 => self.drop_tags(week),
            3 => self.remove_for_a_while(week),
            4 => self.shrink("LogicApps", "centralus", 11),
            5 => self.begin_region(),
            6 => {
                let left = self.strays.len().saturating_sub(4);
                self.strays.truncate(left);
            }
            _ => {}
        }
    }

    /// Other tags gain and lose a few prefixes each week.
    fn make_noise(&mut self) {
        for _ in 0..30 {
            let (service, at) = self.any_other();
            let count = self.random.between(1, 3);
            self.grow(&service, at, count);
        }
        for _ in 0..6 {
            let (service, at) = self.any_other();
            if let Some(prefixes) = self.regional.get_mut(&(service.name, at)).filter(|prefixes| prefixes.len() > 3) {
                prefixes.remove(0);
            }
        }
    }

    /// A service, but neither of the two that the controller watches by default, and a region.
    fn any_other(&mut self) -> (Service, usize) {
        let count = |len: usize| u64::try_from(len).unwrap_or(1);
        loop {
            let service = REGIONAL[usize::try_from(self.random.below(count(REGIONAL.len()))).unwrap_or(0)];
            let at = usize::try_from(self.random.below(count(self.homes.len()))).unwrap_or(0);
            let is_watched = [MACHINE_LEARNING.name, BATCH.name].contains(&service.name);
            if !is_watched && self.regional.contains_key(&(service.name, at)) {
                return (service, at);
            }
        }
    }

    /// Ten new prefixes in many regions at once, as between 2025-11 and 2026-05.
    fn grow_machine_learning(&mut self, week: u32) {
        for at in 0..self.homes.len() {
            let is_first = week == 1 && FIRST_TO_GROW.contains(&self.homes[at].region.name().as_str());
            let is_drawn = self.random.below(self.homes.len() as u64) < 44;
            if is_first || is_drawn {
                self.grow(&MACHINE_LEARNING, at, 10);
            }
        }
    }

    /// Tags vanish: three of one service first, then a regional one each time.
    fn drop_tags(&mut self, week: u32) {
        if week == 2 {
            for name in ["AzureUpdateDelivery.Alpha", "AzureUpdateDelivery.Beta", "AzureUpdateDelivery.Gamma"] {
                self.single.remove(name);
            }
        } else {
            let (service, at) = self.any_other();
            self.regional.remove(&(service.name, at));
        }
    }

    /// Prefixes leave and come back two weeks later, one of `AzureMachineLearning` among them.
    fn remove_for_a_while(&mut self, week: u32) {
        let eastus2 = self.home("eastus2");
        let mut hit: BTreeSet<Key> =
            (0..10).map(|_| self.any_other()).map(|(service, at)| (service.name, at)).collect();
        hit.insert((MACHINE_LEARNING.name, eastus2));
        for key in hit {
            if let Some(prefixes) = self.regional.get_mut(&key).filter(|prefixes| prefixes.len() > 2) {
                self.away.push((week + 2, key, prefixes.remove(0)));
            }
        }
    }

    fn bring_back(&mut self, week: u32) {
        let (due, later) = std::mem::take(&mut self.away).into_iter().partition(|(when, ..)| *when <= week);
        self.away = later;
        let due: Vec<(u32, Key, IpNet)> = due;
        for (_, key, prefix) in due {
            self.regional.entry(key).or_default().push(prefix);
        }
    }

    fn shrink(&mut self, service: &'static str, region: &str, left: usize) {
        let at = self.home(region);
        if let Some(prefixes) = self.regional.get_mut(&(service, at)) {
            prefixes.truncate(left);
        }
    }

    fn begin_region(&mut self) {
        if !self.late.is_empty() {
            let region = self.late.remove(0);
            self.announce(region);
        }
    }

    fn home(&self, region: &str) -> usize {
        self.homes.iter().position(|home| home.region.name() == region).expect("the region is in the table")
    }

    /// The document of this week. A tag's own number grows when its content does not equal that of the previous one.
    pub(super) fn document(&self, previous: Option<&Document>) -> Document {
        let mut values = self.cloud_tags();
        for service in REGIONAL {
            let mut global: Vec<IpNet> =
                if service.name == MACHINE_LEARNING.name { self.strays.clone() } else { vec![] };
            for (at, home) in self.homes.iter().enumerate() {
                let Some(prefixes) = self.regional.get(&(service.name, at)) else {
                    continue;
                };
                global.extend(prefixes.iter().filter(|prefix| is_in_global(service, prefix)));
                let name = format!("{}.{}", service.name, home.region.tag_name());
                let mut prefixes = prefixes.clone();
                prefixes.extend(self.foreign_prefix(service, at));
                values.push(tag(name, Some((home.region, at)), service.system, prefixes, service.regional));
            }
            values.push(tag(service.name.to_owned(), None, service.system, global, service.global));
        }
        for service in SINGLE {
            if let Some(prefixes) = self.single.get(service.name) {
                values.push(tag(service.name.to_owned(), None, service.system, prefixes.clone(), service.global));
            }
        }
        values.sort_by_cached_key(|tag| order(&tag.name));
        for tag in &mut values {
            tag.properties.change_number = match previous.and_then(|document| document.tag(&tag.name)) {
                None => 1,
                Some(old) => {
                    let same = old.properties.address_prefixes == tag.properties.address_prefixes;
                    old.properties.change_number + u32::from(!same)
                }
            };
        }
        Document { change_number: self.change_number, cloud: "Public", values }
    }

    fn cloud_tags(&self) -> Vec<Tag> {
        let regional = self.homes.iter().enumerate().map(|(at, home)| {
            let name = format!("AzureCloud.{}", home.region.document_name());
            tag(name, Some((home.region, at)), "", home.announced.clone(), CLOUD_FEATURES)
        });
        let all = self.homes.iter().flat_map(|home| home.announced.iter().copied()).collect();
        regional.chain([tag("AzureCloud".to_owned(), None, "", all, CLOUD_FEATURES)]).collect()
    }

    /// In good documents, too, some regions of `EventHub` have a prefix of another region.
    fn foreign_prefix(&self, service: &Service, at: usize) -> Option<IpNet> {
        let is_odd = service.name == "EventHub" && at < 7;
        let other = self.regional.get(&(service.name, at + 1)).filter(|_| is_odd)?;
        other.first().copied()
    }
}

/// The global tag of Storage has far from all that the regional ones have, as in real documents.
fn is_in_global(service: &Service, prefix: &IpNet) -> bool {
    service.name != "Storage" || !prefix.addr().to_string().len().is_multiple_of(3)
}

fn tag(
    name: String,
    region: Option<(&Region, usize)>,
    system_service: &'static str,
    mut address_prefixes: Vec<IpNet>,
    network_features: super::document::Features,
) -> Tag {
    address_prefixes.sort_unstable();
    let properties = Properties {
        change_number: 1,
        region: region.map(|(region, _)| region.document_name()).unwrap_or_default(),
        region_id: region.map_or(0, |(_, at)| u32::try_from(at).unwrap_or(0) + 1),
        platform: "Azure",
        system_service,
        address_prefixes,
        network_features,
    };
    Tag { id: name.clone(), name, properties }
}
