//! Tests that each tool reports what is broken in files made for it, and nothing in good ones. A missing tool fails
//! its test: a check that never runs checks nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use testkit::servers::scratch::ScratchDir;
use testkit::tools::python::Environment;
use testkit::tools::workspace_root;

use super::kustomize::{Overlay, render_all};
use super::{linters, promtool, schemas};
use crate::find_promtool;
use crate::objects::Objects;

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

fn assert_reported(problems: &[String], expected: &str) {
    let is_reported = problems.iter().any(|problem| problem.contains(expected));
    assert!(is_reported, "should report {expected:?}, but reports {problems:#?}");
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

const UNIT_TEST: &str = "import unittest


class One(unittest.TestCase):
    def test_one(self):
        self.assertTrue(True)


unittest.main()
";

/// Files of every kind that has a linter, each with a way to break it and what the linter reports about that.
const LINTED: [(&str, &str, &str, &str, &str); 10] = [
    ("Dockerfile", DOCKERFILE, "debian:12", "debian", "Dockerfile:1 DL3006"),
    (CHECKS, WORKFLOW, "echo one", "echo ${{ nobody.knows }}", "undefined variable \"nobody\""),
    (CHECKS, WORKFLOW, "echo one", "echo $ONE", "SC2086"),
    (CHECKS, WORKFLOW, "- run: echo one", "- uses: actions/checkout@v6", "unpinned-uses"),
    ("infra/run.sh", SCRIPT, "\"$1\"", "$1", "In infra/run.sh line 2"),
    ("run", "#!/usr/bin/env bash\necho \"$1\"\n", "\"$1\"", "$1", "In run line 2"),
    ("start", SCRIPT, "\"$1\"", "$1", "In start line 2"),
    ("infra/a.yaml", YAML, "b", "a", "infra/a.yaml:2:1: [error] duplication of key \"a\""),
    ("infra/test_good.py", UNIT_TEST, "True)", "False)", "infra/test_good.py"),
    ("infra/ci/test_ci.py", UNIT_TEST, "True)", "False)", "infra/ci/test_ci.py"),
];
const CHECKS: &str = ".github/workflows/checks.yml";

/// Files that resemble linted ones but are not linted.
const UNLINTED: [(&str, &str); 4] = [
    ("Dockerfile.dockerignore", "FROM debian"),
    ("snake", "#!/usr/bin/env python3\necho $1\n"),
    ("infra/run.py", "exit(1)"),
    ("test_elsewhere.py", "exit(1)"),
];

/// The problems reported about a repository of good files, some of which are replaced. One file is tracked, one is
/// tracked but deleted, and the others are untracked.
fn lint(replaced: &[(&str, &str)]) -> Vec<String> {
    let mut files: Vec<_> = LINTED.iter().map(|(path, text, ..)| (*path, *text)).chain(UNLINTED).collect();
    files.push(("gone.yaml", "a: 1\na: 2\n"));
    let scratch = folder("lint-files", &[files.as_slice(), replaced].concat());
    for script in ["run", "start", "snake"] {
        fs::set_permissions(scratch.path().join(script), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for arguments in [["init", "--quiet"].as_slice(), &["add", "infra/a.yaml", "gone.yaml"]] {
        assert!(Command::new("git").args(arguments).current_dir(scratch.path()).status().unwrap().success());
    }
    fs::remove_file(scratch.path().join("gone.yaml")).unwrap();
    linters::check(&python(), scratch.path()).unwrap().into_iter().collect()
}

#[test]
fn linters_report_what_is_broken_in_files_of_their_kind() {
    assert_eq!(lint(&[]), NONE);
    for (path, good, from, to, expected) in LINTED {
        assert!(good.contains(from), "{path} does not contain {from:?}");
        assert_reported(&lint(&[(path, &good.replacen(from, to, 1))]), expected);
    }
}

const KUSTOMIZATION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";

#[test]
fn overlays_are_rendered_with_their_bases() {
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
    assert_reported(&problems, "k8s-prod: kubectl kustomize: ");
    assert_reported(&problems, "extra: no overlay includes it");
    assert_reported(&problems, "part: no overlay includes it");
}

fn validated(yaml: &str, schemas: Option<&Path>) -> Vec<String> {
    let overlay = Overlay { name: "k8s-dev".to_owned(), objects: Objects::parse(yaml).unwrap() };
    let own = workspace_root().join("infra/dev/schemas");
    schemas::check(&python(), &[overlay], &Objects::default(), &own, schemas).unwrap()
}

#[test]
fn objects_are_validated_by_their_schemas() {
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
    assert_reported(&validated(&unknown_field, schemas), "k8s-dev: ConfigMap a: : Additional properties");
    let unknown_kind = map.replace("ConfigMap", "ConfigMop");
    assert_reported(&validated(&unknown_kind, schemas), "there is no schema configmop-v1.json");
    assert_reported(&validated(&thing.replace("spec: {}", "spec: {x: 1}"), schemas), "k8s-dev: Thing b: /spec: ");
    let unknown_thing = thing.replace("Thing", "Thong");
    assert_reported(&validated(&unknown_thing, schemas), "there is no schema example.org_thong_v1.json");
    // Our own schemas need no folder.
    let policy =
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {endpointSelector: {}}\n";
    for folder in [schemas, None] {
        assert_reported(&validated(policy, folder), "CiliumNetworkPolicy c: /spec: \"ingress\" is a required property");
    }
    // Without a folder of schemas, Thing is skipped, and built-in kinds are still checked.
    assert_eq!(validated(&unknown_thing, None), NONE);
    assert_reported(&validated(&format!("{unknown_field}---\n{thing}"), None), "ConfigMap a");

    let skaffold = Objects::parse("apiVersion: skaffold/v4beta13\nkind: Thing\nspec: {x: 1}").unwrap();
    assert_reported(
        &schemas::check(&python(), &[], &skaffold, Path::new("none"), schemas).unwrap(),
        "skaffold.yaml: Thing : /spec: ",
    );
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

#[test]
fn promtool_checks_rules_and_runs_their_tests() {
    let program = find_promtool().expect("promtool is missing; cargo xtask lint-infra installs it");
    let run = |rules: &str, tests: &[(&str, &str)]| {
        let scratch = folder("lint-rules", tests);
        promtool::check(&program, &Objects::parse(rules).unwrap(), scratch.path()).unwrap()
    };
    assert_eq!(run(RULES, &[("away.yaml", TEST)]), NONE);
    assert_reported(&run(&RULES.replace("up == 0", "up == ("), &[("away.yaml", TEST)]), "promtool check rules: ");
    assert_reported(&run(RULES, &[("away.yaml", &TEST.replace("values: 0", "values: 1"))]), "promtool test rules: ");
    assert_reported(&run(RULES, &[("away.yaml", &TEST.replace("rules.yaml", "others.yaml"))]), "promtool test rules: ");
    assert_reported(&run(RULES, &[("readme.md", "")]), "has no tests of the alert rules");
}
