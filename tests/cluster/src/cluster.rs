//! The cluster itself: etcd, the API server, and what a test asks of them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audit::{self, Request};
use crate::certificates::{self, Authority};
use crate::folder::Folder;
use crate::http::{Answer, Client};
use crate::port::Port;
use crate::process::Server;
use crate::users::{ADMIN, Users};
use crate::{Binaries, Error, Output, Proxy, Settings, kubectl};

/// It takes three seconds on an idle machine, and tests run when it is not.
const PATIENCE: Duration = Duration::from_secs(120);
const SERVED_WITHIN: Duration = Duration::from_secs(10);
const AUDIT_LOG: &str = "audit.log";
const AUDIT_POLICY: &str = "audit-policy.json";
const TOKENS: &str = "tokens.csv";

/// An API server that answers. It ends with this value, or with the process, however that ends.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they have to go: the servers before their folder.
    api_server: Mutex<Option<Server>>,
    _etcd: Server,
    folder: Folder,
    port: Port,
    etcd_ports: [Port; 2],
    binaries: Binaries,
    authority: Authority,
    client: Client,
    users: Users,
    arguments: Vec<String>,
    namespaces: AtomicU32,
}

impl Cluster {
    /// One of its own, with the user [`ADMIN`].
    pub fn start() -> Result<Self, Error> {
        Settings::default().start()
    }

