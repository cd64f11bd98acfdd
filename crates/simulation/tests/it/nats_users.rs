//! Generates the NATS permissions of each service from the registry of events and the services' subscriptions, and
//! those of the audit from the registry. Compares registry and subscriptions with the table in each service's `lib.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::events::ENTITIES;
use platform::stream::provision::DEAD_LETTER_OWNER;
use simulation::fleet::{SERVICES, SimulatedFleet};
use testkit::tools::workspace_root;

/// The last lines before the generated part.
const BEGINNING: &str = "authorization {\n  users: [\n";
/// The first line after the generated part.
const END: &str = "    # For people:";

/// The NATS user of a service. `consumed` are the entities that it subscribes to, each with the service that owns it.
fn user(service: &str, consumed: &[(&str, &str)]) -> String {
    let mut text = format!("    {{\n      user: {service}, password: $NATS_PASSWORD_{}\n", service.to_uppercase());
    text.push_str("      permissions {\n        publish: [\n");
    let own: Vec<_> = ENTITIES.iter().filter(|entity| entity.source == service).map(|entity| entity.name).collect();
    for entity in &own {
        writeln!(text, r#"          "ticketing.{entity}.*.v1""#).unwrap();
    }
    if !own.is_empty() {
        let stream = format!("ticketing-{service}");
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
            // The subject without and with the domain and the account hash, which a server may insert.
            format!(r#""$JS.ACK.{stream}.{consumer}.>", "$JS.ACK.*.*.{stream}.{consumer}.>""#),
        ] {
            writeln!(text, "          {line}").unwrap();
        }
    }
    text.push_str("        ]\n");
    let mut subjects = vec![format!(r#""_INBOX_{service}.>""#)];
    if service == web::NAME {
        text.push_str("        # Live pages receive these events directly, in addition to the durable consumers.\n");
        subjects.extend(web::LIVE_ENTITIES.map(|entity| format!(r#""ticketing.{entity}.*.v1""#)));
    }
    writeln!(text, "        subscribe: [{}]\n      }}\n    }}", subjects.join(", ")).unwrap();
    text
}

/// The NATS user of the audit. It may read each stream of events through one ephemeral consumer, and list consumers and
/// dead letters.
fn auditor() -> String {
    let mut text = String::from("    # Reads the streams, and changes nothing but its own ephemeral consumers.\n");
    text.push_str(
        "    {\n      user: audit, password: $NATS_PASSWORD_AUDIT\n      permissions {\n        publish: [\n",
    );
    // Each service once, in the order of its first entity.
    let mut sources: Vec<&str> = Vec::new();
    for source in ENTITIES.iter().map(|entity| entity.source).chain(["dead-letters"]) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    for source in &sources {
        let stream = format!("ticketing-{source}");
        writeln!(text, r#"          "$JS.API.STREAM.INFO.{stream}", "$JS.API.STREAM.MSG.GET.{stream}""#).unwrap();
        if *source != "dead-letters" {
            writeln!(text, r#"          "$JS.API.CONSUMER.LIST.{stream}""#).unwrap();
            for request in ["CREATE", "DELETE", "INFO", "MSG.NEXT"] {
                writeln!(text, r#"          "$JS.API.CONSUMER.{request}.{stream}.audit""#).unwrap();
            }
        }
    }
    text.push_str("        ]\n        subscribe: [\"_INBOX_audit.>\"]\n      }\n    }\n");
    text
}

/// The entities that each service subscribes to, each with the service that owns it.
async fn subscriptions() -> Vec<(&'static str, (&'static str, &'static str))> {
    let fleet = SimulatedFleet::new().await.unwrap();
    let consumed = fleet
        .subscriptions()
        .into_iter()
        .filter_map(|(service, instances)| {
            let subscription = instances.first()?;
            Some((SERVICES[service].0, (subscription.entity, subscription.source)))
        })
        .collect();
    fleet.end().await;
    consumed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_in_each_lib_rs_has_the_published_and_consumed_events() {
    let consumed = subscriptions().await;
    for (service, _) in SERVICES {
        let text = std::fs::read_to_string(workspace_root().join(format!("services/{service}/src/lib.rs"))).unwrap();
        // The row below the line of dashes.
        let row = text.lines().skip_while(|line| !line.starts_with("//! |---")).nth(1).unwrap();
        let cells: Vec<_> = row.split(" | ").collect();
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>();
        let events = ENTITIES.iter().filter(|entity| entity.source == service).flat_map(|entity| entity.events);
        let event_names = events.map(|event| event.name.trim_end_matches(".v1").to_owned());
        let published: Vec<_> = event_names.filter(|name| !name.ends_with(".snapshot")).collect();
        assert_eq!(names(cells[2]), published, "{service} publishes");
        let listed = names(cells[3]);
        let listed: BTreeSet<_> = listed.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
        let subscriptions = consumed.iter().filter(|(by, _)| *by == service);
        let subscribed: BTreeSet<_> = subscriptions.map(|(_, (entity, _))| *entity).collect();
        assert_eq!(listed, subscribed, "{service} consumes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_permissions_match_the_registry_and_the_subscriptions() {
    let consumed = subscriptions().await;
    let users = SERVICES.iter().map(|(service, _)| {
        let consumed: Vec<_> = consumed.iter().filter(|(by, _)| by == service).map(|(_, entity)| *entity).collect();
        user(service, &consumed)
    });
    let users: String = users.chain([auditor()]).collect();
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
