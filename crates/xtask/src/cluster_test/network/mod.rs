//! Compares the table of flows in docs/kubernetes.md with real connections: from each of our pods, and from strangers
//! in the namespace and outside of it, to every port of our pods, the cluster's DNS, its API server, and, if a bridge
//! is given, an address on the internet and the metadata address of clouds.
//!
//! # Why
//! A refused connection proves nothing if nothing listens or the probe is broken. So each port is first reached from
//! the pod itself, to whose own traffic no policy applies; and a probe in a namespace without policies must reach a
//! listener at each of these ports, and every address outside.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use testkit::tools::{progress, workspace_root};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use self::table::Flows;
use super::kube::{Kube, NAMESPACE, text};
use super::probe::{IMAGE, run_inside};
use super::{Cluster, OverlayKind};

/// The namespace without policies.
const FREE: &str = "cluster-test";
const MONITORING: &str = "monitoring";
/// The addresses that infra/cluster-test/outside.py listens at.
const OUTSIDE: [(&str, &str, u16); 2] = [("internet", "203.0.113.1", 443), ("metadata", "169.254.169.254", 80)];
/// How long policies may take to apply to new pods.
const SETTLE: Duration = Duration::from_secs(15);
/// How often the connections are tried, since a busy machine may delay them.
const PASSES: usize = 3;

/// Tries to connect to each `name/port=address:port`, and prints which are open. A few at a time, since the memory
/// counts as the pod's.
const SCRIPT: &str = r#"
set -u
count=0
for target in $TARGETS; do
  (
    address=${target#*=}
    for attempt in 1 2; do
      if timeout 2 bash -c ": > /dev/tcp/${address%:*}/${address##*:}" 2> /dev/null; then
        echo "${target%%=*}"
        exit
      fi
    done
  ) &
  if ((++count % 6 == 0)); then wait; fi
done
wait
"#;

/// Listens at the ports that are its arguments.
const LISTENER: &str = "for my $port (@ARGV) { next if fork; \
    my $socket = IO::Socket::INET->new(LocalPort => $port, Listen => 16, ReuseAddr => 1) or die qq($port: $!); \
    while (my $client = $socket->accept) { close $client } } sleep 1 while 1;";

/// A port that sources try to connect to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    name: String,
    port: u16,
    address: String,
}

/// A pod of the fleet.
struct Pod {
    name: String,
    address: String,
    container: String,
    ports: Vec<u16>,
}

/// A pod that connects to targets.
struct Source {
    /// Its name in the table.
    name: String,
    /// Whether it is in our namespace.
    is_ours: bool,
    place: Place,
    targets: Vec<Target>,
}

enum Place {
    /// A debug container joins this pod, by name and container.
    Fleet(String, String),
    /// A pod called `probe-<label>` of this test.
    Own(Kube, String),
}

pub(super) async fn check(cluster: &Cluster, bridge: Option<&str>) -> Result<()> {
    let outside = if let Some(bridge) = bridge {
        Some(listen_outside(bridge).await?)
    } else {
        progress("Skipped", "the internet and the metadata address: --bridge is not given");
        None
    };
    let document = std::fs::read_to_string(workspace_root().join("docs/kubernetes.md"))?;
    let overlay = match cluster.kind {
        OverlayKind::Dev => "dev",
        OverlayKind::Prod => "prod",
    };
    let flows = Flows::read(&document, overlay)?;
    let had_monitoring = cluster.kube.run(&["get", "namespace", MONITORING]).await.is_ok();
    // An interrupted run may have left some.
    remove_own_pods(&cluster.kube, &[FREE]).await?;
    let outcome = compare(cluster, &flows, outside.is_some()).await;
    let made: &[&str] = if had_monitoring { &[FREE] } else { &[FREE, MONITORING] };
    let removed = remove_own_pods(&cluster.kube, made).await;
    outcome.and(removed)
}

