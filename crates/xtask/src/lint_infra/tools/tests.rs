//! Each tool finds what is broken in a file made for it, and nothing in a good one. Where a tool
//! can't be had at all, the test fails and says so: a check that never runs checks nothing.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::servers::scratch::ScratchDir;
use testkit::tools::python::Environment;

use super::files::Files;
use super::kustomize::{Overlay, render_all};
use super::{linters, promtool, schemas, unit_tests};
use crate::lint_infra::objects::Objects;

fn python() -> Environment {
    Environment::install("infra/dev/requirements-infra.txt").unwrap()
}

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> ScratchDir {
    let scratch = ScratchDir::new(name).unwrap();
    for (path, text) in files {
        let path = scratch.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    scratch
}

fn is_told(problems: &[String], says: &str) {
    assert!(problems.iter().any(|problem| problem.contains(says)), "should say {says:?}, but says {problems:#?}");
}

const NONE: Vec<String> = Vec::new();

const DOCKERFILE: &str = "FROM debian:12\nUSER 65532\n";
const WORKFLOW: &str = "name: Checks
on: push
permissions: {}
concurrency:
  group: ${{ github.ref }}
  cancel-in-progress: true
jobs:
  one:
    name: One
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: echo one
";
const SCRIPT: &str = "#!/bin/sh\necho \"$1\"\n";
const YAML: &str = "a: 1\nb: [2]\n";

/// What the linters say of a folder with these four files.
fn lint(name: &str, dockerfile: &str, workflow: &str, script: &str, yaml: &str) -> Vec<String> {
    let workflow_path = ".github/workflows/checks.yaml";
    let files = [("Dockerfile", dockerfile), (workflow_path, workflow), ("run.sh", script), ("a.yaml", yaml)];
    let scratch = folder(name, &files);
    let files = Files {
        dockerfiles: vec![PathBuf::from("Dockerfile")],
        workflows: vec![PathBuf::from(workflow_path)],
        scripts: vec![PathBuf::from("run.sh")],
        yaml: vec![PathBuf::from("a.yaml")],
        unit_tests: Vec::new(),
    };
    linters::check(&python(), scratch.path(), &files).unwrap()
}

#[test]
fn a_failing_unit_test_is_told() {
    let test = |holds: &str| {
        format!(
            "import unittest\n\n\nclass One(unittest.TestCase):\n    def test_one(self):\n        \
             self.assertTrue({holds})\n\n\nunittest.main()\n"
        )
    };
    let scratch = folder("lint-unit-tests", &[("test_good.py", &test("True")), ("test_bad.py", &test("False"))]);
    let check = |name: &str| unit_tests::check(&python(), scratch.path(), &[PathBuf::from(name)]).unwrap();
    assert_eq!(check("test_good.py"), NONE);
    is_told(&check("test_bad.py"), "test_bad.py: ");
}

#[test]
fn linters_find_what_is_broken() {
    assert_eq!(lint("lint-good", DOCKERFILE, WORKFLOW, SCRIPT, YAML), NONE);
    let with = |from: &str, to: &str| {
        assert!(WORKFLOW.contains(from));
        WORKFLOW.replace(from, to)
    };
    let cases = [
        (lint("lint-hadolint", "FROM debian\n", WORKFLOW, SCRIPT, YAML), "hadolint: Dockerfile:1 DL3006"),
        (
            lint("lint-actionlint", DOCKERFILE, &with("echo one", "echo ${{ nobody.knows }}"), SCRIPT, YAML),
            "actionlint: ",
        ),
        (lint("lint-in-workflow", DOCKERFILE, &with("echo one", "echo $ONE"), SCRIPT, YAML), "SC2086"),
        (
            lint("lint-zizmor", DOCKERFILE, &with("- run: echo one", "- uses: actions/checkout@v6"), SCRIPT, YAML),
            "unpinned-uses",
        ),
        (lint("lint-shellcheck", DOCKERFILE, WORKFLOW, "#!/bin/sh\necho $1\n", YAML), "shellcheck: In run.sh line 2"),
        (lint("lint-yamllint", DOCKERFILE, WORKFLOW, SCRIPT, "a: 1\na: 2\n"), "duplication of key \"a\""),
    ];
    for (problems, says) in cases {
        is_told(&problems, says);
    }
}

const KUSTOMIZATION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";

#[test]
fn overlays_are_rendered_and_bases_are_part_of_them() {
    let base = format!("{KUSTOMIZATION}resources: [map.yaml]\n");
    let dev = format!("{KUSTOMIZATION}namespace: dev\nresources: [../k8s]\n");
    let managed = format!("{KUSTOMIZATION}namespace: other\nresources: [../k8s-dev]\n");
    let broken = format!("{KUSTOMIZATION}namespace: prod\nresources: [nowhere.yaml]\n");
    let alone = KUSTOMIZATION.replace("kind: Kustomization", "kind: Component").replace("v1beta1", "v1alpha1");
    let scratch = folder(
        "lint-kustomize",
        &[
            ("k8s/kustomization.yaml", &base),
            ("part/kustomization.yaml", &base),
            ("part/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
            ("k8s/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
            ("k8s-dev/kustomization.yaml", &dev),
            ("k8s-managed/kustomization.yaml", &managed),
            ("k8s-prod/kustomization.yaml", &broken),
            ("extra/kustomization.yaml", &alone),
        ],
    );
    let (overlays, problems) = render_all(&python(), scratch.path()).unwrap();
    let names: Vec<_> = overlays.iter().map(|overlay| overlay.name.as_str()).collect();
    assert_eq!(names, ["k8s-dev", "k8s-managed"], "{problems:?}");
    assert_eq!(overlays[0].objects.namespace(), "dev");
    assert_eq!(problems.len(), 3, "{problems:?}");
    is_told(&problems, "k8s-prod: kubectl kustomize: ");
    is_told(&problems, "extra: no overlay takes this in");
    is_told(&problems, "part: no overlay takes this in");
}

fn validated(yaml: &str, schemas: Option<&Path>) -> Vec<String> {
    let overlay = Overlay { name: "k8s-dev".to_owned(), objects: Objects::parse(yaml).unwrap() };
    schemas::check(&python(), &[overlay], &Objects::default(), schemas).unwrap()
}

#[test]
fn objects_are_held_against_their_schemas() {
    let schema = r#"{
        "type": "object",
        "properties": {
            "kind": {"type": "string", "pattern": "^(?i)thing$"},
            "spec": {"type": "object", "additionalProperties": false}
        }
    }"#;
    let scratch =
        folder("lint-catalogue", &[("example.org_thing_v1.json", schema), ("skaffold-v4beta13.json", schema)]);
    let schemas = Some(scratch.path());
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: b}\nspec: {}\n";
    assert_eq!(validated(&format!("{map}---\n{thing}"), schemas), NONE);

    let unknown_field = map.to_owned() + "dota: {}\n";
    is_told(&validated(&unknown_field, schemas), "k8s-dev/ConfigMap-a.json did not validate");
    is_told(&validated(&map.replace("ConfigMap", "ConfigMop"), schemas), "Couldn't find schema for kind ConfigMop");
    is_told(&validated(&thing.replace("spec: {}", "spec: {x: 1}"), schemas), "k8s-dev/Thing-b.json::$.spec");
    is_told(&validated(&thing.replace("Thing", "Thong"), schemas), "there is no schema example.org_thong_v1.json");
    // Without a folder of schemas, that is said on standard error, and the others are still checked.
    assert_eq!(validated(&thing.replace("Thing", "Thong"), None), NONE);

    let skaffold = Objects::parse("spec: {x: 1}").unwrap();
    is_told(&schemas::check(&python(), &[], &skaffold, schemas).unwrap(), "$.spec");
}

const RULES: &str = "
kind: PrometheusRule
metadata: {name: rules}
spec:
  groups:
    - name: all
      rules:
        - {alert: Away, expr: up == 0}
";
const TEST: &str = "rule_files: [rules.yaml]
tests:
  - input_series: [{series: up, values: 0}]
    alert_rule_test: [{eval_time: 0s, alertname: Away, exp_alerts: [{exp_labels: {}}]}]
";

#[tokio::test]
async fn promtool_checks_rules_and_runs_their_tests() {
    let program = promtool::find_or_install().await.unwrap();
    let run = |rules: &str, tests: &[(&str, &str)]| {
        let scratch = folder("lint-rules", tests);
        promtool::check(&program, &Objects::parse(rules).unwrap(), scratch.path()).unwrap()
    };
    assert_eq!(run(RULES, &[("away.yaml", TEST)]), NONE);
    is_told(&run(&RULES.replace("up == 0", "up == ("), &[("away.yaml", TEST)]), "promtool check rules: ");
    is_told(&run(RULES, &[("away.yaml", &TEST.replace("values: 0", "values: 1"))]), "promtool test rules: ");
    is_told(&run(RULES, &[("away.yaml", &TEST.replace("rules.yaml", "others.yaml"))]), "promtool test rules: ");
    is_told(&run(RULES, &[("readme.md", "")]), "has no tests of the alert rules");
}
