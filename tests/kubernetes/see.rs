//! What a test looks at in the cluster, and what people do there.

use std::path::Path;

use armsim::model::history::HistoryState;
use cluster::ADMIN;
use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, Sim, TABLE, ours};
use crate::replica::{Kube, shared};

/// Every permission that the controller uses, as rules of a Role.
pub(crate) fn rights() -> Vec<Value> {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let ours = "amlnet.dev";
    vec![
        rule(ours, &["amlnetworks", "servicetagfeeds", "planapprovals"], &["get", "list", "watch"]),
        rule(ours, &["amlnetworks"], &["patch"]),
        rule(ours, &["amlnetworks/status", "servicetagfeeds/status"], &["update"]),
        rule("", &["configmaps"], &["get", "list", "create", "update", "delete"]),
        rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ]
}

impl Kube {
    /// Another namespace of the same cluster beside the same simulator.
    pub(crate) fn beside(self) -> (Self, String) {
        let other = shared().namespace("t");
        (self, other)
    }

    /// Puts an object into any namespace.
    #[track_caller]
    pub(crate) fn apply_in(&self, namespace: &str, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(namespace);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let group = text(&object["apiVersion"]);
        let group = if group.contains('/') { format!("apis/{group}") } else { format!("api/{group}") };
        let plural = text(&object["kind"]).to_lowercase() + "s";
        let name = text(&object["metadata"]["name"]);
        self.cluster.put(&format!("/{group}/namespaces/{namespace}/{plural}/{name}"), &object);
    }

    /// An object of any namespace; null where there is none.
    pub(crate) fn get_in(&self, namespace: &str, plural: &str, name: &str) -> Value {
        let path = format!("/apis/amlnet.dev/v1alpha1/namespaces/{namespace}/{plural}/{name}");
        let answer = self.cluster.ask(ADMIN, "GET", &path, None);
        answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json()).unwrap_or_default()
    }

    /// Waits until the usual network is in step.
    #[track_caller]
    pub(crate) fn in_sync(&self, replica: &Controller) {
        replica.wait_until("Ready", || self.condition("ml", "Ready") == ("True".into(), "InSync".into()));
    }

    /// The usual feed and network, in step.
    #[track_caller]
    pub(crate) fn running(&self, change: Value, more: &[&str]) -> Controller {
        self.usual(change);
        let replica = self.replica("one", more);
        self.in_sync(&replica);
        replica
    }

    /// The message of a condition.
    pub(crate) fn message(&self, name: &str, kind: &str) -> String {
        let object = self.network(name);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        condition["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Publishes a document, has the feed asked, and waits until it is in force.
    #[track_caller]
    pub(crate) fn publish(&self, replica: &Controller, number: u64, doc: &Doc) {
        self.sim.publish(doc);
        let ask = json!({"metadata": {"annotations": {"amlnet.dev/reconcile-at": format!("document {number}")}}});
        self.patch("servicetagfeeds", "public", &ask);
        replica.wait_until("the document", || {
            self.get("servicetagfeeds", "public")["status"]["current"]["changeNumber"] == number
        });
    }

    /// Reason and note of all events about an object, in order.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, String)> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.namespace);
        let all = self.cluster.ask(ADMIN, "GET", &path, None).unwrap().json();
        let about = all["items"].as_array().unwrap().iter().filter(|event| event["regarding"]["name"] == name);
        let mut about: Vec<&Value> = about.collect();
        about.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        about.into_iter().map(|event| (text(&event["reason"]), text(&event["note"]))).collect()
    }

    fn map_url(&self, name: &str) -> String {
        format!("/api/v1/namespaces/{}/configmaps{name}", self.namespace)
    }

    /// The ConfigMaps whose name holds this.
    pub(crate) fn config_maps(&self, part: &str) -> Vec<Value> {
        let all = self.cluster.ask(ADMIN, "GET", &self.map_url(""), None).unwrap().json();
        let is_it = |map: &&Value| map["metadata"]["name"].as_str().unwrap().contains(part);
        all["items"].as_array().unwrap().iter().filter(is_it).cloned().collect()
    }

    pub(crate) fn patch_config_map(&self, name: &str, patch: &Value) {
        let place = self.map_url(&format!("/{name}"));
        let answer = self.cluster.ask(ADMIN, "PATCH", &place, Some(patch)).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }

    pub(crate) fn delete_config_map(&self, name: &str) {
        let place = self.map_url(&format!("/{name}"));
        let answer = self.cluster.ask(ADMIN, "DELETE", &place, None).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }

    /// The only ConfigMap with a target's memory.
    pub(crate) fn memory(&self) -> Option<Value> {
        self.config_maps("-target-").pop()
    }

    /// Gives a user these rights in this namespace, in place of those that it had.
    pub(crate) fn allow(&self, user: &str, rules: &[Value]) {
        let metadata = json!({"name": "controller", "namespace": self.namespace});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": rules});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controller"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
        self.apply(&role);
        self.apply(&binding);
    }

    /// A replica with the rights of a user.
    pub(crate) fn replica_of(&self, kubeconfig: &Path, more: &[&str]) -> Controller {
        self.sim.background(self.command("one", kubeconfig, more))
    }

    /// Patches the status, as somebody with kubectl would.
    pub(crate) fn patch_status(&self, name: &str, patch: &Value) {
        let place = format!("{}/status", self.path("amlnetworks", name));
        let answer = self.cluster.ask(ADMIN, "PATCH", &place, Some(&json!({"status": patch}))).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }
}

impl Sim {
    pub(crate) fn table(&self) -> Vec<HistoryState> {
        self.history(TABLE)
    }

    /// The number of our routes now, finished or not.
    pub(crate) fn ours_now(&self) -> usize {
        ours(&self.history_now(TABLE)).len()
    }

    /// Writes to the table so far.
    pub(crate) fn writes(&self) -> usize {
        Counts::of(&self.log(), TABLE).writes()
    }
}

/// Asks it to stop, and waits for the end.
#[track_caller]
pub(crate) fn stop(replica: Controller) {
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
}
