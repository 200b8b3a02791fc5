//! Images: what is read from a Dockerfile, and that an archive is what runtimes import. Nothing here needs a runtime.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::image::{self, Dockerfile};

const TWO_STAGES: &str = r#"
# A comment.
ARG BASE=example.org/base:1@sha256:00
FROM builder AS build
RUN make \
    # in between
    && make install

FROM ${BASE}
ARG VERSION=1
LABEL title="two words" \
      version="${VERSION}"
COPY --from=build /out/program /program
USER 65532:65532
ENTRYPOINT ["/program"]
CMD ["run", "--fast"]
"#;

fn parse(text: &str, build_arguments: &BTreeMap<&str, String>) -> Result<Dockerfile, String> {
    Dockerfile::parse(Path::new("Dockerfile"), text, build_arguments).map_err(|error| error.to_string())
}

#[test]
fn the_last_stage_of_a_dockerfile_is_read() {
    let file = parse(TWO_STAGES, &BTreeMap::from([("VERSION", "2".to_owned())])).unwrap();
    assert_eq!(file.stages[0].name.as_deref(), Some("build"));
    assert_eq!(file.stages[0].commands, ["make && make install"]);
    let last = file.last();
    assert_eq!(last.from, "example.org/base:1@sha256:00");
    let labels = [("title", "two words"), ("version", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(last.labels, BTreeMap::from(labels));
    assert_eq!(last.copies, [("/out/program".to_owned(), "/program".to_owned())]);
    assert_eq!(last.user.as_deref(), Some("65532:65532"));
    assert_eq!(last.entrypoint, ["/program"]);
    assert_eq!(last.command, ["run", "--fast"]);
}

#[test]
fn what_would_be_left_out_of_an_image_is_refused() {
    let cases = [
        ("FROM base\nVOLUME /data\n", "Dockerfile:2: VOLUME is not known to the tests"),
        ("FROM base\n\nENTRYPOINT /program\n", "Dockerfile:3: /program needs a shell"),
        ("FROM base\nCOPY a b /c/\n", "Dockerfile:2: COPY a b /c/ has to name one source"),
        ("FROM base\nLABEL version=\"${VERSION}\"\n", "Dockerfile:2: VERSION is used, and no ARG"),
        ("FROM ${BASE}\n", "Dockerfile:1: BASE is used"),
        ("ARG BASE\nFROM base\n", "Dockerfile:1: a base has to have a default"),
        ("# nothing\n", "Dockerfile:1: there is no FROM"),
    ];
    for (text, expected) in cases {
        let error = parse(text, &BTreeMap::new()).unwrap_err();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn the_pause_image_holds_one_static_program_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let pause = image::pause("registry.k8s.io/pause:3.10", folder.path()).unwrap();
    let (first, second) = (folder.path().join("first.tar"), folder.path().join("second.tar"));
    pause.save(&first).unwrap();
    pause.save(&second).unwrap();
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "two archives of one image differ");

    let manifest: serde_json::Value = serde_json::from_slice(&member(&first, "manifest.json")).unwrap();
    assert_eq!(manifest[0]["RepoTags"][0], "registry.k8s.io/pause:3.10");
    let config: serde_json::Value = serde_json::from_slice(&member(&first, text(&manifest[0]["Config"]))).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/pause"]));
    let layer = member(&first, text(&manifest[0]["Layers"][0]));
    let layer_file = folder.path().join("layer.tar");
    fs::write(&layer_file, layer).unwrap();
    let digest = Command::new("sha256sum").arg(&layer_file).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!(text(&config["rootfs"]["diff_ids"][0]), format!("sha256:{}", digest.split(' ').next().unwrap()));

    let program = folder.path().join("program");
    fs::write(&program, member(&layer_file, "pause")).unwrap();
    let ldd = Command::new("ldd").arg(&program).env("LC_ALL", "C").output().unwrap();
    let said = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    assert!(said.contains("not a dynamic executable") || said.contains("statically linked"), "{said}");
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

/// One file of an archive, read by another program than the one that wrote it.
fn member(archive: &Path, name: &str) -> Vec<u8> {
    let done =
        Command::new("tar").args(["--extract", "--to-stdout", "--file"]).arg(archive).arg(name).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}
