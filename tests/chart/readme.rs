//! `charts/amlnet/README.md`: its table is made from the comments of values.yaml.

use serde_json::Value;

use crate::current::golden;
use crate::tools::read;

const HEAD: &str = "\
# Helm chart of amlnet

```sh
helm install amlnet charts/amlnet --namespace amlnet --create-namespace \\
  --set installationId=prod1 --set azure.clientId=00000000-0000-0000-0000-000000000000 \\
  --set image.repository=registry.example.com/amlnet
```

Helm 4, or Helm 3.18 and newer; Kubernetes 1.33 and newer. Use a namespace of its own: amlnet may read and delete every
ConfigMap there. The pods run under the restricted profile of Pod Security. Values that make no sense together are refused,
with what to write instead.

- **The CRDs** are installed and upgraded with the release, and stay when it is uninstalled, with all objects.
- **The feed** `public` is made by the first install, and kept current by every upgrade from then on. It stays too.
- **A second release** in the same cluster needs an installation id of its own, `crds.install=false` and
  `peopleRoles.create=false`.
- **Installed again** under the same name in the same namespace, a release takes over what stayed. Under another, the error
  says how to hand it over.
- **Rendered by `helm template`** (Argo CD does so), the chart asks which kinds the cluster knows: tell it by
  `--api-versions amlnet.dev/v1alpha1/ServiceTagFeed` that the CRDs are there, and by `--api-versions monitoring.coreos.com/v1`
  that the Prometheus operator is.

## Values

";

/// Why the comments cannot become a table.
type Wrong = String;

struct Row {
    path: String,
    /// None for a heading: a key with a comment that has keys with comments below it.
    default: Option<String>,
    meaning: String,
}

/// Each key with the comment above it, in order.
fn keys(text: &str) -> Vec<(String, String)> {
    let (mut comment, mut above, mut keys) = (Vec::new(), Vec::<(usize, String)>::new(), Vec::new());
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(said) = trimmed.strip_prefix('#') {
            comment.push(said.trim().to_owned());
            continue;
        }
        let said = std::mem::take(&mut comment).join(" ");
        if let Some((key, _)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('-')) {
            above.retain(|(depth, _)| *depth < indent);
            let path = above.last().map_or_else(|| key.to_owned(), |(_, above)| format!("{above}.{key}"));
            above.push((indent, path.clone()));
            keys.push((path, said));
        }
    }
    keys
}

/// A row for each key with a comment. A key without one has to lie below one whose comment explains it, or to have keys
/// below it.
fn rows(text: &str) -> Result<Vec<Row>, Wrong> {
    let values: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let keys = keys(text);
    let is_below = |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
    let is_heading = |above: &str| keys.iter().any(|(path, said)| is_below(path, above) && !said.is_empty());
    let mut rows = Vec::new();
    for (path, said) in &keys {
        let value = path.split('.').fold(&values, |value, key| &value[key]);
        if !said.is_empty() {
            let default = (!is_heading(path)).then(|| value.to_string());
            rows.push(Row { path: path.clone(), default, meaning: said.replace('|', "\\|") });
            continue;
        }
        let group = value.as_object().is_some_and(|object| !object.is_empty());
        let explained =
            keys.iter().any(|(above, said)| is_below(path, above) && !said.is_empty() && !is_heading(above));
        if !group && !explained {
            return Err(format!("values.yaml: {path} has no comment"));
        }
    }
    Ok(rows)
}

#[test]
fn the_readme_has_every_value() {
    let rows = rows(&read("charts/amlnet/values.yaml")).unwrap();
    assert!(rows.len() > 70, "{} rows", rows.len());
    let line = |row: &Row| {
        let default = row.default.as_ref().map_or_else(String::new, |default| format!("`{default}` "));
        format!("| `{}` | {default}| {} |\n", row.path, row.meaning)
    };
    let table: Vec<String> = rows.iter().map(line).collect();
    golden("charts/amlnet/README.md", &format!("{HEAD}| value | default | |\n|---|---|---|\n{}", table.concat()));
}

#[test]
fn a_value_without_a_word_is_found() {
    let refused = |text: &str| rows(text).err().unwrap();
    assert_eq!(refused("# What.\na: 1\nb: 2\n"), "values.yaml: b has no comment");
    assert_eq!(refused("a:\n  # What.\n  b: 1\n  c: {}\n"), "values.yaml: a.c has no comment");
    assert_eq!(refused("# What.\na:\n  # And.\n  b: 1\n  c: 2\n"), "values.yaml: a.c has no comment");
    let paths: Vec<String> =
        rows("# What.\na:\n  b: {c: 1}\nd:\n  # That.\n  e: []\n").unwrap().into_iter().map(|row| row.path).collect();
    assert_eq!(paths, ["a", "d.e"]);
}
