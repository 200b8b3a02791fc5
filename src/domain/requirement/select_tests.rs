use super::*;
use crate::requirement::Destination;
use crate::requirement::testing::{TABLES, outbound, region};

fn ids<H>(selection: &Selection<H>) -> Vec<&str> {
    selection.rows.iter().map(|row| row.id.as_str()).collect()
}

fn select(outbound: &Outbound) -> Result<Selection, SelectError> {
    TABLES.select(outbound, Cloud::Public, &region("eastus2").name)
}

#[test]
fn rows_of_the_edition_the_profiles_and_the_cloud_are_selected_in_their_order() {
    let base = outbound(&["Base"]);
    let public = select(&base).unwrap();
    assert_eq!(ids(&public)[..3], ["AzureActiveDirectory", "AzureMachineLearning", "BatchNodeManagement"]);
    assert!(ids(&public).contains(&"AzureFrontDoor.FrontEnd"));
    let china = TABLES.select(&base, Cloud::China, &region("chinaeast2").name).unwrap();
    assert!(!ids(&china).iter().any(|id| id.starts_with("AzureFrontDoor")));
    let old = select(&Outbound { edition: "2023-01".to_owned(), ..base.clone() }).unwrap();
    let registry = |selection: &Selection| {
        let row = selection.rows.iter().find(|row| row.id == "MicrosoftContainerRegistry").unwrap();
        row.destination.clone()
    };
    let name = "MicrosoftContainerRegistry".to_owned();
    assert_eq!(registry(&old), Destination::Tag { name: name.clone(), regional: true });
    assert_eq!(registry(&public), Destination::Tag { name, regional: false });
}

#[test]
fn a_row_is_left_out_by_its_id_or_by_its_tag_in_any_case() {
    let with = |profiles: &[&str], name: &str| {
        select(&Outbound { exclude: [name.to_owned()].into(), ..outbound(profiles) }).unwrap()
    };
    for name in ["Storage", "storage", "Storage.<region>"] {
        let left = with(&["Base", "StorageFirewall"], name);
        assert!(!ids(&left).iter().any(|id| id.contains("Storage")), "{name}");
    }
    assert!(ids(&with(&["Base", "StorageFirewall"], "StorageFirewall.Storage")).contains(&"Storage"));
    assert!(!ids(&with(&["Base"], "Frontdoor.FirstParty")).contains(&"AzureFrontDoor.FirstParty"));
    assert!(ids(&with(&["HbiWorkspace"], "Keyvault.<region>")).is_empty());
    let inbound = with(&["Base"], "AzureMachineLearning");
    assert!(ids(&inbound).contains(&"AzureMachineLearning.Inbound"), "a tag means what goes out");
    assert!(!ids(&inbound).contains(&"AzureMachineLearning"));
}

#[test]
fn what_is_unknown_is_refused_with_near_names() {
    let base = outbound(&["Base"]);
    for (wrong, message) in [
        (outbound(&["Bsae"]), "profile \"Bsae\" is not known; did you mean Base?"),
        (
            Outbound { edition: "2025-01".to_owned(), ..base.clone() },
            "edition \"2025-01\" is not known; there are 2023-01 and 2026-03",
        ),
        (
            Outbound { exclude: ["Stroage".to_owned()].into(), ..base.clone() },
            "\"Stroage\" is neither an id nor a service tag of a row of edition 2026-03; did you mean Storage or ",
        ),
        (
            Outbound { edition: "2023-01".to_owned(), ..outbound(&["VisualStudioCode"]) },
            "profile VisualStudioCode has no rows in edition 2023-01 for cloud Public; take it out, or write edition: \"2026-03\"",
        ),
        (
            Outbound { parameters: [("storageAcount".to_owned(), "x".to_owned())].into(), ..base.clone() },
            "parameter \"storageAcount\" is not known; did you mean storageAccount",
        ),
    ] {
        let refused = select(&wrong).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{refused}");
    }
    let excluded = Outbound { exclude: ["AzureFrontDoor.FirstParty".to_owned()].into(), ..base };
    assert!(TABLES.select(&excluded, Cloud::China, &region("chinaeast2").name).is_ok(), "known in another cloud");
}

fn kubernetes(parameters: &[(&str, &str)]) -> Outbound {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outbound { parameters, ..outbound(&["KubernetesCompute"]) }
}

const GUID: &str = "01234567-89AB-cdef-0123-456789abcdef";

#[test]
fn placeholders_are_filled_in() {
    let all = [("storageAccount", "mlstore"), ("containerRegistry", "MlImages"), ("workspaceId", GUID)];
    let selection = select(&kubernetes(&all)).unwrap();
    let hosts: Vec<String> = selection
        .rows
        .iter()
        .filter_map(|row| match &row.destination {
            Destination::Hosts(hosts) => Some(hosts.iter().map(ToString::to_string)),
            _ => None,
        })
        .flatten()
        .collect();
    for host in [
        "mlimages.azurecr.io",
        "mlimages.eastus2.data.azurecr.io",
        "mlstore.blob.core.windows.net",
        "01234567-89ab-cdef-0123-456789abcdef.workspace.eastus2.api.azureml.ms",
        "eastus2.api.azureml.ms",
    ] {
        assert!(hosts.iter().any(|found| found == host), "{host} in {hosts:?}");
    }
    assert!(selection.notes.is_empty());
}

