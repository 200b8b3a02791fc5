//! Lists behind TLS and credentials whose files rotate, and clients that send what nobody should.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Sim, address, get, request};
use crate::lists::{assert_served, served};

const V4: &str = "/lists/default/ml/v4";
const TOKEN: &str = "t0ken-of-the-first-firewall";
const PASSWORD: &str = "pa55word:of the second";

#[test]
fn credentials_are_asked_for_and_rotate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, format!("# firewalls\nbearer {TOKEN}\nbasic fw:{PASSWORD}\n")).unwrap();
    let path = file.to_str().unwrap();
    let (_sim, controller) = served(json!({}), &["--http-credentials", path, "--log", "trace"]);
    let at = address(&controller);
    let with = |authorization: &str| request(at, "GET", V4, &[("Authorization", authorization)]);
    let basic = |user: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
    };
    let (bearer, second) = (format!("Bearer {TOKEN}"), basic(&format!("fw:{PASSWORD}")));
    controller.wait_until("the list", || with(&bearer).status == 200);
    assert_served(&with(&bearer));
    assert_served(&with(&second));
    let none = get(at, V4);
    for refused in [
        none.clone(),
        with("Bearer wrong-wrong-wrong-wrong"),
        with(&basic("fw:wrong")),
        with(&basic(TOKEN)),
        get(at, "/lists/default/ml/none"),
        get(at, "/lists/../../etc/passwd"),
        request(at, "POST", V4, &[]),
    ] {
        assert_eq!((refused.status, refused.text()), (401, none.text()), "the same whatever was wrong");
        assert!(!refused.header("www-authenticate").is_empty());
    }
    assert_eq!(get(at, "/healthz").status, 200, "only lists are guarded");
    assert!(controller.log().contains("without TLS"), "it is said that credentials can be read on the way");

    // Both are good for a while, then only the new one. What cannot be used changes nothing.
    let new = "t0ken-of-the-first-firewall-2";
    std::fs::write(&file, format!("bearer {TOKEN}\nbearer {new}\n")).unwrap();
    controller.wait_until("the new one", || with(&format!("Bearer {new}")).status == 200);
    assert_served(&with(&bearer));
    assert_eq!(with(&second).status, 401);
    std::fs::write(&file, format!("bearer {new}\nbaerer {TOKEN}\n")).unwrap();
    controller.wait_until("the complaint", || controller.log().contains("line 2: write `bearer <token>`"));
    assert_served(&with(&bearer));
    std::fs::remove_file(&file).unwrap();
    controller.wait_until("the complaint", || controller.log().contains("No such file"));
    assert_served(&with(&bearer));
    std::fs::write(&file, format!("bearer {new}\n")).unwrap();
    controller.wait_until("the end of the old one", || with(&bearer).status == 401);
    assert_served(&with(&format!("Bearer {new}")));
    let log = controller.log();
    for secret in [TOKEN, new, PASSWORD, second.split(' ').nth(1).unwrap()] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

/// A certificate for localhost, with its key, and the name by which it is told apart.
struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// Fetches over HTTPS, trusting one certificate and no other.
fn fetch(at: SocketAddr, trusted: &Pair) -> Result<(u16, String), reqwest::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        amlnet::azure::cloud::install_tls_provider();
        let client = reqwest::Client::builder()
            .no_proxy()
            .resolve("localhost", at)
            .tls_built_in_root_certs(false)
            .add_root_certificate(reqwest::Certificate::from_pem(trusted.certificate.as_bytes()).unwrap())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let answer = client.get(format!("https://localhost:{}{V4}", at.port())).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    })
}

