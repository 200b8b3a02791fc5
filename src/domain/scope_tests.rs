use super::*;
use crate::demand::demands;
use crate::intent::Intent;
use crate::region::Regions;
use crate::requirement::Requirements;
use crate::service_tags::Cloud;
use crate::testing;

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a";

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn table(group: &str, name: &str) -> ResourceId {
    id(&format!("{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/routeTables/{name}"))
}

fn list<T: FromStr<Err: fmt::Display>>(texts: &[&str]) -> Allowed<T> {
    let mut list = Allowed::NOTHING;
    for text in texts {
        list.add(text).unwrap();
    }
    list
}

fn scope(namespaces: &[&str], ids: &[&str], tags: &[&str], hops: &[&str]) -> Scope {
    Scope {
        namespaces: namespaces.iter().map(|text| text.parse().unwrap()).collect(),
        resource_ids: list(ids),
        service_tags: list(tags),
        next_hops: list(hops),
        hosts: Allowed::NOTHING,
        source_ranges: Allowed::NOTHING,
    }
}

fn covers(prefix: &str, id: &ResourceId) -> bool {
    prefix.parse::<IdPrefix>().unwrap().covers(id)
}

fn check(scopes: &Scopes, namespace: &str, intent: &Intent) -> Result<(), OutOfScope> {
    scopes.check(namespace, &demands(intent, &Requirements::built_in(), &Regions::built_in(), Some(Cloud::Public)))
}

#[test]
fn ids_are_compared_segment_by_segment_without_case() {
    let wanted = table("rg-team-a", "rt");
    for (prefix, is_covered) in [
        (SUBSCRIPTION.to_owned(), true),
        (SUBSCRIPTION.to_uppercase(), true),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-team-a"), true),
        (format!("{SUBSCRIPTION}/RESOURCEGROUPS/RG-Team-A"), true),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-team-a/providers/Microsoft.Network"), true),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-team-a/providers/microsoft.network/routetables"), true),
        (wanted.to_string().to_uppercase(), true),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-team"), false),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-team-a2"), false),
        (format!("{SUBSCRIPTION}/resourceGroups/g-team-a"), false),
        (format!("{}b", &SUBSCRIPTION[..SUBSCRIPTION.len() - 1]), false),
        (format!("{wanted}2"), false),
        (wanted.to_string().replace("/rt", "/r"), false),
    ] {
        assert_eq!(covers(&prefix, &wanted), is_covered, "{prefix}");
    }
    assert!(!covers(&format!("{SUBSCRIPTION}/resourceGroups/rg-team-a"), &table("rg-team-a2", "rt")));
    assert!(!covers(&table("rg", "rt").to_string(), &table("rg", "rt2")));
}

#[test]
fn what_is_not_the_beginning_of_an_id_is_refused_with_what_to_write() {
    let group = format!("{SUBSCRIPTION}/resourceGroups/rg");
    for (text, said) in [
        (String::new(), "does not begin with /"),
        ("/".to_owned(), "ends with /"),
        ("rg-team-a".to_owned(), "does not begin with /"),
        ("subscriptions/x".to_owned(), "does not begin with /"),
        (format!("https://management.azure.com{group}"), "does not begin with /"),
        ("/subscriptions".to_owned(), "the id of the subscription is missing"),
        ("/subscriptions/0000".to_owned(), "\"0000\" is not the id of a subscription"),
        (SUBSCRIPTION.replace("00a", "00"), "is not the id of a subscription"),
        (format!("{SUBSCRIPTION}0"), "is not the id of a subscription"),
        (format!("{SUBSCRIPTION}/"), "ends with /"),
        (format!("{SUBSCRIPTION}/resourceGroups"), "the name of the resource group is missing"),
        (format!("{SUBSCRIPTION}//resourceGroups/rg"), "nothing stands between two /"),
        (format!("/{group}"), "nothing stands between two /"),
        (format!("{group}/"), "ends with /"),
        (format!("{group}/.."), "leads elsewhere"),
        (format!("{SUBSCRIPTION}/resourceGroups/../rg"), "leads elsewhere"),
        (format!("{SUBSCRIPTION}/resourceGroups/."), "leads elsewhere"),
        (format!("{SUBSCRIPTION}/resourceGroups/rg%2f"), "has a %"),
        (format!("{SUBSCRIPTION}/resourceGroups/%2e%2e"), "has a %"),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-*"), "has a *"),
        (format!("{SUBSCRIPTION}/resourceGroups/*"), "has a *"),
        (format!("{SUBSCRIPTION}/resourceGroups/rg."), "is not the name of a resource group"),
        (format!("{SUBSCRIPTION}/resourceGroups/rg team"), "is not the name of a resource group"),
        (format!("{SUBSCRIPTION}/resourceGroups/rg-te\u{430}m"), "is not the name of a resource group"),
        (format!("{SUBSCRIPTION}/resourceGroup/rg"), "\"resourceGroup\" stands where \"resourceGroups\" belongs"),
        (format!("{SUBSCRIPTION}/re\u{17f}ourceGroups/rg"), "stands where \"resourceGroups\" belongs"),
        (format!("{group}/providers"), "Microsoft.Network is missing"),
        (format!("{group}/providers/Microsoft.Compute"), "stands where \"Microsoft.Network\" belongs"),
        (
            format!("{group}/providers/Microsoft.Network/routeTable"),
            "stands where \"routeTables\", \"ipGroups\", \"firewallPolicies\" or \"networkSecurityGroups\" belongs",
        ),
        (
            format!("{group}/providers/Microsoft.Network/virtualNetworks/v"),
            "stands where \"routeTables\", \"ipGroups\", \"firewallPolicies\" or \"networkSecurityGroups\" belongs",
        ),
        (format!("{}/routes/x", table("rg", "rt")), "\"routes\" is inside a resource"),
        ("/providers/Microsoft.Management/managementGroups/mg".to_owned(), "stands where \"subscriptions\" belongs"),
    ] {
        let error = text.parse::<IdPrefix>().expect_err(&text);
        assert!(error.contains(said) && error.contains("write /subscriptions/<subscription id>"), "{text}: {error}");
    }
}

