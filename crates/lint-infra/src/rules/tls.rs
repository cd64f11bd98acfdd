//! Checks that either all of our programs use TLS to MongoDB, NATS and Redis, or none does: servers that require TLS
//! refuse connections without it.

use super::{Context, settings};
use crate::environment::variables;
use crate::objects::{each, text};

/// The setting that turns TLS on.
const AUTHORITY: &str = "TLS_CA_FILE";

/// The settings with the addresses of the servers.
const ADDRESSES: [&str; 3] = ["MONGODB_URL", "NATS_URL", "REDIS_URL"];

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let containers = context.pods.iter().flat_map(|pod| pod.containers().into_iter().map(move |one| (pod, one)));
    let ours = containers.filter(|(_, container)| settings::is_ours(container));
    let ours: Vec<_> = ours.map(|(pod, one)| (pod, one, variables(one, context.objects))).collect();
    if !ours.iter().any(|(.., variables)| variables.contains_key(AUTHORITY)) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (pod, container, variables) in &ours {
        // A server in the same pod needs no TLS.
        let is_local = |url: &str| url.contains("127.0.0.1");
        let connects = ADDRESSES
            .iter()
            .find(|name| variables.get(**name).is_some_and(|url| !url.as_deref().is_some_and(is_local)));
        let name = text(container, "/name");
        match (connects, variables.get(AUTHORITY)) {
            (Some(address), None) => problems.push(pod.problem(format!(
                "container {name} has {address} but not {AUTHORITY}, as others do: set it, and mount the authority"
            ))),
            (_, Some(Some(file))) => {
                let mut mounts = each(container, "/volumeMounts/*").into_iter().map(|mount| text(mount, "/mountPath"));
                if !mounts.any(|folder| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))) {
                    problems
                        .push(pod.problem(format!("container {name}: no volume is mounted for {file} of {AUTHORITY}")));
                }
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::check;

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      containers:
        - name: service
          image: ticketing/orders
          envFrom: [{configMapRef: {name: fleet}}]
          env: [{name: REDIS_URL, value: 'redis://redis'}]
          volumeMounts: [{name: authority, mountPath: /authority}]
---
kind: ConfigMap
metadata: {name: fleet}
data: {TLS_CA_FILE: /authority/ca.crt}
---
kind: Deployment
metadata: {name: audit}
spec:
  template:
    spec:
      containers:
        - name: ticketctl
          image: ticketing/ticketctl
          env: [{name: NATS_URL, value: 'nats://127.0.0.1:4222'}]
";

    #[test]
    fn programs_without_the_authority_are_reported() {
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                ("127.0.0.1", "nats", "Deployment audit: container ticketctl has NATS_URL but not TLS_CA_FILE"),
                ("mountPath: /authority", "mountPath: /auth", "no volume is mounted for /authority/ca.crt"),
            ],
        );
    }
}
