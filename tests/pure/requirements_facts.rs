//! The facts about both editions, read here for themselves: every row, port and host of their tables is in the data, in
//! its editions and clouds, and nothing else is.
//!
//! They lie in `../shared/facts/requirements.md` beside this repository; where they do not, these tests say so and pass.

use amlnet::domain::service_tags::Cloud;

use crate::requirements::{Fact, all, assert_same, cells, facts, missing, ports, shared};

pub(crate) const EDITIONS: [&str; 2] = ["2023-01", "2026-03"];

/// The tables of the page.
pub(crate) struct Page {
    /// Profile, tag, ports, one cell an edition, note.
    outbound: Vec<Vec<String>>,
    /// Tag, to, ports, which compute.
    inbound: Vec<Vec<String>>,
    /// Profile, hosts, ports, editions.
    packages: Vec<Vec<String>>,
    /// For, one cell a cloud.
    by_cloud: Vec<Vec<String>>,
    text: String,
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let table = |heading: &str| {
            let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("no table {heading}"));
            let section = rest.split("\n## ").next().unwrap();
            let rows = section.lines().filter_map(cells).skip(1);
            rows.map(|row| row.into_iter().map(str::to_owned).collect()).collect::<Vec<Vec<String>>>()
        };
        Self {
            outbound: table("\n## Service tags, outbound"),
            inbound: table("\n## Service tags, inbound"),
            packages: table("\n## Host names: packages"),
            by_cloud: table("\n## Host names: firewalls that know no service tags"),
            text: text.to_owned(),
        }
    }

    /// The clouds in whose files `AzureFrontDoor.FirstParty` is not.
    pub(crate) fn no_first_party(&self) -> Vec<Cloud> {
        let row = self.outbound.iter().find(|row| row[1].starts_with("AzureFrontDoor.FirstParty")).unwrap();
        match row[5].as_str() {
            "no such tag in the files of G and C" => vec![Cloud::AzureGovernment, Cloud::China],
            other => panic!("a note that this test does not know: {other}"),
        }
    }

    fn of_tags(&self, rows: &[Vec<String>], edition: &str, cloud: Cloud) -> Vec<Fact> {
        let column = 3 + EDITIONS.iter().position(|known| *known == edition).unwrap();
        let mut found = Vec::new();
        for row in rows {
            let said = row[column].as_str();
            if said == "–" || said.contains("not C") && cloud == Cloud::China {
                continue;
            }
            // What stands in brackets is another spelling.
            let tags = row[1].split(" (").next().unwrap().split(" + ");
            for tag in tags {
                if tag == "AzureFrontDoor.FirstParty" && self.no_first_party().contains(&cloud) {
                    continue;
                }
                // `MCR **.<region>**` beside another tag, `**global**` for the row's own.
                let is_regional = said.contains("**.<region>**") && tag == "MicrosoftContainerRegistry";
                let what = if is_regional { format!("{tag}.<region>") } else { tag.to_owned() };
                // The row of the platform's tag is the one for private endpoints, and has a profile of its own.
                let profile = if row[5].contains("a tag of the platform") { "PrivateEndpoints" } else { &row[0] };
                for (protocol, port) in ports(&row[2]) {
                    found.push(fact(edition, cloud, profile, "Outbound", &what, &protocol, port));
                }
            }
        }
        found
    }

    fn of_inbound(&self, edition: &str, cloud: Cloud) -> Vec<Fact> {
        let rows = self.inbound.iter().flat_map(|row| ports(&row[2]).into_iter().map(move |port| (row, port)));
        rows.map(|(row, (protocol, port))| fact(edition, cloud, "Base", "Inbound", &row[0], &protocol, port)).collect()
    }

    fn of_packages(rows: &[Vec<String>], edition: &str, cloud: Cloud) -> Vec<Fact> {
        let mut found = Vec::new();
        for row in rows.iter().filter(|row| row[3].starts_with("both") || row[3].starts_with(edition)) {
            let profile = match row[0].as_str() {
                "PythonPackages, index overwritten" => "PythonPackagesOwnIndex",
                "Docker images" => "Hosts",
                other => other.split(" (").next().unwrap(),
            };
            // Hosts behind `on port N` have that port, the others those of their column.
            for (index, part) in row[1].split("on port ").enumerate() {
                let number = part.split_whitespace().next().unwrap();
                let ports = if index == 0 { ports(&row[2]) } else { ports(number) };
                assert!(!ports.is_empty(), "{row:?}");
                for host in hosts(part) {
                    let each = ports.iter();
                    found
                        .extend(each.map(|(name, port)| fact(edition, cloud, profile, "Outbound", &host, name, *port)));
                }
            }
        }
        found
    }

    fn of_hosts(&self, cloud: Cloud) -> Vec<Fact> {
        let column = 1 + Cloud::ALL.iter().position(|known| *known == cloud).unwrap();
        let mut found = Vec::new();
        let mut add = |host: &str, (protocol, port): &(String, u16)| {
            found.push(fact("2026-03", cloud, "Hosts", "Outbound", host, protocol, *port));
        };
        let mut storage = "";
        for row in &self.by_cloud {
            let (purpose, public) = (row[0].replace("any protocol", "Any"), row[1].as_str());
            let own = if row[column] == "the same" { public } else { row[column].as_str() };
            // Beside a table of its own the storage of the user has no suffix: that of the row before counts.
            if let Some(suffix) = own.find(".core.").map(|at| &own[at..]) {
                storage = suffix;
            }
            // `file 443 and 445, dfs, blob`: each service with its ports.
            if let Some((_, services)) = purpose.split_once(": ").filter(|_| !own.is_empty()) {
                let whose = public.split('.').next().unwrap();
                for service in services.split(", ") {
                    let name = service.split(' ').next().unwrap();
                    assert!(public.contains(name) || public == "<storage>.…", "{row:?}");
                    let host = format!("{whose}.{name}{storage}");
                    for port in or_https(ports(service)) {
                        add(&host, &port);
                    }
                }
                continue;
            }
            for host in hosts(own) {
                for port in or_https(ports(&purpose)) {
                    add(&host, &port);
                }
            }
        }
        found
    }

    pub(crate) fn all(&self, edition: &str, cloud: Cloud) -> Vec<Fact> {
        let mut all = self.of_tags(&self.outbound, edition, cloud);
        all.extend(self.of_inbound(edition, cloud));
        all.extend(Self::of_packages(&self.packages, edition, cloud));
        if edition == "2026-03" {
            all.extend(self.of_hosts(cloud));
        }
        all
    }

    /// The rows that stand above or below what the seeds quote of their page.
    pub(crate) fn outside_of_seeds(&self, edition: &str, cloud: Cloud) -> Vec<Fact> {
        let (above, rest): (Vec<_>, Vec<_>) =
            self.outbound.iter().cloned().partition(|row| row[3].contains("above the point where the seed begins"));
        assert!(self.text.contains("The last two rows stand below the point where the seed ends."));
        let rows: Vec<Vec<String>> = above.into_iter().chain(rest[rest.len() - 2..].iter().cloned()).collect();
        assert_eq!(rows.len(), 3);
        let mut found = self.of_tags(&rows, edition, cloud);
        // The table of inbound traffic stands above, that of Docker images below.
        found.extend(self.of_inbound(edition, cloud));
        let images: Vec<_> = self.packages.iter().filter(|row| row[0] == "Docker images").cloned().collect();
        found.extend(Self::of_packages(&images, edition, cloud));
        found
    }
}