/// Removes the pods and namespaces of this test, and waits until they are gone: ticketctl.sh takes the one labelled
/// `mongodb-restore` for a Job that runs.
async fn remove_own_pods(kube: &Kube, namespaces: &[&str]) -> Result<()> {
    let delete = ["delete", "--ignore-not-found", "--timeout", "120s"];
    for (namespace, label) in own_pods() {
        let pod = format!("probe-{label}");
        kube.in_namespace(namespace).run(&[&delete[..], &["pod", &pod]].concat()).await?;
    }
    for namespace in namespaces {
        kube.run(&[&delete[..], &["namespace", namespace]].concat()).await?;
    }
    Ok(())
}

/// Starts infra/cluster-test/outside.py, which needs root. It removes its addresses when its input ends, which the drop
/// of the child does; so it must not be killed.
async fn listen_outside(bridge: &str) -> Result<Child> {
    let script = "infra/cluster-test/outside.py";
    let mut command = Command::new(if nix::unistd::geteuid().is_root() { "env" } else { "sudo" });
    command.args(["python3", "-B", script, bridge]).current_dir(workspace_root());
    command.args(OUTSIDE.map(|(_, address, port)| format!("{address}:{port}")));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let printed = child.stdout.take().context("the listener has no output")?;
    let line = timeout(Duration::from_secs(20), BufReader::new(printed).lines().next_line()).await??;
    ensure!(line.as_deref() == Some("listening"), "{script} does not listen on {bridge}");
    Ok(child)
}

/// Namespace and label of the pods of this test: those of operators' Jobs, which don't run all the time, and strangers.
fn own_pods() -> [(&'static str, &'static str); 5] {
    [
        (NAMESPACE, "mongodb-backup"),
        (NAMESPACE, "mongodb-restore"),
        (NAMESPACE, "stranger"),
        (MONITORING, "monitoring"),
        (FREE, "free"),
    ]
}

async fn compare(cluster: &Cluster, flows: &Flows, has_outside: bool) -> Result<()> {
    let fleet = fleet(&cluster.kube).await?;
    let infrastructure = infrastructure(&cluster.kube, has_outside).await?;
    let sources = sources(&cluster.kube, &fleet, &infrastructure);
    check_names(flows, &sources, &fleet)?;
    start_own_pods(&cluster.kube, &ports(flows, &fleet)).await?;
    sleep(SETTLE).await;
    check_free_namespace(&cluster.kube, &ports(flows, &fleet), &infrastructure).await?;

    let mut wrong: Vec<(String, String)> = Vec::new();
    let mut counts = (0, 0);
    for pass in 0..PASSES {
        let tried = sources.iter().filter(|source| pass == 0 || wrong.iter().any(|(name, _)| *name == source.name));
        let tried: Vec<_> = tried.collect();
        let open = try_join_all(tried.iter().map(|source| connect(&cluster.kube, source))).await?;
        wrong.clear();
        for (source, open) in tried.iter().zip(open) {
            for target in &source.targets {
                let (is_open, is_allowed) = (open.contains(&key(target)), is_expected(flows, source, target));
                if is_open != is_allowed {
                    let what = if is_open { "may connect" } else { "can't connect" };
                    wrong.push((source.name.clone(), format!("{} {what} to {}", source.name, key(target))));
                } else if pass == 0 {
                    counts = if is_open { (counts.0 + 1, counts.1) } else { (counts.0, counts.1 + 1) };
                }
            }
        }
        if wrong.is_empty() {
            break;
        }
    }
    let wrong: Vec<_> = wrong.into_iter().map(|(_, what)| what).collect();
    ensure!(wrong.is_empty(), "the connections differ from docs/kubernetes.md: {}", wrong.join("; "));
    let (open, refused) = counts;
    progress(
        "Connected",
        &format!("{} kinds of pods as documented: {open} flows work, {refused} are refused", sources.len()),
    );
    Ok(())
}

/// Whether a source should reach a target. Each pod reaches itself.
fn is_expected(flows: &Flows, source: &Source, target: &Target) -> bool {
    let is_allowed = |from: &str| flows.contains(from, &target.name, target.port);
    target.name == SELF || is_allowed(&source.name) || (source.is_ours && is_allowed(OUR_PODS))
}

