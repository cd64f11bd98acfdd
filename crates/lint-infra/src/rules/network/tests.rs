//! Mutations of a small fleet with the policies that it needs.

use std::collections::BTreeMap;

use super::check;
use crate::rules::Images;
use crate::rules::mutations::assert_each_mutation_is_reported;
use crate::rules::settings::Setting;

const GOOD: &str = "
kind: Deployment
metadata: {name: payments, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: payments}}
    spec:
      containers:
        - name: main
          image: ticketing/payments
          ports: [{name: http, containerPort: 3000}, {name: metrics, containerPort: 9091}]
          env:
            - {name: MONGODB_URL, valueFrom: {secretKeyRef: {name: payments, key: MONGODB_URL}}}
            - {name: PUBLIC_URL, value: 'https://ticketing.example'}
            - {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: 'http://collector.traces.svc:4317'}
---
kind: ExternalSecret
metadata: {name: payments}
spec: {target: {template: {data: {MONGODB_URL: 'mongodb://payments:{{ .word }}@mongodb-0.mongodb.shop.svc:27017/'}}}}
---
kind: StatefulSet
metadata: {name: mongodb}
spec:
  replicas: 3
  serviceName: mongodb
  template:
    metadata: {labels: {app: mongodb}}
    spec:
      volumes: [{name: start, configMap: {name: start}}]
      containers: [{name: main, image: 'mongo:7.0', ports: [{name: mongodb, containerPort: 27017}]}]
---
kind: ConfigMap
metadata: {name: start}
data: {start.js: \"rs.initiate({members: [{host: 'mongodb-0.mongodb:27017'}]})\"}
---
kind: Service
metadata: {name: mongodb}
spec: {clusterIP: None, selector: {app: mongodb}, ports: [{port: 27017, targetPort: mongodb}]}
---
kind: Service
metadata: {name: payments}
spec: {selector: {app: payments}, ports: [{port: 80, targetPort: http}]}
---
kind: Gateway
metadata: {name: door}
---
kind: HTTPRoute
metadata: {name: all}
spec: {rules: [{backendRefs: [{name: payments, port: 80}]}]}
---
kind: PodMonitor
metadata: {name: fleet}
spec: {selector: {matchLabels: {app: payments}}, podMetricsEndpoints: [{port: metrics}]}
---
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
kind: NetworkPolicy
metadata: {name: names}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
---
kind: NetworkPolicy
metadata: {name: payments}
spec:
  podSelector: {matchLabels: {app: payments}}
  policyTypes: [Ingress, Egress]
  ingress:
    - {from: [{podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: door}}}], ports: [{port: http}]}
    - {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], ports: [{port: 9091}]}
  egress:
    - {to: [{podSelector: {matchLabels: {app: mongodb}}}], ports: [{port: 27017}]}
    - {to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}
    - {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: traces}}}], ports: [{port: 4317}]}
---
kind: NetworkPolicy
metadata: {name: mongodb}
spec:
  podSelector: {matchLabels: {app: mongodb}}
  policyTypes: [Ingress, Egress]
  ingress:
    - {from: [{podSelector: {matchLabels: {app: payments}}}, {podSelector: {matchLabels: {app: mongodb}}}], ports: [{port: mongodb}]}
  egress:
    - {to: [{podSelector: {matchLabels: {app: mongodb}}}], ports: [{port: 27017}]}
";

fn fleet() -> Images {
    let settings = [
        ("MONGODB_URL", None),
        ("PUBLIC_URL", None),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", None),
        ("STRIPE_URL", Some("https://api.stripe.example")),
    ];
    let settings = settings.map(|(name, default)| {
        (name.to_owned(), Setting { is_required: false, default: default.map(ToOwned::to_owned) })
    });
    Images { programs: BTreeMap::from([("payments".to_owned(), settings.into())]), ..Images::default() }
}

