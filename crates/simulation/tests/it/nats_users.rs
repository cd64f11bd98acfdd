//! What each service may do in NATS: made from the registry of events and the subscription tables. What web hears
//! without a durable consumer is listed here.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fmt::Write as _;

use common::events::ENTITIES;
use simulation::fleet::{Fleet, SERVICES};
use testkit::tools::workspace_root;

/// What a service hears as it happens, beside its durable consumers: the entities of `Context::listen`.
const HEARD: [(&str, [&str; 2]); 1] = [(web::NAME, ["ticket", "order"])];

/// The start of the file, which people write.
const BEGINNING: &str = "authorization {\n  users: [\n";
/// The first line after the services' users.
const END: &str = "    # For people:";

/// The user of one service, which consumes these: each with the service that publishes it.
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
    let letters = "ticketing-dead-letters";
    writeln!(text, r#""$JS.API.STREAM.INFO.{letters}""#).unwrap();
    writeln!(text, r#"          "$JS.API.STREAM.CREATE.{letters}", "$JS.API.STREAM.UPDATE.{letters}""#).unwrap();
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
    let mut heard = vec![format!(r#""_INBOX_{service}.>""#)];
    if let Some((_, entities)) = HEARD.iter().find(|(name, _)| *name == service) {
        text.push_str("        # What live pages show is heard as it happens, beside the durable consumers.\n");
        heard.extend(entities.map(|entity| format!(r#""ticketing.{entity}.*.v1""#)));
    }
    writeln!(text, "        subscribe: [{}]\n      }}\n    }}", heard.join(", ")).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_may_do_what_the_registry_and_its_subscriptions_say() {
    let fleet = Fleet::new().await.unwrap();
    let consumed: Vec<_> = fleet
        .subscriptions()
        .into_iter()
        .filter_map(|(place, line)| line.first().map(|line| (SERVICES[place].0, (line.entity, line.source))))
        .collect();
    fleet.end().await;
    let users = SERVICES.iter().map(|(service, _)| {
        let consumed: Vec<_> = consumed.iter().filter(|(by, _)| by == service).map(|(_, line)| *line).collect();
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
