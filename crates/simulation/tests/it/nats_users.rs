//! Generates the NATS permissions of each service from the registry of events and the services' subscriptions. Only the
//! core (non-durable) subscriptions of `web` are listed here.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fmt::Write as _;

use common::events::ENTITIES;
use platform::stream::provision::DEAD_LETTER_OWNER;
use simulation::fleet::{SERVICES, SimulatedFleet};
use testkit::tools::workspace_root;

/// Entities that a service subscribes to with `Context::listen`, in addition to its durable consumers.
const CORE_SUBSCRIPTIONS: [(&str, [&str; 2]); 1] = [(web::NAME, ["ticket", "order"])];

/// The last lines before the generated part.
const BEGINNING: &str = "authorization {\n  users: [\n";
/// The first line after the generated part.
const END: &str = "    # For people:";

/// The NATS user of a service. `consumed` are the entities that it subscribes to, each with the service that owns it.
fn user(service: &str, consumed: &[(&str, &str)]) -> String {
    let mut text = format!("    {{\n      user: {service}, password: $NATS_PASSWORD_{}\n", service.to_uppercase());
    text.push_str("      permissions {\n        publish: [\n");
    for entity in ENTITIES.iter().filter(|entity| entity.source == service) {
        let (entity, stream) = (entity.name, format!("ticketing-{service}"));
        writeln!(text, r#"          "ticketing.{entity}.*.v1""#).unwrap();
        writeln!(text, r#"          "$JS.API.STREAM.CREATE.{stream}", "$JS.API.STREAM.UPDATE.{stream}""#).unwrap();
    }
    text.push_str("          ");
    if !consumed.is_empty() {
        write!(text, r#""ticketing.dead-letter.{service}.*", "#).unwrap();
    }
    let dead_letters = "ticketing-dead-letters";
    writeln!(text, r#""$JS.API.STREAM.INFO.{dead_letters}""#).unwrap();
    if service == DEAD_LETTER_OWNER {
        writeln!(text, r#"          "$JS.API.STREAM.CREATE.{dead_letters}", "$JS.API.STREAM.UPDATE.{dead_letters}""#)
            .unwrap();
    }
    for (entity, source) in consumed {
        let (stream, consumer) = (format!("ticketing-{source}"), format!("{service}-{entity}"));
        for line in [
            format!(r#""$JS.API.STREAM.INFO.{stream}""#),
            format!(r#""$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>""#),
            format!(r#""$JS.API.CONSUMER.INFO.{stream}.{consumer}""#),
            format!(r#""$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}""#),
            format!(r#""$JS.ACK.{stream}.{consumer}.>", "$JS.ACK.*.*.{stream}.{consumer}.>""#),
        ] {
            writeln!(text, "          {line}").unwrap();
        }
    }
    text.push_str("        ]\n");
    let mut subjects = vec![format!(r#""_INBOX_{service}.>""#)];
    if let Some((_, entities)) = CORE_SUBSCRIPTIONS.iter().find(|(name, _)| *name == service) {
        text.push_str("        # Live pages receive these events directly, in addition to the durable consumers.\n");
        subjects.extend(entities.map(|entity| format!(r#""ticketing.{entity}.*.v1""#)));
    }
    writeln!(text, "        subscribe: [{}]\n      }}\n    }}", subjects.join(", ")).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_permissions_match_the_registry_and_the_subscriptions() {
    let fleet = SimulatedFleet::new().await.unwrap();
    let consumed: Vec<_> = fleet
        .subscriptions()
        .into_iter()
        .filter_map(|(service, instances)| {
            let subscription = instances.first()?;
            Some((SERVICES[service].0, (subscription.entity, subscription.source)))
        })
        .collect();
    fleet.end().await;
    let users = SERVICES.iter().map(|(service, _)| {
        let consumed: Vec<_> = consumed.iter().filter(|(by, _)| by == service).map(|(_, entity)| *entity).collect();
        user(service, &consumed)
    });
    let users: String = users.collect();
    let path = workspace_root().join("infra/k8s/nats/users.conf");
    let file = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = file.split_once(BEGINNING).unwrap();
    let (known, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(&path, [before, BEGINNING, &users, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(known, users, "infra/k8s/nats/users.conf: run the test with UPDATE_CONTRACTS=1");
}