#[test]
fn blocked_and_unneeded_flows_are_reported() {
    let needed_by = "MONGODB_URL), but no NetworkPolicy allows that";
    let egress = "    - {to: [{podSelector: {matchLabels: {app: mongodb}}}], ports: [{port: 27017}]}\n    - {to: [{ip";
    assert_each_mutation_is_reported(
        check,
        &fleet(),
        GOOD,
        &[
            ("[Ingress, Egress]}", "[Ingress]}", "no NetworkPolicy denies all egress by default"),
            ("[Ingress, Egress]}", "[Egress]}", "no NetworkPolicy denies all ingress by default"),
            (egress, "    - {to: [{ip", needed_by),
            (egress, "    - {to: [{ip", "egress of Deployment payments; add it"),
            (
                "{from: [{podSelector: {matchLabels: {app: payments}}}, ",
                "{from: [",
                "ingress of StatefulSet mongodb; add it",
            ),
            (
                "[{port: mongodb}]",
                "[{port: 27018}]",
                "Deployment payments must reach StatefulSet mongodb on port 27017",
            ),
            ("[{port: mongodb}]", "[{port: 27017, protocol: UDP}]", needed_by),
            (", {podSelector: {matchLabels: {app: mongodb}}}]", "]", "(ConfigMap start), but no NetworkPolicy allows"),
            (
                "[{port: http}]",
                "[{port: 3001}]",
                "the Gateway must reach Deployment payments on port 3000 (HTTPRoute all)",
            ),
            ("gateway-name: door", "gateway-name: window", "the Gateway must reach Deployment payments"),
            (
                "ports: [{port: 9091}]",
                "ports: [{port: 9090}]",
                "Prometheus must reach Deployment payments on port 9091",
            ),
            ("[{port: 443}]", "[{port: 80}]", "Deployment payments must reach the internet on port 443 (STRIPE_URL)"),
            ("metadata.name: traces", "metadata.name: other", "must reach namespace traces on port 4317"),
            ("collector.traces.svc:4317", "collector.other:4317", "must reach the internet on port 4317"),
            ("{port: 53, protocol: UDP}, ", "", "no NetworkPolicy allows DNS"),
            ("mongodb-0.mongodb.shop.svc:27017", "mongo:27017", "MONGODB_URL: there is no Service mongo"),
            (
                "{target: {template: {data: {MONGODB_URL: 'mongodb://payments:{{ .word }}@mongodb-0.mongodb.shop.svc:27017/'}}}}",
                "{data: [{secretKey: MONGODB_URL}]}",
                "the address in MONGODB_URL is unknown",
            ),
            // Allowed although no flow needs it.
            ("ports: [{port: 9091}]", "ports: [{port: 9091}, {port: 9090}]", "on port 9090, which nothing"),
            (
                "ports: [{port: mongodb}]",
                "ports: [{port: mongodb}, {port: 1}]",
                "may reach StatefulSet mongodb on port 1, ",
            ),
            (
                "ports: [{port: 443}]",
                "ports: [{port: 443}, {port: 80}]",
                "payments may reach any other peer of the rule on port 80",
            ),
            ("ports: [{port: 443}]}", "}", "NetworkPolicy payments: a rule for egress lists no ports"),
            (
                "{from: [{podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: door}}}], ",
                "{",
                "NetworkPolicy payments: a rule for ingress lists no peers",
            ),
        ],
    );
}

#[test]
fn egress_of_a_gateway_in_our_namespace_is_checked() {
    assert_each_mutation_is_reported(
        check,
        &fleet(),
        &format!("{GOOD}---{GATEWAY}"),
        &[("port: 3000}]}]", "port: 3001}]}]", "no NetworkPolicy allows that egress of the Gateway; add it")],
    );
}

#[test]
fn policies_for_a_managed_gateway_are_checked() {
    let peer = "{podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: door}}}";
    let plain = format!("    - {{from: [{peer}], ports: [{{port: http}}]}}\n");
    assert!(GOOD.contains(&plain));
    let blocked = "the Gateway must reach Deployment payments on port 3000";
    let entity = "it may only allow ingress from the entity ingress";
    assert_each_mutation_is_reported(
        check,
        &fleet(),
        &format!("{}---{MANAGED_GATEWAY}", GOOD.replace(&plain, "")),
        &[
            ("{app: payments}}\n  ingress: [{fromEntities", "{app: x}}\n  ingress: [{fromEntities", blocked),
            ("{app: payments}}\n  ingress: [{fromEntities", "{app: x}}\n  ingress: [{fromEntities", "matches no pod"),
            ("port: '3000'", "port: '3001'", blocked),
            (
                "port: '3000'",
                "port: '9090'",
                "the Gateway may reach Deployment payments on port 9090, which no route needs",
            ),
            ("[{port: '3000', protocol: TCP}]", "[]", "CiliumNetworkPolicy gateway: a rule lists no ports"),
            ("[ingress]", "[ingress, world]", entity),
            ("[ingress]", "[cluster]", entity),
        ],
    );
}

/// Cilium's policies for a Gateway that is not a pod, and for challenges.
const MANAGED_GATEWAY: &str = "
kind: CiliumNetworkPolicy
metadata: {name: gateway}
spec:
  endpointSelector: {matchLabels: {app: payments}}
  ingress: [{fromEntities: [ingress], toPorts: [{ports: [{port: '3000', protocol: TCP}]}]}]
---
kind: CiliumNetworkPolicy
metadata: {name: challenge}
spec:
  endpointSelector: {matchLabels: {acme.cert-manager.io/http01-solver: 'true'}}
  ingress: [{fromEntities: [ingress], toPorts: [{ports: [{port: '8089', protocol: TCP}]}]}]
";

/// A policy for the pods of a Gateway in our namespace.
const GATEWAY: &str = "
kind: NetworkPolicy
metadata: {name: gateway}
spec:
  podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: door}}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: payments}}}], ports: [{port: 3000}]}]
";

#[test]
fn policies_for_missing_pods_are_reported() {
    assert_each_mutation_is_reported(
        check,
        &fleet(),
        &format!("{GOOD}---{CHALLENGES}"),
        &[
            (
                "acme.cert-manager.io/http01-solver",
                "solver",
                "NetworkPolicy challenges: its podSelector matches no pod",
            ),
            (
                "{app: mongodb}}\n  policyTypes",
                "{app: mongo}}\n  policyTypes",
                "NetworkPolicy mongodb: its podSelector matches no",
            ),
        ],
    );
}

/// A policy for pods that cert-manager starts on demand.
const CHALLENGES: &str = "
kind: NetworkPolicy
metadata: {name: challenges}
spec:
  podSelector: {matchLabels: {acme.cert-manager.io/http01-solver: 'true'}}
  ingress: [{ports: [{port: 8089}]}]
";