fn fact(
    edition: &str,
    cloud: Cloud,
    profile: &str,
    direction: &'static str,
    what: &str,
    protocol: &str,
    port: u16,
) -> Fact {
    let (edition, profile) = (edition.to_owned(), profile.to_owned());
    Fact {
        edition,
        cloud: cloud.name(),
        profile,
        direction,
        what: what.to_owned(),
        protocol: protocol.to_owned(),
        port,
    }
}

fn or_https(ports: Vec<(String, u16)>) -> Vec<(String, u16)> {
    if ports.is_empty() { vec![("TCP".to_owned(), 443)] } else { ports }
}

/// Every word with a dot in it. One placeholder holds a space.
fn hosts(text: &str) -> Vec<String> {
    let text = text.replace("<workspace id>", "<workspace_id>");
    let words = text.split([' ', ',', ';']).filter(|word| word.trim_end_matches('.').contains('.'));
    words.map(|word| word.replace("<workspace_id>", "<workspace id>")).collect()
}

#[test]
fn the_facts_and_the_data_say_the_same() {
    let Some(text) = shared("facts/requirements.md") else { return };
    let page = Page::read(&text);
    for edition in EDITIONS {
        for cloud in Cloud::ALL {
            let written = page.all(edition, cloud);
            assert!(written.len() >= 25, "{edition} {cloud}: {}", written.len());
            assert_same(&written, &facts(edition, cloud));
        }
    }
}