#[test]
fn a_row_says_what_was_filled_into_it() {
    let parameters = [("storageAccount", "mlstore"), ("containerRegistry", "MlImages"), ("workspaceId", GUID)];
    let all = select(&kubernetes(&parameters)).unwrap();
    let filled = |selection: &Selection, id: &str| {
        let row = selection.rows.iter().find(|row| row.id == id).unwrap();
        row.filled.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let registry = ["containerRegistry=mlimages", "region=eastus2"];
    assert_eq!(filled(&all, "KubernetesCompute.ContainerRegistry"), registry);
    assert_eq!(filled(&all, "KubernetesCompute.Storage"), ["storageAccount=mlstore"]);
    let base = select(&outbound(&["Base"])).unwrap();
    let regional = |row: &Selected| row.hosts().iter().any(|host| host.to_string().contains("eastus2"));
    for row in all.rows.iter().chain(&base.rows).filter(|row| regional(row)) {
        assert_eq!(row.filled.get("region").map(String::as_str), Some("eastus2"), "{}", row.id);
    }
    assert!(all.rows.iter().any(regional));
    assert!(filled(&base, "AzureMachineLearning").is_empty(), "a tag has no placeholder");
    let parameters = [("storageAccount", "mlstore")];
    let open = TABLES.list(&kubernetes(&parameters), Cloud::Public, None).unwrap();
    let registry = open.rows.iter().find(|row| row.id == "KubernetesCompute.ContainerRegistry").unwrap();
    assert!(registry.filled.is_empty(), "what is missing was not filled in");
}

#[test]
fn a_missing_or_bad_parameter_is_refused_and_says_what_to_write() {
    let refused = select(&kubernetes(&[])).unwrap_err().to_string();
    assert_eq!(
        refused,
        "requirement KubernetesCompute.ContainerRegistry needs the parameter containerRegistry for \
         <acr>.azurecr.io; write parameters: {containerRegistry: <the workspace's container registry>}, or \
         exclude: [KubernetesCompute.ContainerRegistry]"
    );
    for (name, value, form) in [
        ("storageAccount", "ML", "3 to 24 lower-case letters and digits"),
        ("storageAccount", "ml-store", "3 to 24 lower-case"),
        ("containerRegistry", "ab.c", "5 to 50 letters and digits"),
        ("workspaceId", "01234567", "a GUID such as"),
        ("workspaceId", "0123456789ab-cdef-0123-4567-89abcdef", "a GUID such as"),
    ] {
        let refused = select(&kubernetes(&[(name, value)])).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("parameter {name}: {value:?} cannot be ")), "{refused}");
        assert!(refused.contains(&format!("; write {form}")), "{refused}");
    }
}

#[test]
fn a_list_keeps_what_is_missing_as_it_is_written() {
    let list = TABLES.list(&kubernetes(&[("storageAccount", "mlstore")]), Cloud::Public, None).unwrap();
    let host = |id: &str| {
        let row = list.rows.iter().find(|row| row.id == id).unwrap();
        let Destination::Hosts(hosts) = &row.destination else { panic!("{id} has hosts") };
        hosts.last().unwrap().clone()
    };
    let missing = BTreeSet::from(["containerRegistry".to_owned(), "region".to_owned()]);
    let text = "<acr>.<region>.data.azurecr.io".to_owned();
    assert_eq!(host("KubernetesCompute.ContainerRegistry"), OpenHost { text, missing });
    assert_eq!(host("KubernetesCompute.Storage").text, "mlstore.blob.core.windows.net");
}

#[test]
fn a_parameter_without_use_and_a_warning_of_the_data_are_noted() {
    let parameters = [("storageAccount".to_owned(), "mlstore".to_owned())].into();
    let unused = select(&Outbound { parameters, ..outbound(&["Base"]) }).unwrap();
    let notes: Vec<(&str, &str)> = unused.notes.iter().map(|note| (note.code, note.message.as_str())).collect();
    assert_eq!(notes, [("ParameterNotUsed", "parameter storageAccount is used by no requirement of this selection")]);
    let old = Outbound { edition: "2023-01".to_owned(), ..outbound(&["PythonPackages"]) };
    let notes = select(&old).unwrap().notes;
    assert!(notes.iter().any(|note| note.code == "RequirementWarning" && note.message.contains("*pytorch.org")));
}

#[test]
fn additional_ones_come_last_and_must_not_take_an_id() {
    let port = crate::outbound::Port { protocol: crate::outbound::Protocol::Https, port: 443 };
    let additional = |name: &str| Additional {
        name: name.to_owned(),
        to: Reach::Hosts(vec!["*.github.com".parse().unwrap()]),
        ports: vec![port],
    };
    let selection = select(&Outbound { additional: vec![additional("github")], ..outbound(&["Base"]) }).unwrap();
    let last = selection.rows.last().unwrap();
    assert_eq!((last.id.as_str(), &last.profile, last.ports.as_slice()), ("github", &None, [port].as_slice()));
    let refused = select(&Outbound { additional: vec![additional("storage")], ..outbound(&["Base"]) }).unwrap_err();
    assert_eq!(refused.to_string(), "additional storage: a row of edition 2026-03 has this id; give it another name");
}
