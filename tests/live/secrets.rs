//! No token and no secret in any output or file, at any level of logging.

use serde_json::{Value, json};

use crate::harness::{Sim, TABLE, address, feed, get, ours};

/// What must not be found, by what it is called.
fn secrets(sim: &Sim) -> Vec<(&'static str, String)> {
    vec![
        ("the client secret", sim.secret()),
        // The header of a JWT and of what the simulator signs begins so.
        ("a token", "eyJ".to_owned()),
        ("a header", "authorization".to_owned()),
        ("a scheme", "bearer".to_owned()),
        ("the signature of an operation", "&s=".to_owned()),
        ("a form field", "client_secret".to_owned()),
        ("the password of a mirror", "hunter2".to_owned()),
        ("the signature of a mirror's address", "s1gned".to_owned()),
        ("the key of a certificate", key_line()),
    ]
}

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/client-certificate.pem");

/// A line out of the middle of the key.
fn key_line() -> String {
    let text = std::fs::read_to_string(CERTIFICATE).unwrap();
    let key = text.split("PRIVATE KEY-----").nth(1).unwrap();
    key.lines().filter(|line| line.len() > 40).nth(3).unwrap().to_owned()
}

/// Every module by its name, as loud as it can be.
fn loudest() -> String {
    let each = amlnet::telemetry::MODULES.map(|module| format!("{module}=trace"));
    format!("trace,{}", each.join(","))
}

/// A line of the log in JSON, complete and with each field once.
#[track_caller]
fn assert_json(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for field in ["timestamp", "level", "target", "message"] {
        assert!(value[field].is_string(), "{field} is missing in {line}");
        assert_eq!(line.matches(&format!("\"{field}\":")).count(), 1, "{field} stands twice in {line}");
    }
    assert!(value["target"].as_str().unwrap().starts_with("amlnet"), "{line}");
    value
}

/// What ARM says of a missing role, which is no header, and the name of a variable.
const HARMLESS: [&str; 3] = ["AuthorizationFailed", "does not have authorization to perform", "AZURE_CLIENT_SECRET"];

