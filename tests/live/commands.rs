//! Completions and version: small, and scripts rely on them.

use std::process::Command;

fn amlnet(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_amlnet"))
        .args(arguments)
        .env_clear()
        .envs(std::env::vars().filter(|(name, _)| name.starts_with("LLVM_")))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, script) = amlnet(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(script.contains("amlnet") && script.contains("plan"), "{shell}");
    }
    assert_eq!(amlnet(&["completions", "tcsh"]).0, Some(1));
}

#[test]
fn version_is_text_or_json() {
    let (code, text) = amlnet(&["version"]);
    assert_eq!(code, Some(0));
    assert!(text.starts_with(concat!("amlnet ", env!("CARGO_PKG_VERSION"), " (")), "{text}");
    let (code, json) = amlnet(&["version", "-o", "json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    crate::harness::assert_schema("version", &json);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["commit"].is_string());
}