#[test]
fn a_certificate_is_replaced_while_it_serves_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let put = |name: &str, text: &str| {
        std::fs::write(file("part"), text).unwrap();
        std::fs::rename(file("part"), file(name)).unwrap();
    };
    let (first, second) = (pair(), pair());
    put("tls.crt", &first.certificate);
    put("tls.key", &first.key);
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let options = ["--http-certificate", certificate.to_str().unwrap(), "--http-key", key.to_str().unwrap()];
    let (_sim, controller) = served(json!({}), &options);
    let at = address(&controller);
    controller.wait_until("the list", || fetch(at, &first).unwrap().0 == 200);
    assert_eq!(fetch(at, &first).unwrap().1, "20.11.0.0/27\n20.60.0.0/24\n");
    assert!(fetch(at, &second).is_err(), "it shows the first one");

    put("tls.crt", &second.certificate);
    controller.wait_until("the complaint", || controller.log().contains("the key is not that of the certificate"));
    assert_eq!(fetch(at, &first).unwrap().0, 200);
    put("tls.key", &second.key);
    controller.wait_until("the second certificate", || fetch(at, &second).is_ok());
    assert!(fetch(at, &first).is_err());
    put("tls.crt", "no certificate");
    controller.wait_until("the complaint", || controller.log().contains("holds no certificate"));
    assert_eq!(fetch(at, &second).unwrap().0, 200);
    for line in first.key.lines().chain(second.key.lines()).filter(|line| !line.starts_with("---")) {
        assert!(!controller.log().contains(line), "the key stands in the log");
    }
}

#[test]
fn options_that_cannot_be_used_are_said_before_anything_is_done() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let text = |name: &str, text: &str| sim.write(name, text).display().to_string();
    let (certificate, key, credentials) =
        (text("tls.crt", &pair().certificate), text("tls.key", &pair().key), text("credentials", "bearer s3cret\n"));
    let listen = ["run", "--dir", "dir", "--state", "state", "--http-listen", "127.0.0.1:0"];
    for (options, why) in [
        (vec!["--http-certificate", &certificate], "--http-key"),
        (vec!["--http-key", &key], "--http-certificate"),
        (vec!["--http-certificate", &certificate, "--http-key", &key], "the key is not that of the certificate"),
        (vec!["--http-credentials", &credentials], "line 1"),
        (vec!["--http-credentials", "none"], "none: No such file"),
    ] {
        let ran = sim.amlnet(&[&listen[..], &options].concat()).exits(1);
        ran.says(&[why]);
        assert!(!ran.all().contains("s3cret"), "{}", ran.all());
    }
    let nowhere = ["run", "--dir", "dir", "--state", "state", "--http-credentials", &credentials];
    sim.amlnet(&nowhere).exits(1).says(&["--http-listen says where"]);
    assert!(sim.log().iter().all(|entry| !entry.url.contains("routeTables")), "nothing was asked of Azure");
}

/// Sends these bytes and reads to the end.
fn raw(at: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that refuses early need not take all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

#[test]
fn what_nobody_should_send_is_refused_and_changes_nothing() {
    let (sim, controller) = served(json!({}), &[]);
    let at = address(&controller);
    controller.wait_until("the list", || get(at, V4).status == 200);
    let before = sim.state_files();
    for path in [
        "/lists/default/ml/..",
        "/lists/default/../ml/v4",
        "/lists/../../../../etc/passwd",
        "/lists/default/ml/%2e%2e",
        "/lists/default/ml%2fv4",
        "/lists//default/ml/v4",
        "/lists/default/ml/v4/",
        "/lists/default/ml//v4",
        "/lists/default/ml/v4%00",
        "/lists/DEFAULT/ml/v4",
        "//lists/default/ml/v4",
        "/lists/default/ml/v4\u{fc}",
        "/state/clocks.json",
    ] {
        let status = get(at, path).status;
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        let answer = request(at, method, V4, &[]);
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method}");
    }
    let huge = format!("GET {V4} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    assert_eq!(raw(at, huge.as_bytes()).status, 431);
    let many = (0..1000).map(|n| format!("X-{n}: x\r\n")).collect::<Vec<_>>().concat();
    assert_eq!(raw(at, format!("GET {V4} HTTP/1.1\r\n{many}\r\n").as_bytes()).status, 431);
    let long = format!("GET /lists/default/ml/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64 << 10));
    assert!((400..500).contains(&raw(at, long.as_bytes()).status));
    let body = format!("GET {V4} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n{}", "x".repeat(1000));
    assert_eq!(raw(at, body.as_bytes()).status, 413);
    assert_eq!(raw(at, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n").status, 400);
    assert_served(&get(at, V4));
    assert_eq!(sim.state_files(), before);
}