/// The name of a source's own ports.
const SELF: &str = "itself";
/// All pods of our namespace, in the table.
const OUR_PODS: &str = "our pods";

fn key(target: &Target) -> String {
    format!("{}/{}", target.name, target.port)
}

/// The running pods by the name in their labels.
async fn fleet(kube: &Kube) -> Result<BTreeMap<String, Vec<Pod>>> {
    let mut fleet: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
    for pod in kube.running_pods().await? {
        let containers =
            pod.pointer("/spec/containers").and_then(Value::as_array).context("a pod without containers")?;
        let listed = containers.iter().filter_map(|container| container.get("ports")?.as_array()).flatten();
        let port = |port: &Value| port.get("containerPort")?.as_u64().and_then(|port| u16::try_from(port).ok());
        let name = text(&pod, "/metadata/labels/app.kubernetes.io~1name")?.to_owned();
        fleet.entry(name).or_default().push(Pod {
            name: text(&pod, "/metadata/name")?.to_owned(),
            address: text(&pod, "/status/podIP")?.to_owned(),
            container: text(containers.first().context("a pod without containers")?, "/name")?.to_owned(),
            ports: listed.filter_map(port).collect(),
        });
    }
    Ok(fleet)
}

/// The targets outside of our namespace: DNS, the API server and the addresses outside of the cluster.
async fn infrastructure(kube: &Kube, has_outside: bool) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (name, namespace, service, port) in
        [("DNS", "kube-system", "kube-dns", 53), ("API server", "default", "kubernetes", 443)]
    {
        let get = ["get", "service", service, "--output", "jsonpath={.spec.clusterIP}"];
        let address = kube.in_namespace(namespace).run(&get).await?;
        targets.push(Target { name: name.replace(' ', "-"), port, address });
    }
    let outside = OUTSIDE.into_iter().filter(|_| has_outside);
    targets.extend(outside.map(|(name, address, port)| Target {
        name: name.to_owned(),
        port,
        address: address.to_owned(),
    }));
    Ok(targets)
}

/// The sources, each with its targets: a pod of each name and, if our policies apply to the source, the targets outside
/// of our namespace.
fn sources(kube: &Kube, fleet: &BTreeMap<String, Vec<Pod>>, infrastructure: &[Target]) -> Vec<Source> {
    let targets = |own: &str, is_ours: bool| {
        let mut targets = if is_ours { infrastructure.to_vec() } else { Vec::new() };
        for (name, pods) in fleet {
            // Another pod of the same name, if there are several.
            let other = pods.iter().find(|pod| pod.name != own);
            for port in other.map(|pod| pod.ports.as_slice()).unwrap_or_default() {
                let address = other.map(|pod| pod.address.clone()).unwrap_or_default();
                targets.push(Target { name: name.clone(), port: *port, address });
            }
        }
        targets
    };
    let mut sources = Vec::new();
    for (name, pod) in fleet.iter().filter_map(|(name, pods)| Some((name, pods.first()?))) {
        let mut targets = targets(&pod.name, true);
        let own = |port: &u16| Target { name: SELF.to_owned(), port: *port, address: pod.address.clone() };
        targets.extend(pod.ports.iter().map(own));
        let place = Place::Fleet(pod.name.clone(), pod.container.clone());
        sources.push(Source { name: name.clone(), is_ours: true, place, targets });
    }
    for (namespace, label) in own_pods() {
        let (name, is_ours) = match namespace {
            MONITORING => ("namespace monitoring", false),
            FREE => ("other namespaces", false),
            _ => (label, true),
        };
        let place = Place::Own(kube.in_namespace(namespace), label.to_owned());
        sources.push(Source { name: name.to_owned(), is_ours, place, targets: targets("", is_ours) });
    }
    sources
}