    /// One for all tests of this process, started by the first that asks. Besides [`ADMIN`] it has the users `alice`
    /// and `bob`, to whom no role is bound. A test that stops or floods it needs one of its own.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
        let start = || Settings::default().user("alice", &[]).user("bob", &[]).start();
        match SHARED.get_or_init(|| start().map_err(|error| error.to_string())) {
            Ok(cluster) => cluster,
            Err(why) => panic!("there is no shared cluster: {why}"),
        }
    }

    pub(crate) fn with(settings: Settings) -> Result<Self, Error> {
        let binaries = Binaries::find()?;
        let folder = Folder::make("amlnet-cluster-")?;
        let path = folder.path();
        let authority = certificates::write(path)?;
        let users = Users::write(&settings.users, &path.join(TOKENS))?;
        for (name, text) in [(AUDIT_POLICY, audit::POLICY), (AUDIT_LOG, "")] {
            std::fs::write(path.join(name), text).map_err(Error::file("cannot write", path.join(name)))?;
        }
        let home = path.join("home");
        std::fs::create_dir(&home).map_err(Error::file("cannot make", home))?;
        let (port, etcd_ports) = (Port::keep()?, [Port::keep()?, Port::keep()?]);
        let client = Client::new(port.address(), authority.der.clone())
            .map_err(Error::file("cannot use", path.join(certificates::AUTHORITY)))?;
        let mut etcd =
            Server::start("etcd", Command::new(&binaries.etcd).args(etcd_arguments(path, &etcd_ports)), path)?;
        let listens = etcd_ports[0].address();
        etcd.wait_until(PATIENCE, || std::net::TcpStream::connect(listens).is_ok())?;
        let cluster = Self {
            api_server: Mutex::new(None),
            _etcd: etcd,
            folder,
            port,
            etcd_ports,
            binaries,
            authority,
            client,
            users,
            arguments: settings.arguments,
            namespaces: AtomicU32::new(0),
        };
        cluster.start_api_server()?;
        Ok(cluster)
    }

    /// `https://127.0.0.1:PORT`; the port stays the same for the life of the cluster.
    pub fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The certificate of the authority that signed the API server's.
    pub fn ca_pem(&self) -> &str {
        &self.authority.pem
    }

    #[track_caller]
    pub fn token(&self, user: &str) -> String {
        self.users.token(user)
    }

    /// A file of the user's own, which goes with the cluster. Asking again writes it anew, with the newest token.
    #[track_caller]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.kubeconfig_for(user, self.port.address())
    }

    /// The same by way of a proxy.
    #[track_caller]
    pub fn kubeconfig_via(&self, user: &str, proxy: &Proxy) -> PathBuf {
        self.kubeconfig_for(user, proxy.address())
    }

    #[track_caller]
    fn kubeconfig_for(&self, user: &str, server: SocketAddr) -> PathBuf {
        self.users.kubeconfig(user, server, self.folder.path(), &self.folder.path().join(certificates::AUTHORITY))
    }

    /// A way to the API server that can be cut.
    pub fn proxy(&self) -> Result<Proxy, Error> {
        Proxy::to(self.port.address()).map_err(Error::Port)
    }

    #[track_caller]
    pub fn kubectl(&self, user: &str, arguments: &[&str]) -> Output {
        self.run_kubectl(user, arguments, None)
    }

    /// With `stdin`, for `-f -`.
    #[track_caller]
    pub fn kubectl_stdin(&self, user: &str, arguments: &[&str], stdin: &str) -> Output {
        self.run_kubectl(user, arguments, Some(stdin))
    }

    #[track_caller]
    fn run_kubectl(&self, user: &str, arguments: &[&str], stdin: Option<&str>) -> Output {
        let home = self.folder.path().join("home");
        kubectl::run(&self.binaries.kubectl, &home, &self.kubeconfig(user), arguments, stdin)
    }

    /// Applies objects as [`ADMIN`], and waits until the CRDs among them are served. Panics when one is refused.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-o", "name", "-f", "-"];
        let names = self.kubectl_stdin(ADMIN, &arguments, yaml).ok();
        let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s"];
        wait.extend(names.lines().filter(|name| name.starts_with("customresourcedefinition.")));
        if wait.len() > 3 {
            self.kubectl(ADMIN, &wait).ok();
        }
    }

    /// One request without kubectl, which takes a tenth of the time: `path` with its query, a JSON body or none. A
    /// PATCH is a merge patch. An error only where there was no answer.
    #[track_caller]
    pub fn ask(&self, user: &str, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        self.client.send(method, path, &self.token(user), body)
    }

    /// A POST of an object as somebody wrote it.
    #[track_caller]
    pub fn post_yaml(&self, user: &str, path: &str, object: &str) -> io::Result<Answer> {
        self.client.post_yaml(path, &self.token(user), object)
    }

    /// One object as [`Self::apply`] would leave it, without kubectl: `path` is the object's own.
    #[track_caller]
    pub fn put(&self, path: &str, object: &Value) {
        let deadline = Instant::now() + SERVED_WITHIN;
        loop {
            match self.client.apply(path, &self.token(ADMIN), object) {
                Ok(answer) if answer.status < 300 => return,
                // A new kind is served some moments after its CRD is established.
                Ok(answer) if [404, 503].contains(&answer.status) && Instant::now() < deadline => {
                    std::thread::sleep(SERVED_WITHIN / 100);
                }
                other => panic!("PATCH {path} {object}: {other:?}"),
            }
        }
    }

    /// A new namespace with a name that begins so.
    #[track_caller]
    pub fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed) + 1);
        self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        name
    }

    /// Makes a service account if there is none of that name, and a new token for it, as for a pod. The user that comes
    /// back, `system:serviceaccount:NAMESPACE:NAME`, goes wherever a user is asked for.
    #[track_caller]
    pub fn service_account(&self, namespace: &str, name: &str) -> String {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let made = self.ask(ADMIN, "POST", &accounts, Some(&json!({"metadata": {"name": name}})));
        match made {
            Ok(Answer { status: 201 | 409, .. }) => {}
            other => panic!("service account {namespace}/{name}: {other:?}"),
        }
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                          "spec": {"expirationSeconds": 3600}});
        let answer = self.create(&format!("{accounts}/{name}/token"), &body);
        let token = answer["status"]["token"].as_str().unwrap_or_else(|| panic!("no token in {answer}"));
        let user = format!("system:serviceaccount:{namespace}:{name}");
        self.users.put(&user, token.to_owned());
        user
    }

    #[track_caller]
    fn create(&self, path: &str, body: &Value) -> Value {
        match self.ask(ADMIN, "POST", path, Some(body)) {
            Ok(answer) if answer.status == 201 => answer.json(),
            other => panic!("POST {path} {body}: {other:?}"),
        }
    }

    /// What the user has asked of the API server so far, in order, over restarts. The line of a request is written just
    /// after its answer, so a test waits for the one that it needs.
    #[track_caller]
    pub fn requests_of(&self, user: &str) -> Vec<Request> {
        audit::read(&self.folder.path().join(AUDIT_LOG), user)
    }

    /// Kills the API server, as a crash would. Connections break, new ones are refused.
    pub fn stop_api_server(&self) {
        drop(self.api_server().take());
    }

    /// Starts it at the same address, with all objects, and waits until it is ready. One that runs stays.
    pub fn start_api_server(&self) -> Result<(), Error> {
        let mut running = self.api_server();
        if running.is_none() {
            let folder = self.folder.path();
            let mut command = Command::new(&self.binaries.kube_apiserver);
            let mut server = Server::start("kube-apiserver", command.args(self.api_server_arguments()), folder)?;
            let ready = || self.ask(ADMIN, "GET", "/readyz", None).is_ok_and(|answer| answer.status == 200);
            server.wait_until(PATIENCE, ready)?;
            *running = Some(server);
        }
        Ok(())
    }

    pub fn restart_api_server(&self) -> Result<(), Error> {
        self.stop_api_server();
        self.start_api_server()
    }

    /// Logs, keys, kubeconfig files; removed at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn api_server(&self) -> MutexGuard<'_, Option<Server>> {
        // A server is there or not, whoever panicked.
        self.api_server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn api_server_arguments(&self) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut arguments = vec![
            format!("--etcd-servers=http://{}", self.etcd_ports[0].address()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port.number()),
            "--permit-port-sharing=true".to_owned(),
            // Otherwise it looks for a default route, and there may be none.
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            format!("--cert-dir={}", file("certificates")),
            format!("--tls-cert-file={}", file(certificates::SERVER)),
            format!("--tls-private-key-file={}", file(certificates::SERVER_KEY)),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file(certificates::ACCOUNTS)),
            format!("--service-account-signing-key-file={}", file(certificates::ACCOUNTS_KEY)),
            format!("--token-auth-file={}", file(TOKENS)),
            "--authorization-mode=RBAC".to_owned(),
            // Nobody makes the service account `default` of a namespace, so pods would be refused.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--audit-policy-file={}", file(AUDIT_POLICY)),
            format!("--audit-log-path={}", file(AUDIT_LOG)),
            // The log must stay one file.
            "--audit-log-maxsize=100000".to_owned(),
        ];
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

fn etcd_arguments(folder: &Path, ports: &[Port; 2]) -> Vec<String> {
    let [client, peer] = ports.each_ref().map(|port| format!("http://{}", port.address()));
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        // What a crash of the machine would lose is lost anyway.
        "--unsafe-no-fsync".to_owned(),
        "--socket-reuse-port".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}