#[test]
fn namespaces_are_names_or_their_beginning() {
    for (pattern, namespace, matches) in [
        ("team-a", "team-a", true),
        ("team-a", "team-ab", false),
        ("team-a", "team-", false),
        ("team-b-*", "team-b-1", true),
        ("team-b-*", "team-b", false),
        ("team-b-*", "team-c-1", false),
        ("team-b*", "team-b", true),
        ("*", "anything", true),
    ] {
        assert_eq!(pattern.parse::<NamespacePattern>().unwrap().matches(namespace), matches, "{pattern} {namespace}");
    }
    for bad in
        ["", "Team", "team_a", "team-", "-team", "-*", "*-a", "a*b", "**", "a.b", "te\u{430}m", "a b", "a/b", "[ab]*"]
    {
        let error = bad.parse::<NamespacePattern>().expect_err(bad);
        assert!(error.contains("is no namespace; write"), "{error}");
    }
}

#[test]
fn next_hops_are_internet_or_ranges_of_addresses() {
    let hop = |text: &str| match text {
        "Internet" => NextHop::Internet,
        "None" => NextHop::Other("None".to_owned()),
        text => NextHop::VirtualAppliance(text.parse().unwrap()),
    };
    for (pattern, wanted, is_covered) in [
        ("Internet", "Internet", true),
        ("Internet", "10.0.1.4", false),
        ("0.0.0.0/0", "Internet", false),
        ("0.0.0.0/0", "10.0.1.4", true),
        ("0.0.0.0/0", "fd00::4", false),
        ("::/0", "10.0.1.4", false),
        ("10.0.1.0/24", "10.0.1.4", true),
        ("10.0.1.0/24", "10.0.2.4", false),
        ("10.0.1.4/32", "10.0.1.4", true),
        ("10.0.1.4/32", "10.0.1.5", false),
        ("10.0.0.0/8", "::ffff:10.0.1.4", false),
        ("fd00::/8", "fd00::4", true),
        ("Internet", "None", false),
        ("0.0.0.0/0", "None", false),
    ] {
        let parsed: HopPattern = pattern.parse().unwrap();
        assert_eq!(parsed.covers(&hop(wanted)), is_covered, "{pattern} {wanted}");
    }
    for (bad, said) in [
        ("internet", "write Internet"),
        ("VirtualAppliance", "write Internet"),
        ("10.0.1.4", "write 10.0.1.4/32"),
        ("fd00::4", "write fd00::4/128"),
        ("10.0.1.4/24", "the prefix is 10.0.1.0/24"),
        ("010.0.0.0/8", "not a prefix"),
        ("", "not a prefix"),
        ("10.0.0.0/33", "not a prefix"),
    ] {
        let error = bad.parse::<HopPattern>().unwrap_err();
        assert!(error.contains(said), "{bad}: {error}");
    }
}

