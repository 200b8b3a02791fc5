use super::*;

const HEAD: &str = "editions:
- {id: 2024-01, date: 2024-01-01, what: first}
profiles:
- {name: Base, for: all}
parameters:
- {name: storageAccount, placeholder: storage, form: StorageAccountName, what: a storage account}
requirements:
";
const ROW: &str = "- id: A
  direction: Outbound
  serviceTag: Storage
  regional: true
  ports: [{protocol: TCP, port: 443}]
  purpose: For a test.
  profile: Base
  clouds: [Public]
  editions: [2024-01]
  source: a test
";

fn hosts_row(hosts: &str) -> String {
    ROW.replace("  serviceTag: Storage\n  regional: true\n", &format!("  hosts: {hosts}\n"))
}

fn refusal(rows: &str) -> String {
    Requirements::parse(&format!("{HEAD}{rows}")).unwrap_err().to_string()
}

#[test]
fn the_compiled_in_tables_are_read() {
    let tables = Requirements::built_in();
    assert_eq!(tables.newest_edition().id, "2026-03");
    assert!(tables.profiles().iter().any(|profile| profile.default));
    assert!(Requirements::parse(&format!("{HEAD}{ROW}")).is_ok());
}

#[test]
fn a_mistake_in_a_row_is_refused_with_its_line_and_what_to_write() {
    // The first line of the row is the eighth of the file.
    for (from, to, message) in [
        ("id: A", "id: A b", "line 8: requirement A b: an id is at most 50 letters"),
        ("id: A", "id: .A", "line 8: requirement .A: an id is at most 50 letters"),
        ("Storage", "Storage.<region>", "line 10: requirement A: tag \"Storage.<region>\" holds a placeholder; write"),
        ("Storage", "St orage", "line 10: requirement A: tag \"St orage\" must be letters"),
        ("  regional: true\n", "", "line 8: requirement A: regional is missing; write true"),
        ("  serviceTag: Storage\n", "", "line 8: requirement A: regional belongs to a serviceTag; leave it out"),
        (
            "  regional: true\n",
            "  regional: true\n  hosts: [a.example]\n",
            "line 8: requirement A: write exactly one of",
        ),
        ("[{protocol: TCP, port: 443}]", "[]", "line 8: requirement A: ports is empty; write such as"),
        ("port: 443", "port: 0", "line 12: requirement A: port 0 is none"),
        ("443}]", "443}, {protocol: TCP, port: 443}]", "line 12: requirement A: TCP 443 stands twice"),
        ("protocol: TCP", "protocol: Https", "line 12: requirement A: Http and Https are for hosts; write TCP"),
        (
            "profile: Base",
            "profile: Bass",
            "line 14: requirement A: profile \"Bass\" is not one of the list profiles; did",
        ),
        (
            "editions: [2024-01]",
            "editions: [2025-01]",
            "line 16: requirement A: edition \"2025-01\" is not in the list editions (2024-01)",
        ),
        ("editions: [2024-01]", "editions: []", "line 8: requirement A: editions is empty"),
        ("clouds: [Public]", "clouds: []", "line 8: requirement A: clouds is empty; write some of Public"),
        ("clouds: [Public]", "clouds: [Public, Public]", "line 8: requirement A: a cloud stands twice"),
        ("purpose: For a test.", "purpose: ''", "line 8: requirement A: purpose is empty"),
        (
            "source: a test",
            "source: a test\n  to: VirtualNetwork",
            "line 8: requirement A: to and prefixesOf belong to",
        ),
    ] {
        let refused = refusal(&ROW.replacen(from, to, 1));
        assert!(refused.starts_with(message), "{from} -> {to}: {refused}");
    }
}

#[test]
fn what_yaml_or_the_shape_forbids_is_refused_with_a_line() {
    for (from, to, part) in [
        ("source: a test", "source: a test\n  colour: red", "colour"),
        ("clouds: [Public]", "clouds: [Germany]", "Germany"),
        ("protocol: TCP", "protocol: tcp", "tcp"),
        ("port: 443", "port: 65536", "65536"),
        ("  purpose: For a test.\n", "", "purpose"),
        ("  ports: [{protocol: TCP, port: 443}]\n", "", "ports"),
        ("direction: Outbound", "direction: Sideways", "Sideways"),
    ] {
        let refused = refusal(&ROW.replacen(from, to, 1));
        assert!(refused.starts_with("not tables of requirements: ") && refused.contains(part), "{to}: {refused}");
        assert!(refused.contains("line"), "{to}: {refused}");
    }
}