#[track_caller]
fn assert_silent(sim: &Sim, what: &str, text: &str) {
    let text = HARMLESS.iter().fold(text.to_owned(), |text, words| text.replace(words, ""));
    let lower = text.to_ascii_lowercase();
    for (name, secret) in secrets(sim) {
        let found = text.find(&secret).or_else(|| lower.find(&secret));
        if let Some(at) = found {
            let from = text[..at].rfind('\n').map_or(0, |at| at + 1);
            panic!("{what}: {name} in: {}", text[from..].lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn no_secret_is_ever_said_or_kept() {
    let group = TABLE.split("/providers").next().unwrap();
    let put =
        |effect: serde_json::Value| json!({"faults": [{"match": {"method": "PUT"}, "times": 1, "effect": effect}]});
    for (what, world) in [
        ("success", json!({})),
        ("a lock", json!({"locks": [{"scope": group, "level": "ReadOnly"}]})),
        ("no role", json!({"roles": []})),
        (
            "401",
            put(
                json!({"status": {"code": 401, "body": {"error": {"code": "InvalidAuthenticationToken", "message": "no"}}}}),
            ),
        ),
        ("a failed operation", put(json!({"failOperation": {"code": "RoutesLimitReached", "message": "m"}}))),
        ("a lost operation", put(json!("lostOperation"))),
        (
            "no login",
            json!({"faults": [{"match": {"server": "login", "method": "POST"}, "times": 0,
            "effect": {"status": {"code": 400, "body": {"error": "invalid_client", "error_description": "AADSTS7000215: no"}}}}]}),
        ),
    ] {
        for format in ["text", "json"] {
            let sim = Sim::with(world.clone());
            sim.usual(json!({}));
            let level = loudest();
            let logged = ["--log", level.as_str(), "--log-format", format];
            for ran in
                [sim.plan(&logged), sim.apply(&[&logged[..], &["--state", "applied"]].concat()), sim.once(&logged)]
            {
                assert_silent(&sim, what, &ran.all());
                if format == "json" {
                    assert!(ran.stderr.lines().count() > 1, "{}", ran.stderr);
                    ran.stderr.lines().for_each(|line| drop(assert_json(line)));
                }
            }
            for (path, content) in sim.state_files() {
                assert_silent(&sim, &format!("{what}: {}", path.display()), &String::from_utf8_lossy(&content));
            }
        }
    }
}

#[test]
fn the_signed_address_of_an_operation_is_not_said_where_nobody_answers_there() {
    let fault = json!({"match": {"pathContains": "/operations/"}, "times": 0, "effect": "dropBefore"});
    let sim = Sim::with(json!({"faults": [fault]}));
    sim.usual(json!({}));
    let level = loudest();
    let ran = sim.once(&["--log", &level]);
    assert!(ran.all().contains("NoAnswer"), "{}", ran.all());
    assert!(sim.log().iter().any(|entry| entry.url.contains("&s=")), "there is something to keep secret");
    assert_silent(&sim, "a poll", &ran.all());
    for (path, content) in sim.state_files() {
        assert_silent(&sim, &path.display().to_string(), &String::from_utf8_lossy(&content));
    }
}

#[test]
fn a_key_and_the_address_of_a_mirror_are_not_said() {
    for format in ["text", "json"] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let url = "https://someone:hunter2@127.0.0.1:1/ServiceTags_Public_20260105.json?sig=s1gned";
        let mirror = json!({"metadata": {"name": "mirror"}, "spec": {"sources": [{"download": {"fileUrl": url}}]}});
        let object = feed("", mirror);
        sim.objects("mirror.yaml", &[object]);
        let level = loudest();
        let mut command = sim.command(&["run", "--dir", "dir", "--state", "state", "--once", "--log", &level]);
        command.args(["--log-format", format]).env_remove("AZURE_CLIENT_SECRET");
        command.env("AZURE_CLIENT_CERTIFICATE_PATH", CERTIFICATE);
        let ran = sim.ran(command);
        assert!(ran.all().contains("client certificate of"), "it is said how it logs in: {}", ran.all());
        assert!(ran.all().contains("https://127.0.0.1:1/ServiceTags"), "and where a document was: {}", ran.all());
        assert_silent(&sim, format, &ran.all());
        for (path, content) in sim.state_files() {
            assert_silent(&sim, &path.display().to_string(), &String::from_utf8_lossy(&content));
        }
    }
}

#[test]
fn the_controller_keeps_its_secrets_and_tells_the_rest() {
    for format in ["text", "json"] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.fault(json!({"match": {"method": "PUT", "nth": 2}, "effect": {"status": {"code": 401}}}));
        let level = loudest();
        let listen = ["--http-listen", "127.0.0.1:0"];
        let controller = sim.controller(&[&["--log", &level, "--log-format", format], &listen[..]].concat());
        controller.wait_until("the first document", || ours(&sim.history(TABLE)).len() == 7);
        controller.wait_until("the status", || sim.status("ml")["targets"][0]["state"] == "InSync");
        if format == "text" {
            let scrape = get(address(&controller), "/metrics");
            assert_silent(&sim, "a scrape", scrape.text());
            assert!(scrape.text().contains("amlnet_target_state"), "{}", scrape.text());
        }
        let (_, _, log) = controller.terminate();
        assert_silent(&sim, format, &log);
        for (path, content) in sim.state_files() {
            assert_silent(&sim, &path.display().to_string(), &String::from_utf8_lossy(&content));
        }
        // It is not silent because it says nothing.
        let answers = log.lines().filter(|line| line.contains("ARM answered")).count();
        let writes: Vec<&str> = log.lines().filter(|line| line.contains("wrote")).collect();
        assert!(answers > 10 && writes.len() == 7, "{log}");
        if format == "json" {
            log.lines().for_each(|line| drop(assert_json(line)));
            let audit = assert_json(writes[0]);
            for field in ["target_id", "entry", "after", "contributors", "documents", "plan", "correlation_id"] {
                assert!(audit[field].is_string(), "{field} is missing in {audit}");
            }
        }
    }
}