#[test]
fn a_tag_is_its_whole_name() {
    let allows =
        |listed: &str, wanted: &str| scope(&["*"], &["*"], &[listed], &["*"]).allows(&Wanted::Tag(wanted.into()));
    assert!(allows("AzureMachineLearning", "azuremachinelearning"));
    assert!(allows("Storage.EastUS2", "Storage.eastus2"));
    assert!(allows("*", "AzureCloud"));
    for (listed, wanted) in [
        ("AzureMachineLearning", "AzureMachine"),
        ("AzureMachineLearning", "AzureMachineLearningX"),
        ("Storage.EastUS2", "Storage"),
        ("Storage", "Storage.EastUS2"),
        ("Storage", "AzureCloud"),
        ("Storage", "\u{17f}torage"),
        ("BatchNodeManagement", "BatchNodeManagement\u{200b}"),
    ] {
        assert!(!allows(listed, wanted), "{listed} {wanted}");
    }
    for bad in ["", "Azure*", "Azure Cloud", "1Azure", "Storage/x", "\u{17f}torage"] {
        assert!(bad.parse::<TagName>().unwrap_err().contains("write a whole name"), "{bad}");
    }
}

#[test]
fn hosts_are_names_or_all_below_one() {
    for (pattern, host, is_covered) in [
        ("pypi.org", "pypi.org", true),
        ("pypi.org", "PyPI.org", true),
        ("pypi.org", "files.pypi.org", false),
        ("pypi.org", "*.pypi.org", false),
        ("*.pypi.org", "files.pypi.org", true),
        ("*.pypi.org", "a.files.PYPI.org", true),
        ("*.pypi.org", "*.pypi.org", true),
        ("*.pypi.org", "*.files.pypi.org", true),
        ("*.pypi.org", "pypi.org", false),
        ("*.pypi.org", ".pypi.org", false),
        ("*.pypi.org", "evilpypi.org", false),
        ("*.pypi.org", "pypi.org.evil.net", false),
        ("*.pypi.org", "*.org", false),
        ("*.pypi.org", "p\u{443}pi.org", false),
        ("*.pypi.org", "\u{e9}.pypi.org", true),
        // What one row of the documentation writes reaches strangers: it is allowed by itself, and allows nothing else.
        ("*pypi.org", "*pypi.org", true),
        ("*pypi.org", "pypi.org", false),
        ("*pypi.org", "evilpypi.org", false),
        ("*.pypi.org", "*pypi.org", false),
        ("pypi.org", "*pypi.org", false),
    ] {
        assert_eq!(pattern.parse::<HostPattern>().unwrap().covers(host), is_covered, "{pattern} {host}");
    }
    for bad in ["", "org", "*.org.", "*.", "*org", "a.*.org", "https://pypi.org", "pypi.org/x", "pypi..org", "a b.org"]
    {
        assert!(bad.parse::<HostPattern>().unwrap_err().contains("is not a host"), "{bad}");
    }
}

#[test]
fn sources_lie_within_a_range() {
    let mut allowing = scope(&["*"], &["*"], &["*"], &["*"]);
    let allows = |scope: &Scope, source: &str| scope.allows(&Wanted::Source(source.parse().unwrap()));
    assert!(!allows(&allowing, "10.1.0.0/24"), "a list that is not there allows nothing");
    assert!(!allowing.allows(&Wanted::Host("pypi.org".into())));
    allowing.source_ranges = list(&["10.1.0.0/16"]);
    for (source, is_allowed) in
        [("10.1.0.0/16", true), ("10.1.2.0/24", true), ("10.0.0.0/8", false), ("10.2.0.0/16", false), ("::/0", false)]
    {
        assert_eq!(allows(&allowing, source), is_allowed, "{source}");
    }
    let mut ranges: Allowed<Prefix> = Allowed::NOTHING;
    assert!(ranges.add("10.1.2.3/16").unwrap_err().contains("the prefix is 10.1.0.0/16"));
}

fn intent(services: &[&str], hop: NextHop, default_route: Option<&str>, id: ResourceId) -> Intent {
    let mut intent = testing::intent();
    intent.services = services.iter().map(|text| (*text).to_owned()).collect();
    intent.route_tables[0].id = id;
    intent.route_tables[0].next_hop = hop;
    intent.route_tables[0].default_route = default_route.map(|text| text.parse().unwrap());
    intent
}

const GROUP_A: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-a";
const GROUP_B: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-b";

