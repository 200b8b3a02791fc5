//! Values that are refused, each with what it says. What is of the wrong form is refused by the schema, what makes no
//! sense together by the templates.

use serde_json::{Value, json};

use crate::tools::{MINIMAL, chart, helms, template};

/// What is said about values beside the minimal ones.
const REFUSED: [(&str, &str); 43] = [
    ("installationId=", "installationId is missing: it is the owner part"),
    ("installationId=Prod", "'/installationId': 'Prod' does not match pattern"),
    ("installationId=a", "'/installationId': 'a' does not match pattern"),
    ("installationId=abcdefghijklm", "'/installationId': 'abcdefghijklm' does not match pattern"),
    ("installationID=prod1", "additional properties 'installationID' not allowed"),
    ("replicaCount=3", "additional properties 'replicaCount' not allowed"),
    ("azure.clientID=x", "'/azure': additional properties 'clientID' not allowed"),
    ("http.tls.secret=x", "'/http/tls': additional properties 'secret' not allowed"),
    ("feeds.other.interval=1h", "'/feeds/other': missing property 'sources'"),
    ("feeds.public.source=x", "'/feeds/public': additional properties 'source' not allowed"),
    ("cloud=public", "'/cloud': value must be one of 'Public', 'AzureGovernment', 'China'"),
    ("image.digest=sha256:12", "'/image/digest': 'sha256:12' does not match pattern"),
    ("replicas=two", "'/replicas': got string, want integer"),
    ("http.port=80", "'/http/port': minimum: got 80, want 1,024"),
    ("resync=10", "'/resync': got number, want string"),
    ("azure.armEndpoint=arm.example.com", "'/azure/armEndpoint': 'arm.example.com' does not match pattern"),
    ("scopes[0].namespaces={a}", "'/scopes/0': missing property 'resourceIds'"),
    ("azure.clientId=", "azure.clientId is missing: azure.auth is workloadIdentity"),
    ("azure.webhook=false", "azure.tenantId is missing: without the webhook"),
    ("azure.auth=clientSecret", "azure.tenantId is missing: azure.auth is clientSecret"),
    ("azure.auth=clientCertificate,azure.tenantId=x", "azure.secret is incomplete: azure.auth is clientCertificate"),
    ("azure.secret.name=x", "azure.secret is set, and azure.auth is workloadIdentity, which has none"),
    ("azure.auth=none", "azure.auth is none, so azure.clientId and azure.tenantId would count for nothing"),
    (
        "azure.authorityHost=http://login.example.com",
        "'/azure/authorityHost': 'http://login.example.com' does not match",
    ),
    ("watchNamespaces={team-a}", "watchNamespaces is set, and nothing says what the AmlNetworks there may name"),
    (
        "watchNamespaces={*,team-a},allowAnyScope=true",
        "watchNamespaces has \"*\", which is all namespaces, beside others",
    ),
    (
        "allowAnyScope=true,scopes[0].namespaces={a},scopes[0].resourceIds={*}",
        "scopes and allowAnyScope exclude each other",
    ),
    ("caBundle.pem=x", "caBundle.pem holds no certificate"),
    (
        "caBundle.pem=-----BEGIN CERTIFICATE-----,caBundle.configMap.name=x",
        "caBundle.pem and caBundle.configMap.name exclude each other",
    ),
    ("proxy.https=http://user:secret@proxy:3128", "'/proxy/https': 'http://user:secret@proxy:3128' does not match"),
    ("proxy.noProxy=.svc", "proxy.noProxy is set without proxy.https"),
    ("podDisruptionBudget.minAvailable=1", "podDisruptionBudget needs one of maxUnavailable and minAvailable"),
    (
        "podDisruptionBudget.maxUnavailable=0",
        "podDisruptionBudget.maxUnavailable is 0, so no node could ever be drained",
    ),
    (
        "replicas=1,podDisruptionBudget.maxUnavailable=null,podDisruptionBudget.minAvailable=1",
        "podDisruptionBudget.minAvailable is 1 of 1 replicas, so no node could ever be drained",
    ),
    (
        "podDisruptionBudget.maxUnavailable=null,podDisruptionBudget.minAvailable=100%",
        "podDisruptionBudget.minAvailable is 100%, so no node could ever be drained",
    ),
    ("lease.renewDeadline=15s", "lease.retryPeriod (2s) < lease.renewDeadline (15s) < lease.duration (15s)"),
    ("serviceAccount.create=false", "serviceAccount.create is false and serviceAccount.name is missing"),
    ("approvals.policy=false,approvals.exemptUsers={a}", "approvals.exemptUsers is set and approvals.policy is false"),
    (
        "extraEnv[0].name=AMLNET_CLOUD,extraEnv[0].value=China",
        "extraEnv has AMLNET_CLOUD, which the chart sets already",
    ),
    ("extraEnv[0].name=AMLNET_IDENTITY,extraEnv[0].value=me", "extraEnv has AMLNET_IDENTITY, which the chart sets"),
    (
        "serviceMonitor.enabled=true",
        "serviceMonitor.enabled is true, and the cluster has no CRDs of the Prometheus operator",
    ),
    (
        "serviceMonitor.enabled=true,http.tls.secretName=x",
        "http.tls is set and serviceMonitor.tlsConfig is empty: Prometheus would verify",
    ),
    (
        "prometheusRule.enabled=true",
        "prometheusRule.enabled is true, and the cluster has no CRDs of the Prometheus operator",
    ),
];

