//! No token and no secret in any output or file, at any level of logging.

use serde_json::json;

use crate::harness::{Sim, TABLE, address, get, ours};

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
    ]
}

/// What ARM says of a missing role, which is no header.
const HARMLESS: [&str; 2] = ["AuthorizationFailed", "does not have authorization to perform"];

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
            let logged = ["--log", "trace", "--log-format", format];
            for ran in
                [sim.plan(&logged), sim.apply(&[&logged[..], &["--state", "applied"]].concat()), sim.once(&logged)]
            {
                assert_silent(&sim, what, &ran.all());
            }
            for (path, content) in sim.state_files() {
                assert_silent(&sim, &format!("{what}: {}", path.display()), &String::from_utf8_lossy(&content));
            }
        }
    }
}

#[test]
fn the_controller_keeps_its_secrets_and_tells_the_rest() {
    for format in ["text", "json"] {
        let sim = Sim::start();
        sim.usual(json!({}));
        sim.fault(json!({"match": {"method": "PUT", "nth": 2}, "effect": {"status": {"code": 401}}}));
        let listen = ["--http-listen", "127.0.0.1:0"];
        let controller = sim.controller(&[&["--log", "trace", "--log-format", format], &listen[..]].concat());
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
            for line in log.lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(line["level"].is_string(), "{line}");
            }
            let audit: serde_json::Value = serde_json::from_str(writes[0]).unwrap();
            for field in ["target_id", "entry", "after", "contributors", "documents", "plan", "correlation_id"] {
                assert!(audit[field].is_string(), "{field} is missing in {audit}");
            }
        }
    }
}