#[test]
fn one_entry_has_to_allow_all_of_one_target() {
    let scopes = Scopes::only(vec![
        scope(&["team"], &[GROUP_A], &["Storage"], &["Internet"]),
        scope(&["team"], &[GROUP_B], &["AzureMachineLearning"], &["10.0.0.0/8"]),
    ]);
    let firewall = NextHop::VirtualAppliance("10.0.1.4".parse().unwrap());
    let of = |services: &[&str], hop: &NextHop, group: &str| {
        check(&scopes, "team", &intent(services, hop.clone(), None, table(group, "rt"))).map_err(|why| why.to_string())
    };
    assert_eq!(of(&["Storage"], &NextHop::Internet, "rg-a"), Ok(()));
    assert_eq!(of(&["AzureMachineLearning"], &firewall, "RG-B"), Ok(()));
    for (services, hop, group, said) in [
        (&["AzureMachineLearning"][..], &NextHop::Internet, "rg-a", "spec.routes.services[0]: AzureMachineLearning"),
        (&["Storage"], &firewall, "rg-a", "routeTables[0].nextHop: VirtualAppliance 10.0.1.4"),
        (&["AzureMachineLearning"], &NextHop::Internet, "rg-b", "routeTables[0].nextHop: Internet"),
        (&["AzureMachineLearning", "Storage"], &firewall, "rg-b", "spec.routes.services[1]: Storage"),
    ] {
        let error = of(services, hop, group).unwrap_err();
        assert!(error.contains(said) && error.contains("for this target: "), "{error}");
    }
    let outside = of(&["Storage"], &NextHop::Internet, "rg-c").unwrap_err();
    let told = format!("resourceIds that it may name: {GROUP_A}, {GROUP_B}; ");
    assert!(outside.contains(&told) && outside.contains("ask whoever keeps the scopes"), "{outside}");
}

#[test]
fn a_default_route_needs_its_next_hop_and_a_table_without_services_no_other() {
    let scopes = Scopes::only(vec![scope(&["team"], &[GROUP_A], &[], &["10.0.1.0/24"])]);
    let checked = |services: &[&str], route: &str| {
        check(&scopes, "team", &intent(services, NextHop::Internet, Some(route), table("rg-a", "rt")))
    };
    assert_eq!(checked(&[], "10.0.1.4"), Ok(()));
    let error = checked(&[], "10.0.2.4").unwrap_err().to_string();
    assert!(error.contains("routeTables[0].defaultRoute.ipAddress: VirtualAppliance 10.0.2.4 is outside"), "{error}");
    let error = checked(&["Storage"], "10.0.1.4").unwrap_err().to_string();
    assert!(error.contains("serviceTags that it may name for this target: none"), "{error}");
}

#[test]
fn a_namespace_without_a_scope_may_name_nothing_and_others_are_not_told_of() {
    let scopes = Scopes::only(vec![scope(&["team-a"], &[GROUP_A], &["*"], &["*"])]);
    let wanted = intent(&["Storage"], NextHop::Internet, None, table("rg-a", "rt"));
    assert_eq!(check(&scopes, "team-a", &wanted), Ok(()));
    let error = check(&scopes, "team-b", &wanted).unwrap_err().to_string();
    assert!(error.contains("no scope is for the namespace team-b"), "{error}");
    assert!(!error.contains("team-a") && !error.contains("may name: "), "{error}");
    assert!(scopes.reaches("team-a", &table("rg-a", "rt")) && !scopes.reaches("team-b", &table("rg-a", "rt")));
    assert!(Scopes::any().reaches("team-b", &table("rg-a", "rt")) && check(&Scopes::any(), "team-b", &wanted).is_ok());
}

#[test]
fn a_network_with_one_target_too_many_is_refused_as_a_whole_and_long_lists_are_cut() {
    let many: Vec<String> = (0..20).map(|n| format!("{GROUP_A}{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let scopes = Scopes::only(vec![scope(&["team"], &many, &["*"], &["*"])]);
    let mut wanted = intent(&["Storage"], NextHop::Internet, None, table("rg-a01", "rt"));
    assert_eq!(check(&scopes, "team", &wanted), Ok(()));
    for n in 0..5 {
        let mut more = wanted.route_tables[0].clone();
        more.id = table("rg-z", &format!("rt{n}"));
        wanted.route_tables.push(more);
    }
    let error = check(&scopes, "team", &wanted).unwrap_err().to_string();
    assert!(error.contains("routeTables[1].id") && !error.contains("routeTables[0].id"), "{error}");
    assert!(error.contains("; and 2 more; ") && error.contains(", and 12 more"), "{error}");
}
