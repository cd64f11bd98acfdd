//! Authentication at NATS and Redis as in a cluster: each service can do what it needs, and nothing else.

use std::fs;

use async_nats::ConnectOptions;
use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use e2e::test_fleet::{TestFleet, listing};
use serde_json::json;
use testkit::app::eventually;
use testkit::fleet::options::server_password;
use ticketctl::reports::AuditReport;

use crate::operator::{run_xtask, run_xtask_with_code};

/// The permission violations that nats-server has logged.
fn nats_violations(fleet: &TestFleet) -> Vec<String> {
    let log = fs::read_to_string(fleet.logs.join("nats-server.log")).unwrap();
    log.lines().filter(|line| line.to_lowercase().contains("violation")).map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_users_can_do_only_what_they_need() {
    // The sweep, which searches MongoDB for due timers, would be too late for the hold that expires, so a wake-up has
    // to pass through Redis. A snapshot of the order would fire the timer as well; the announcer publishes snapshots
    // after 2, 6 and 14 s, so a hold of 10 s expires between them.
    let settings = [("ORDER_TTL", "10s"), ("ANNOUNCE_AFTER", "2s"), ("TIMER_SWEEP_INTERVAL", "60s")];
    let fleet = TestFleet::start_with_server_auth(&settings).await.unwrap();
    let url = fleet.processes.servers().nats.url();
    let as_user = async |user: &str| {
        // Services receive responses below their own inbox prefixes.
        let inbox = if user == "operator" { "_INBOX".to_owned() } else { format!("_INBOX_{user}") };
        let options = ConnectOptions::new().user_and_password(user.to_owned(), server_password(user));
        async_nats::jetstream::new(options.custom_inbox_prefix(inbox).connect(&url).await.unwrap())
    };

    // The fleet does everything once: sign-up, sale, an expiring hold, snapshots, dead letters.
    let (seller, buyer) = (fleet.sign_up("Ada").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    let ticket = seller.create_listing(listing("Tosca", 4_500)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
    seller.wait_for_ticket(ticket, TicketStatus::Sold).await.unwrap();
    let ticket = seller.create_listing(listing("Carmen", 4_500)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::Cancelled).await.unwrap();
    seller.wait_for_ticket(ticket, TicketStatus::Available).await.unwrap();
    let operator = as_user("operator").await;
    for subject in ["user.registered", "ticket.created", "order.created", "payment.started", "expiration.completed"] {
        operator.publish(format!("ticketing.{subject}.v1"), "poison".into()).await.unwrap().await.unwrap();
    }
    // xtask and ticketctl use the operator's credentials in the URL.
    let mut description = fleet.processes.description();
    let credentials = format!("://operator:{}@", server_password("operator"));
    description["servers"]["nats"]["url"] = json!(url.replace("://", &credentials));
    let file = fleet.logs.with_file_name("fleet-of-the-operator.json");
    fs::write(&file, description.to_string()).unwrap();
    let list = async || run_xtask(&file, &["dead-letters", "list"]).await;
    eventually("a dead letter of each subscription", async || list().await.ends_with("10 dead letters\n")).await;
    run_xtask(&file, &["dead-letters", "drop", "1", "--yes"]).await;
    run_xtask(&file, &["dead-letters", "replay", "2", "--yes"]).await;
    assert_eq!(run_xtask(&file, &["resync", "auth"]).await, "2 users announced\n");
    // The audit reads the streams, as the operator and as a user that may only read.
    let credentials = format!("://audit:{}@", server_password("audit"));
    let mut for_audit = description.clone();
    for_audit["servers"]["nats"]["url"] = json!(url.replace("://", &credentials));
    let file_of_audit = fleet.logs.with_file_name("fleet-of-the-audit.json");
    fs::write(&file_of_audit, for_audit.to_string()).unwrap();
    for file in [&file, &file_of_audit] {
        let arguments = ["ticketctl", "--output", "json", "audit", "--wait", "5"];
        let report: AuditReport = serde_json::from_str(&run_xtask_with_code(file, &arguments, 3).await).unwrap();
        assert_eq!(report.audited["tickets"], 2);
        assert!(report.findings.len() >= 8, "{report:?}");
        assert!(report.findings.iter().all(|finding| finding.text.starts_with("dead letter ")), "{report:?}");
        assert_eq!(report.unchecked, ["12 provider, without STRIPE_KEY"]);
    }
    assert_eq!(nats_violations(&fleet), Vec::<String>::new());

    // Redis is restricted too: all services count requests, `expiration` receives wake-ups, and no service reads keys
    // of another service.
    let metrics = async |service: &str| {
        let url = format!("{}/metrics", fleet.processes.service(service).unwrap().metrics_url());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    for service in ["auth", "tickets", "orders", "payments", "web"] {
        eventually("Redis to count", async || metrics(service).await.contains("rate_limit_redis_up 1")).await;
    }
    let text = metrics("expiration").await;
    assert!(
        !text.contains("wake_up_requests_dropped_total") && !text.contains("wake_up_worker_restarts_total"),
        "{text}"
    );
    assert!(text.contains("found_by=\"wake-up\""), "{text}");
    let redis = fleet.processes.servers().redis.url();
    let at_redis = |user: &str| redis.replace("://", &format!("://{user}:{}@", server_password(user)));
    let open = async |url: String| redis::Client::open(url).unwrap().get_multiplexed_async_connection().await;
    if let Ok(mut anonymous) = open(redis.clone()).await {
        let result: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut anonymous).await;
        assert!(result.is_err(), "Redis requires authentication");
    }
    let mut orders = open(at_redis("orders")).await.unwrap();
    for denied in ["KEYS *", "FLUSHALL", "GET ticketing:limit:x", "INCRBY ticketing:expiration:x 1"] {
        let mut words = denied.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        let result: redis::RedisResult<()> = command.query_async(&mut orders).await;
        assert!(result.is_err_and(|error| error.to_string().contains("permissions")), "{denied}");
    }
    let operator = redis.replace("://", &format!("://:{}@", server_password("operator")));
    let policy: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory-policy")
        .query_async(&mut open(operator).await.unwrap())
        .await
        .unwrap();
    assert_eq!(policy, ["maxmemory-policy", "volatile-ttl"]);

    // Operations that no legitimate service performs are denied.
    let tickets = as_user("tickets").await;
    let forged = tickets.publish("ticketing.order.created.v1", "forged".into()).await.unwrap();
    assert!(forged.await.is_err(), "a service cannot publish events of another one");
    assert!(
        tickets.get_stream("ticketing-payments").await.is_err(),
        "nor read a stream of a service that it does not consume"
    );
    assert!(tickets.delete_stream("ticketing-tickets").await.is_err(), "nor delete its own stream");
    let audit = as_user("audit").await;
    let orders = audit.get_stream("ticketing-orders").await.unwrap();
    assert!(orders.delete_consumer("tickets-order").await.is_err(), "the audit cannot delete a service's consumer");
    let violations = nats_violations(&fleet);
    assert!(violations[0].contains("ticketing.order.created.v1"), "{violations:?}");
    assert_eq!(violations.len(), 4, "{violations:?}");
}