#[test]
fn what_is_wrong_is_refused_with_what_is_wrong() {
    let chart = chart();
    for (generation, helm) in helms() {
        for (values, sentence) in REFUSED {
            let mut arguments = vec!["template", "amlnet", &chart];
            arguments.extend(MINIMAL);
            arguments.extend(["--set", values]);
            let said = helm.run(&arguments);
            assert_ne!(said.status, 0, "{generation} takes {values}");
            assert!(said.stderr.contains(sentence), "{generation}, {values}: {}", said.stderr);
        }
    }
}

#[test]
fn all_that_does_not_fit_is_said_at_once() {
    for (generation, helm) in helms() {
        let said = helm.run(&["template", "amlnet", &chart(), "--set", "watchNamespaces={team-a},proxy.noProxy=.svc"]);
        for name in ["installationId", "azure.clientId", "watchNamespaces", "proxy.noProxy"] {
            assert!(said.stderr.contains(&format!("\n- {name} is ")), "{generation}, {name}: {}", said.stderr);
        }
    }
}

#[test]
fn a_null_in_any_place_is_taken_or_refused_with_a_sentence() {
    fn paths(value: &Value, above: &str, found: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
            found.push(path.clone());
            if !["podSecurityContext", "securityContext", "resources", "nodeSelector", "feeds"].contains(&key.as_str())
            {
                paths(value, &path, found);
            }
        }
    }
    let defaults: Value = serde_yaml::from_str(&crate::tools::read("charts/amlnet/values.yaml")).unwrap();
    let mut found = Vec::new();
    paths(&defaults, "", &mut found);
    let (chart, mut taken) = (chart(), Vec::new());
    for path in &found {
        let null = format!("{path}=null");
        let mut arguments = vec!["template", "amlnet", &chart];
        arguments.extend(MINIMAL);
        arguments.extend(["--set", &null]);
        let said = crate::tools::helm_4().run(&arguments);
        let sentences =
            ["is null or empty: leave it out", "is missing", "missing property", "write null for the other"];
        if said.status == 0 {
            assert!(!said.stdout.contains("<nil>") && !said.stdout.contains("<no value>"), "{path}");
            taken.push(path.as_str());
        } else {
            assert!(sentences.iter().any(|sentence| said.stderr.contains(sentence)), "{path}: {}", said.stderr);
        }
    }
    // Where nothing is a value too.
    for path in ["feeds", "resources", "securityContext", "affinity", "extraEnv", "image.digest", "readOnly"] {
        assert!(taken.contains(&path), "{path} may not be null");
    }
    assert!(taken.len() < found.len() - 20, "{} of {} are taken", taken.len(), found.len());
}

#[test]
fn a_chart_may_have_this_one_as_a_dependency() {
    // Helm puts `global` into the values of a dependency, and a condition its key.
    for (_, helm) in helms() {
        template(helm, "amlnet", &[MINIMAL.as_slice(), &["--set", "global.region=x,enabled=true"]].concat());
    }
}

#[test]
fn the_schema_alone_asks_for_the_installation_id_and_knows_every_value() {
    let schema: Value = serde_json::from_str(&crate::tools::read("charts/amlnet/values.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!validator.is_valid(&json!({"replicas": 2})));
    assert!(validator.is_valid(&json!({"installationId": "prod1"})));

    let defaults: Value = serde_yaml::from_str(&crate::tools::read("charts/amlnet/values.yaml")).unwrap();
    let mut known: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    known.retain(|name| !["global", "enabled"].contains(&name.as_str()));
    known.sort();
    let mut named: Vec<&String> = defaults.as_object().unwrap().keys().collect();
    named.sort();
    assert_eq!(known, named);
    for name in named {
        let open = schema["properties"][name]["properties"].as_object();
        if let (Some(open), Some(default)) = (open, defaults[name].as_object()) {
            let missing: Vec<_> = open.keys().filter(|key| !default.contains_key(*key)).collect();
            assert!(missing.is_empty() || name == "resources", "values.yaml does not name {name}.{missing:?}");
        }
    }
}