#[test]
fn hosts_are_checked_with_their_placeholders_filled_in() {
    assert!(Requirements::parse(&format!("{HEAD}{}", hosts_row("[\"<storage>.blob.<region>.example\"]"))).is_ok());
    for (hosts, message) in [
        ("[\"https://a.example\"]", "line 10: requirement A: host \"https://a.example\": "),
        ("[a.example, \"a.*.example\"]", "line 10: requirement A: host \"a.*.example\": "),
        (
            "[\"<acr>.example\"]",
            "line 10: requirement A: host \"<acr>.example\": no parameter has the placeholder <acr>",
        ),
        ("[]", "line 8: requirement A: hosts is empty"),
        ("[a.example, A.example]", "line 10: requirement A: \"A.example\" stands twice"),
    ] {
        let refused = refusal(&hosts_row(hosts));
        assert!(refused.starts_with(message), "{hosts}: {refused}");
    }
}

#[test]
fn an_id_stands_once_for_each_edition_and_cloud() {
    let again = ROW.replace("id: A", "id: a");
    let refused = refusal(&format!("{ROW}{again}"));
    assert!(
        refused.starts_with("line 18: requirement a: another entry has this id in edition 2024-01 for cloud Pub"),
        "{refused}"
    );
    let elsewhere = again.replace("[Public]", "[China]");
    assert!(Requirements::parse(&format!("{HEAD}{ROW}{elsewhere}")).is_ok());
}

#[test]
fn tables_without_rows_or_editions_are_refused() {
    let refused = Requirements::parse(HEAD).unwrap_err().to_string();
    assert!(refused.starts_with("requirements: it is missing or empty; write it, or extends: true"), "{refused}");
    assert!(Requirements::parse("profiles: []").unwrap_err().to_string().starts_with("editions: it is missing"));
}

#[test]
fn parameters_and_editions_are_checked() {
    for (from, to, message) in [
        ("placeholder: storage", "placeholder: region", "line 6: parameter storageAccount: placeholder \"region\" is"),
        ("date: 2024-01-01", "date: 1 May", "line 2: edition 2024-01: date \"1 May\" is no date; write 2026-03-19"),
        ("{name: Base, for: all}", "{name: B a, for: all}", "line 4: profile: \"B a\" must be at most 60 letters"),
        ("id: 2024-01", "id: spring", "line 2: edition spring: an edition is a year and a month"),
        ("id: 2024-01", "id: 2024-13", "line 2: edition 2024-13: an edition is a year and a month"),
    ] {
        let refused = Requirements::parse(&format!("{}{ROW}", HEAD.replacen(from, to, 1))).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{to}: {refused}");
    }
}

#[test]
fn routes_are_checked() {
    let route = |to: &str| {
        format!(
            "{HEAD}{ROW}routes:\n- id: R\n  compute: PublicIp\n  {to}\n  nextHop: Internet\n  purpose: For a test.\n  \
             clouds: [Public]\n  editions: [2024-01]\n  source: a test\n"
        )
    };
    assert!(Requirements::parse(&route("prefix: 0.0.0.0/0")).is_ok());
    assert!(Requirements::parse(&route("serviceTag: Storage\n  addressing: ServiceTag")).is_ok());
    let refused = Requirements::parse(&route("prefix: 10.0.0.1/8")).unwrap_err().to_string();
    assert!(refused.starts_with("line 21: route R: prefix: "), "{refused}");
    let refused = Requirements::parse(&route("serviceTag: Storage")).unwrap_err().to_string();
    assert!(refused.starts_with("line 19: route R: write serviceTag with addressing"), "{refused}");
}

#[test]
fn a_file_that_extends_adds_and_takes_the_places_of_what_has_its_ids() {
    let base = Requirements::parse(&format!("{HEAD}{}", ROW.replace("[Public]", "[Public, China]"))).unwrap();
    let port = |row: &Row| row.ports[0].port;
    let changed = ROW.replace("443", "444");
    let second = ROW.replace("id: A", "id: B");
    let extended = base.clone().extended(&format!("requirements:\n{changed}{second}")).unwrap();
    let found: Vec<(&str, Vec<Cloud>, u16)> =
        extended.rows.iter().map(|row| (row.id.as_str(), row.clouds.clone(), port(row))).collect();
    assert_eq!(
        found,
        [("A", vec![Cloud::China], 443), ("A", vec![Cloud::Public], 444), ("B", vec![Cloud::Public], 443)]
    );
    let edition = "editions: [{id: 2025-01, date: 2025-01-01, what: second}]\nrequirements:\n";
    let newer = base.extended(&format!("{edition}{}", changed.replace("[2024-01]", "[2025-01]"))).unwrap();
    assert_eq!(newer.newest_edition().id, "2025-01");
    assert_eq!(newer.rows.len(), 2, "the older edition keeps its row");
}

#[test]
fn extends_adds_to_what_is_compiled_in() {
    let yaml = format!("extends: true\nrequirements:\n{}", ROW.replace("[2024-01]", "[\"2026-03\"]"));
    let extended = Requirements::parse(&yaml).unwrap();
    assert_eq!(extended.rows.len(), Requirements::built_in().rows.len() + 1);
    assert!(Requirements::parse(&yaml.replace("extends: true", "extends: yes")).is_err());
}
