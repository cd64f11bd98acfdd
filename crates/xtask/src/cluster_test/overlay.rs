//! What is deployed: an overlay as it ships, without the kinds of objects that this cluster does not know, and
//! with what those would have made.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use testkit::fleet::options::UNLIMITED;

use super::images::OURS;
use super::kube::{Kube, output, say, text};
use super::{Which, kube};
use crate::secrets;

/// The Secret of the Gateway's certificate.
const CERTIFICATE: &str = "ticketing-tls";

/// A folder that kustomize takes, and what is asked of it.
pub(super) struct Overlay {
    /// The overlay's manifests, without what the cluster does not know.
    pub(super) folder: PathBuf,
    /// The images, as infra/ci/deploy.sh is told of them.
    pub(super) images: PathBuf,
    /// Where this test keeps its things.
    pub(super) home: PathBuf,
    /// The shop's address.
    pub(super) shop: String,
    objects: Vec<Value>,
    left_out: Vec<Value>,
}

impl Overlay {
    /// Renders it for this cluster.
    pub(super) async fn prepare(kube: &Kube, which: Which, home: &Path) -> Result<Self> {
        let source = match which {
            Which::Dev => {
                secrets::of_development()?;
                "infra/k8s-dev"
            }
            Which::Prod => "infra/cluster-test",
        };
        let rendered = output(kube.kubectl(&["kustomize", source]), "kubectl kustomize").await?;
        let known = kinds(kube).await?;
        let (mut objects, mut left_out, mut kept) = (Vec::new(), Vec::new(), String::new());
        for document in rendered.split("\n---\n") {
            let object: Value = serde_yaml_ng::from_str(document)?;
            let kind = (text(&object, "/apiVersion")?.to_owned(), text(&object, "/kind")?.to_owned());
            if known.contains(&kind) {
                write!(kept, "---\n{document}\n")?;
                objects.push(object);
            } else {
                left_out.push(object);
            }
        }
        let folder = home.join("overlay");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("all.yaml"), kept)?;
        // Three people buy here as nobody else would.
        let raised =
            UNLIMITED.map(|(name, value)| json!({ "op": "add", "path": format!("/data/{name}"), "value": value }));
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [all.yaml]\npatches:\n  \
             - target: {{kind: ConfigMap, name: 'fleet.*'}}\n    patch: '{}'\n",
            json!(raised)
        );
        fs::write(folder.join("kustomization.yaml"), kustomization)?;
        let images = home.join("images.json");
        let builds: Vec<_> = OURS.map(|name| json!({ "imageName": name, "tag": format!("{name}:latest") })).into();
        fs::write(&images, json!({ "builds": builds }).to_string())?;
        let fleet =
            objects.iter().find(|object| object["kind"] == "ConfigMap" && object.pointer("/data/PUBLIC_URL").is_some());
        let shop = text(fleet.context("no ConfigMap has PUBLIC_URL")?, "/data/PUBLIC_URL")?.to_owned();
        Ok(Self { folder, images, home: home.to_owned(), shop, objects, left_out })
    }

    /// The hosts of the Gateway's listeners.
    fn hosts(&self) -> BTreeSet<&str> {
        let gateways = self.objects.iter().filter(|object| object["kind"] == "Gateway");
        let listeners = gateways.filter_map(|gateway| gateway.pointer("/spec/listeners")?.as_array()).flatten();
        listeners.filter_map(|listener| listener["hostname"].as_str()).collect()
    }

    /// The shop's host.
    pub(super) fn host(&self) -> &str {
        self.shop.trim_start_matches("https://")
    }

    /// Makes what the kinds that were left out would have made: the Gateway's certificate and Secrets.
    pub(super) async fn make_what_is_missing(&self, kube: &Kube) -> Result<()> {
        let mut kinds: Vec<_> = self.left_out.iter().filter_map(|object| object["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if !kinds.is_empty() {
            say("Left out", &format!("what this cluster does not know: {}", kinds.join(", ")));
        }
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": kube::NAMESPACE } });
        let mut objects = vec![namespace];
        if kinds.contains(&"Certificate") {
            objects.push(self.certificate(kube).await?);
        }
        if kinds.contains(&"ExternalSecret") {
            objects.extend(self.secrets()?);
        }
        kube.apply_json(&objects).await
    }

    /// Makes a self-signed certificate, which this test's clients trust. It is kept, so a second run changes nothing.
    async fn certificate(&self, kube: &Kube) -> Result<Value> {
        let (key, certificate) = (self.home.join("tls.key"), self.home.join("tls.crt"));
        let names: Vec<_> = self.hosts().iter().map(|host| format!("DNS:{host}")).collect();
        let config = format!(
            "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = server\n[name]\nCN = cluster-test\n\
             [server]\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = {}\n",
            names.join(",")
        );
        let file = self.home.join("tls.conf");
        if fs::read_to_string(&file).ok().as_ref() != Some(&config) {
            fs::write(&file, &config)?;
            let mut openssl = kube.command("openssl");
            openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
            openssl.args(["-days", "30", "-config"]).arg(&file).arg("-keyout").arg(&key).arg("-out").arg(&certificate);
            output(openssl, "openssl req").await?;
        }
        let data = json!({
            "tls.crt": fs::read_to_string(&certificate)?,
            "tls.key": fs::read_to_string(&key)?,
            "ca.crt": fs::read_to_string(&certificate)?,
        });
        let metadata = json!({ "name": CERTIFICATE, "namespace": kube::NAMESPACE });
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "stringData": data,
        }))
    }

    /// Those that production's secret store would hold.
    fn secrets(&self) -> Result<Vec<Value>> {
        let folder = secrets::make(&secrets::SecretsArgs { out: Some(self.home.join("secrets")), mongodb_members: 3 })?;
        let of_store = self.left_out.iter().filter(|object| object["kind"] == "ExternalSecret");
        let names = of_store.filter_map(|object| object.pointer("/metadata/name")?.as_str());
        names
            .map(|name| {
                let file = folder.join(format!("{name}.env"));
                let lines = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
                let mut data: Map<String, Value> = lines
                    .lines()
                    .filter_map(|line| line.split_once('='))
                    .map(|(key, value)| (key.to_owned(), value.into()))
                    .collect();
                for (service, key, file) in
                    [("auth", "JWT_PRIVATE_KEYS", "keys/jwt.pem"), ("orders", "PASS_PRIVATE_KEYS", "keys/pass.pem")]
                {
                    if service == name {
                        data.insert(key.to_owned(), fs::read_to_string(folder.join(file))?.into());
                    }
                }
                let metadata = json!({ "name": name, "namespace": kube::NAMESPACE });
                Ok(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }))
            })
            .collect()
    }

    /// The overlay with one service changed: it is told something more.
    pub(super) fn with_change_of(&self, service: &str) -> Result<PathBuf> {
        let folder = self.home.join("changed");
        fs::create_dir_all(&folder)?;
        let resource = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../overlay]\npatches:\n  \
             - target: {{kind: Deployment, name: {service}}}\n    patch: '[{{\"op\": \"add\", \"path\": \
             \"/spec/template/spec/containers/0/env\", \"value\": [{{\"name\": \"LOG\", \"value\": \"info,stripe=warn\"}}]}}]'\n"
        );
        fs::write(folder.join("kustomization.yaml"), resource)?;
        Ok(folder)
    }
}

/// The kinds that the cluster knows, each with its version.
async fn kinds(kube: &Kube) -> Result<BTreeSet<(String, String)>> {
    let listed = kube.run(&["api-resources", "--no-headers"]).await?;
    let kind = |line: &str| {
        let mut words = line.split_whitespace().rev();
        let kind = words.next()?.to_owned();
        Some((words.nth(1)?.to_owned(), kind))
    };
    Ok(listed.lines().filter_map(kind).collect())
}