#[test]
fn a_changed_table_is_noticed() {
    let Some(text) = shared("facts/requirements.md") else { return };
    for (from, to, edition, cloud) in [
        ("| 80, 443 | yes (above", "| 81, 443 | yes (above", "2023-01", Cloud::China),
        ("| **.<region>** | **global** | always", "| **.<region>** | **.<region>** | always", "2026-03", Cloud::Public),
        ("yes, not C | yes, not C", "yes, not C | yes", "2026-03", Cloud::China),
        ("| 44224 |", "| 44225 |", "2026-03", Cloud::AzureGovernment),
        ("| Storage.<region> | 445 |", "| Storage | 445 |", "2023-01", Cloud::Public),
        ("<acr>.<region>.data.azurecr.io", "<acr>.data.azurecr.io", "2026-03", Cloud::Public),
        ("on port 80 archive", "on port 81 archive", "2026-03", Cloud::Public),
        ("| *.ml.azure.us |", "| *.ml.azure.gov |", "2026-03", Cloud::AzureGovernment),
        ("file 443 and 445, dfs, blob", "file 443, dfs, blob", "2026-03", Cloud::China),
        ("| compute instance UDP 5831", "| compute instance 5831", "2026-03", Cloud::Public),
        ("Batch, any protocol 443", "Batch, 443", "2026-03", Cloud::Public),
        (
            "graph.chinacloudapi.cn |\n| compute instance |",
            "graph.cn.example |\n| compute instance |",
            "2026-03",
            Cloud::China,
        ),
        ("*.gallerycdn.vsassets.io", "*.gallery.vsassets.io", "2026-03", Cloud::Public),
    ] {
        assert!(text.contains(from), "{from}");
        assert_same(&Page::read(&text).all(edition, cloud), &facts(edition, cloud));
        let changed = Page::read(&text.replace(from, to)).all(edition, cloud);
        let data = facts(edition, cloud);
        assert!(!missing(&changed, &data).is_empty() || !missing(&data, &changed).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn what_is_needed_on_a_condition_says_so() {
    let Some(text) = shared("facts/requirements.md") else { return };
    let page = Page::read(&text);
    for (column, edition) in EDITIONS.iter().enumerate() {
        let rows = all(edition, Cloud::Public).requirements;
        let base = page.outbound.iter().filter(|row| row[0] == "Base" && row[3 + column] != "–");
        for row in base {
            let tag = row[1].split([' ', '<']).next().unwrap().trim_end_matches('.');
            let is_it = |name: &Option<String>| name.as_deref() == Some(tag);
            let found = rows.iter().find(|row| is_it(&row.service_tag) || is_it(&row.platform_tag)).unwrap();
            let is_conditional = row[3 + column].starts_with("only where") || row[3 + column].starts_with("where");
            assert_eq!(found.condition.is_some(), is_conditional, "{edition} {tag}");
        }
    }
    let inbound =
        all("2026-03", Cloud::Public).requirements.into_iter().find(|row| row.direction == "Inbound").unwrap();
    assert_eq!(inbound.to.as_deref(), Some(page.inbound[0][1].as_str()));
    assert!(page.inbound[0][3].starts_with("with a public IP"));
    assert!(inbound.condition.unwrap().contains("with a public IP"));
}
