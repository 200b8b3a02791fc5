//! Users: what is not bound to them is forbidden, and what they asked is on record.

use cluster::{ADMIN, Cluster, Request, Settings};
use serde_json::json;

const ROLE: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NAMESPACE}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- SUBJECT
"#;

#[track_caller]
fn bind_reader(cluster: &Cluster, namespace: &str, subject: &str) {
    cluster.apply(&ROLE.replace("NAMESPACE", namespace).replace("SUBJECT", subject));
}

fn lists_config_maps(cluster: &Cluster, user: &str, namespace: &str) -> u16 {
    cluster.ask(user, "GET", &format!("/api/v1/namespaces/{namespace}/configmaps"), None).unwrap().status
}

#[test]
fn a_user_may_do_what_is_bound_to_the_name_and_nothing_else() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("access");
    assert_eq!(lists_config_maps(cluster, "alice", &namespace), 403);
    bind_reader(cluster, &namespace, "{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}");
    crate::wait_until("alice's role is in force", || lists_config_maps(cluster, "alice", &namespace) == 200);
    assert_eq!(lists_config_maps(cluster, "bob", &namespace), 403);
    assert_eq!(lists_config_maps(cluster, "alice", &cluster.namespace("other")), 403);
    let output = cluster.kubectl("bob", &["get", "configmaps", "-n", &namespace]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("User \"bob\" cannot list resource \"configmaps\""), "{}", output.stderr);
    let who = cluster.kubectl("alice", &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).ok();
    assert_eq!(who, "alice");
}

#[test]
fn groups_of_a_user_count_and_are_read_from_the_settings() {
    let cluster = Settings::default().user("carol", &["people", "readers"]).start().unwrap();
    let namespace = cluster.namespace("groups");
    assert_eq!(lists_config_maps(&cluster, "carol", &namespace), 403);
    bind_reader(&cluster, &namespace, "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers}");
    crate::wait_until("the role of carol's group is in force", || {
        lists_config_maps(&cluster, "carol", &namespace) == 200
    });
}

#[test]
fn a_service_account_has_a_token_that_the_server_knows() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("accounts");
    let account = cluster.service_account(&namespace, "robot");
    assert_eq!(account, format!("system:serviceaccount:{namespace}:robot"));
    assert_eq!(lists_config_maps(cluster, &account, &namespace), 403);
    bind_reader(cluster, &namespace, &format!("{{kind: ServiceAccount, name: robot, namespace: {namespace}}}"));
    crate::wait_until("the account's role is in force", || lists_config_maps(cluster, &account, &namespace) == 200);
    let first = cluster.token(&account);
    cluster.service_account(&namespace, "robot");
    assert_ne!(cluster.token(&account), first);
    let who = cluster.kubectl(&account, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).ok();
    assert_eq!(who, account);
}

#[test]
fn names_that_would_break_the_token_file_are_refused() {
    for (name, why) in [("a,b", "commas"), ("", "empty"), ("a\nb", "line ends"), (ADMIN, "two of that name")] {
        let error = Settings::default().user(name, &[]).start().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn requests_are_on_record_in_the_words_of_rbac() {
    let cluster = Settings::default().user("alice", &["system:masters"]).user("idle", &[]).start().unwrap();
    let namespace = cluster.namespace("audit");
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}});
    let asked = [
        ("GET", maps.clone(), None, 200),
        ("GET", format!("{maps}?watch=true&timeoutSeconds=1"), None, 200),
        ("POST", format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"), Some(lease), 201),
        (
            "PATCH",
            format!("/api/v1/namespaces/{namespace}/status"),
            Some(json!({"metadata": {"labels": {"a": "b"}}})),
            200,
        ),
        ("DELETE", format!("{maps}/none"), None, 404),
        ("GET", "/version".to_owned(), None, 200),
    ];
    for (method, path, body, status) in &asked {
        let answer = cluster.ask("alice", method, path, body.as_ref()).unwrap();
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.body);
    }
    crate::wait_until("the last request is on record", || {
        cluster.requests_of("alice").last().is_some_and(|request| request.uri == "/version")
    });
    let requests = cluster.requests_of("alice");
    let words = |request: &Request| {
        let Request { verb, group, resource, subresource, name, code, .. } = request;
        format!("{verb} {group}/{resource}/{subresource} {name} {code} {}", request.namespace == namespace)
    };
    assert_eq!(
        requests.iter().map(words).collect::<Vec<_>>(),
        [
            "list /configmaps/  200 true".to_owned(),
            "watch /configmaps/  200 true".to_owned(),
            "create coordination.k8s.io/leases/ l 201 true".to_owned(),
            format!("patch /namespaces/status {namespace} 200 true"),
            "delete /configmaps/ none 404 true".to_owned(),
            "get //  200 false".to_owned(),
        ]
    );
    assert!(requests.iter().all(|request| request.ended && request.agent == "cluster"), "{requests:?}");
    assert_eq!(cluster.requests_of("idle"), []);
}