/// Checks that the test knows every name in the table.
fn check_names(flows: &Flows, sources: &[Source], fleet: &BTreeMap<String, Vec<Pod>>) -> Result<()> {
    // The Gateway's pods are another project's; each sale uses its flows.
    let mut known = BTreeSet::from(["Gateway", "DNS", OUR_PODS]);
    known.extend(sources.iter().map(|source| source.name.as_str()).chain(fleet.keys().map(String::as_str)));
    let names = flows.names();
    let unknown: Vec<_> = names.difference(&known).copied().collect();
    ensure!(unknown.is_empty(), "docs/kubernetes.md names unknown pods: {}", unknown.join(", "));
    Ok(())
}

/// All ports that are tried and that any user may listen at.
fn ports(flows: &Flows, fleet: &BTreeMap<String, Vec<Pod>>) -> BTreeSet<u16> {
    let listed = fleet.values().flatten().flat_map(|pod| pod.ports.iter().copied());
    flows.ports().into_iter().chain(listed).filter(|port| *port >= 1024).collect()
}

/// Starts the pods of this test and waits until they run.
async fn start_own_pods(kube: &Kube, ports: &BTreeSet<u16>) -> Result<()> {
    let namespaces =
        [FREE, MONITORING].map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
    kube.apply_json(&namespaces).await?;
    let mut listener: Vec<_> = ["perl", "-MIO::Socket::INET", "-e", LISTENER].map(ToOwned::to_owned).into();
    listener.extend(ports.iter().map(u16::to_string));
    kube.in_namespace(FREE).apply_json(&[pod("listener", &json!({}), &listener)]).await?;
    let idle = ["sleep".to_owned(), "3600".to_owned()];
    for (namespace, label) in own_pods() {
        let kube = kube.in_namespace(namespace);
        let name = format!("probe-{label}");
        kube.apply_json(&[pod(&name, &json!({ "app.kubernetes.io/name": label }), &idle)]).await?;
        kube.run(&["wait", &format!("pod/{name}"), "--for", "condition=Ready", "--timeout", "180s"]).await?;
    }
    kube.in_namespace(FREE)
        .run(&["wait", "pod/listener", "--for", "condition=Ready", "--timeout", "180s"])
        .await
        .map(drop)
}

fn pod(name: &str, labels: &Value, command: &[String]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "main",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    })
}

/// Checks that without policies all ports and addresses can be reached.
async fn check_free_namespace(kube: &Kube, ports: &BTreeSet<u16>, infrastructure: &[Target]) -> Result<()> {
    let free = kube.in_namespace(FREE);
    let address = free.run(&["get", "pod", "listener", "--output", "jsonpath={.status.podIP}"]).await?;
    let listener = |port: &u16| Target { name: "listener".to_owned(), port: *port, address: address.clone() };
    let mut targets: Vec<_> = ports.iter().map(listener).collect();
    targets.extend(infrastructure.iter().cloned());
    let place = Place::Own(free, "free".to_owned());
    let source = Source { name: "other namespaces".to_owned(), is_ours: false, place, targets };
    let open = connect(kube, &source).await?;
    let closed: Vec<_> = source.targets.iter().map(key).filter(|target| !open.contains(target)).collect();
    if !closed.is_empty() {
        bail!("a namespace without policies can't connect to {}, so nothing can be tested", closed.join(", "));
    }
    progress("Connected", &format!("a namespace without policies, at {} ports and addresses", source.targets.len()));
    Ok(())
}

/// Connects from a source to its targets, and returns those that are open.
async fn connect(kube: &Kube, source: &Source) -> Result<BTreeSet<String>> {
    let list: Vec<_> =
        source.targets.iter().map(|target| format!("{}={}:{}", key(target), target.address, target.port)).collect();
    let script = format!("TARGETS='{}'\n{SCRIPT}", list.join(" "));
    let printed = match &source.place {
        Place::Fleet(pod, container) => run_inside(kube, pod, container, &script).await,
        Place::Own(kube, label) => kube.run(&["exec", &format!("probe-{label}"), "--", "bash", "-c", &script]).await,
    };
    Ok(printed.with_context(|| format!("connecting from {}", source.name))?.lines().map(ToOwned::to_owned).collect())
}
