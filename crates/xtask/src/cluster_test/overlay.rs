//! The deployed overlay: the shipped one without the kinds of objects that the cluster does not support, plus the
//! objects that their controllers would create.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use testkit::certificates::Authority;
use testkit::fleet::options::NO_RATE_LIMITS;
use testkit::tools::progress;

use super::OverlayKind;
use super::images::IMAGES;
use super::kube::{Kube, NAMESPACE, output, text};
use crate::secrets;

/// Name of the Secret with the Gateway's certificate.
const CERTIFICATE: &str = "ticketing-tls";

/// A rendered overlay.
pub(super) struct Overlay {
    /// Folder of a kustomization with the supported objects.
    pub(super) folder: PathBuf,
    /// File that names the images for infra/ci/deploy.sh.
    pub(super) images: PathBuf,
    /// Working folder of this test.
    pub(super) home: PathBuf,
    /// URL of the shop.
    pub(super) shop: String,
    /// Folder of the generated secrets.
    secrets: PathBuf,
    kind: OverlayKind,
    objects: Vec<Value>,
    unsupported: Vec<Value>,
}

impl Overlay {
    /// Renders the overlay for this cluster.
    pub(super) async fn prepare(kube: &Kube, kind: OverlayKind, home: &Path) -> Result<Self> {
        let (source, secrets) = match kind {
            OverlayKind::Dev => ("infra/k8s-dev", secrets::ensure_development()?),
            OverlayKind::Prod => ("infra/cluster-test", home.join("secrets")),
        };
        let rendered = output(kube.kubectl(&["kustomize", source]), "kubectl kustomize").await?;
        let supported = supported_kinds(kube).await?;
        let (mut objects, mut unsupported, mut kept) = (Vec::new(), Vec::new(), String::new());
        for document in rendered.split("\n---\n") {
            let object: Value = serde_yaml_ng::from_str(document)?;
            let api = (text(&object, "/apiVersion")?.to_owned(), text(&object, "/kind")?.to_owned());
            if supported.contains(&api) {
                write!(kept, "---\n{document}\n")?;
                objects.push(object);
            } else {
                unsupported.push(object);
            }
        }
        let folder = home.join("overlay");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("all.yaml"), kept)?;
        // Raise the rate limits, since a few users generate all of the load.
        let raised =
            NO_RATE_LIMITS.map(|(name, value)| json!({ "op": "add", "path": format!("/data/{name}"), "value": value }));
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [all.yaml]\npatches:\n  \
             - target: {{kind: ConfigMap, name: 'fleet.*'}}\n    patch: '{}'\n",
            json!(raised)
        );
        fs::write(folder.join("kustomization.yaml"), kustomization)?;
        let images = home.join("images.json");
        let builds: Vec<_> = IMAGES.map(|name| json!({ "imageName": name, "tag": format!("{name}:latest") })).into();
        fs::write(&images, json!({ "builds": builds }).to_string())?;
        let fleet =
            objects.iter().find(|object| object["kind"] == "ConfigMap" && object.pointer("/data/PUBLIC_URL").is_some());
        let shop = text(fleet.context("no ConfigMap has PUBLIC_URL")?, "/data/PUBLIC_URL")?.to_owned();
        Ok(Self { folder, images, home: home.to_owned(), shop, secrets, kind, objects, unsupported })
    }

    /// Host name of the shop.
    pub(super) fn host(&self) -> &str {
        self.authority().0
    }

    /// Port of the shop.
    pub(super) fn port(&self) -> &str {
        self.authority().1
    }

    fn authority(&self) -> (&str, &str) {
        let authority = self.shop.trim_start_matches("https://");
        authority.split_once(':').unwrap_or((authority, "443"))
    }

    /// The value of a generated secret.
    pub(super) fn secret(&self, name: &str, key: &str) -> Result<String> {
        let values = self.values(name)?;
        let value = values.into_iter().find_map(|(found, value)| (found == key).then_some(value));
        value.with_context(|| format!("the secret {name} has no {key}"))
    }

    /// The keys and values of a generated Secret, without private keys.
    pub(super) fn values(&self, name: &str) -> Result<Vec<(String, String)>> {
        let file = self.secrets.join(format!("{name}.env"));
        let lines = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let values = lines.lines().filter_map(|line| line.split_once('='));
        Ok(values.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// A generated private key: PKCS#8, PEM.
    pub(super) fn key(&self, file: &str) -> Result<String> {
        let file = self.secrets.join("keys").join(file);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// Generates a key or password anew, and with it all values that contain it.
    pub(super) fn renew(&self, file: &str) -> Result<()> {
        let file = self.secrets.join("keys").join(file);
        fs::remove_file(&file).with_context(|| format!("deleting {}", file.display()))?;
        self.generate().map(drop)
    }

    /// Generates what is missing, and returns the folder.
    fn generate(&self) -> Result<PathBuf> {
        match self.kind {
            OverlayKind::Dev => secrets::ensure_development(),
            OverlayKind::Prod => {
                secrets::generate(&secrets::SecretsArgs { out: Some(self.secrets.clone()), mongodb_members: 3 })
            }
        }
    }

    /// The generated passwords.
    pub(super) fn passwords(&self) -> Result<Vec<String>> {
        let mut passwords = Vec::new();
        for entry in fs::read_dir(&self.secrets).with_context(|| format!("reading {}", self.secrets.display()))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "env") {
                let lines = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
                let values = lines.lines().filter_map(|line| line.split_once('='));
                let values = values.filter(|(key, _)| key.contains("PASSWORD"));
                passwords.extend(values.map(|(_, value)| value.to_owned()));
            }
        }
        Ok(passwords)
    }

    /// Creates the namespace and what the controllers of the unsupported kinds would create: certificates and Secrets.
    pub(super) async fn create_substitutes(&self, kube: &Kube) -> Result<()> {
        let mut kinds: Vec<_> = self.unsupported.iter().filter_map(|object| object["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if !kinds.is_empty() {
            progress("Omitted", &format!("kinds that the cluster does not support: {}", kinds.join(", ")));
        }
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        let mut objects = vec![namespace];
        if kinds.contains(&"Certificate") {
            objects.push(self.certificate(kube).await?);
            objects.extend(self.server_certificates()?);
        }
        if kinds.contains(&"ExternalSecret") {
            objects.extend(self.secrets()?);
        }
        kube.apply_json(&objects).await
    }

    /// Generates a self-signed certificate for the hosts of the Gateway, which this test's clients trust. A later run
    /// reuses it, so that nothing changes.
    async fn certificate(&self, kube: &Kube) -> Result<Value> {
        let (key, certificate) = (self.home.join("tls.key"), self.home.join("tls.crt"));
        let gateways = self.objects.iter().filter(|object| object["kind"] == "Gateway");
        let listeners = gateways.filter_map(|gateway| gateway.pointer("/spec/listeners")?.as_array()).flatten();
        let hosts: BTreeSet<_> = listeners.filter_map(|listener| listener["hostname"].as_str()).collect();
        let names: Vec<_> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
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
        Ok(secret(CERTIFICATE, "kubernetes.io/tls", &data))
    }

    /// Issues the certificates of MongoDB, NATS and Redis, with the names in the manifests. A later run reuses them.
    fn server_certificates(&self) -> Result<Vec<Value>> {
        let authority = Authority::load_or_create(&self.home.join("authority"))?;
        let authority_certificate = fs::read_to_string(authority.certificate())?;
        let certificates = self.unsupported.iter().filter(|object| object["kind"] == "Certificate");
        // A ClusterIssuer issues the certificate of the Gateway, and an Issuer those of the servers.
        let of_servers =
            certificates.filter(|object| text(object, "/spec/issuerRef/kind").is_ok_and(|kind| kind == "Issuer"));
        of_servers
            .map(|object| {
                let name = text(object, "/spec/secretName")?;
                if object.pointer("/spec/isCA").and_then(Value::as_bool) == Some(true) {
                    return Ok(secret(name, "Opaque", &json!({ "ca.crt": authority_certificate })));
                }
                let names =
                    [("DNS", "/spec/dnsNames"), ("IP", "/spec/ipAddresses")].into_iter().flat_map(|(kind, list)| {
                        let list = object.pointer(list).and_then(Value::as_array).into_iter().flatten();
                        list.filter_map(Value::as_str).map(move |name| format!("{kind}:{name}"))
                    });
                let issued = authority.issue(name, &names.collect::<Vec<_>>())?;
                let data = json!({
                    "tls.crt": fs::read_to_string(&issued.certificate)?,
                    "tls.key": fs::read_to_string(&issued.key)?,
                    "ca.crt": authority_certificate,
                });
                Ok(secret(name, "kubernetes.io/tls", &data))
            })
            .collect()
    }

    /// Generates the Secrets of production's secret store.
    fn secrets(&self) -> Result<Vec<Value>> {
        self.generate()?;
        let external = self.unsupported.iter().filter(|object| object["kind"] == "ExternalSecret");
        let names = external.filter_map(|object| object.pointer("/metadata/name")?.as_str());
        names
            .map(|name| {
                let mut data: Map<String, Value> =
                    self.values(name)?.into_iter().map(|(key, value)| (key, value.into())).collect();
                for (service, key, file) in
                    [("auth", "JWT_PRIVATE_KEYS", "jwt.pem"), ("orders", "PASS_PRIVATE_KEYS", "pass.pem")]
                {
                    if service == name {
                        data.insert(key.to_owned(), self.key(file)?.into());
                    }
                }
                Ok(secret(name, "Opaque", &Value::Object(data)))
            })
            .collect()
    }

    /// Writes an overlay in which services have an additional environment variable, and returns its folder. `services` is
    /// a regular expression of their names.
    pub(super) fn with_setting(&self, services: &str, name: &str, value: &str) -> Result<PathBuf> {
        let folder = self.home.join("changed");
        fs::create_dir_all(&folder)?;
        let resource = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../overlay]\npatches:\n  \
             - target: {{kind: Deployment, name: {services}}}\n    patch: '[{{\"op\": \"add\", \"path\": \
             \"/spec/template/spec/containers/0/env\", \"value\": [{{\"name\": \"{name}\", \"value\": \"{value}\"}}]}}]'\n"
        );
        fs::write(folder.join("kustomization.yaml"), resource)?;
        Ok(folder)
    }
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": data })
}

/// Returns the API versions and names of the kinds that the cluster supports.
async fn supported_kinds(kube: &Kube) -> Result<BTreeSet<(String, String)>> {
    let listed = kube.run(&["api-resources", "--no-headers"]).await?;
    let kind = |line: &str| {
        let mut words = line.split_whitespace().rev();
        let kind = words.next()?.to_owned();
        Some((words.nth(1)?.to_owned(), kind))
    };
    Ok(listed.lines().filter_map(kind).collect())
}
