//! The users that NATS has in a cluster: each service can do all that it does, and no more.

use std::fs;

use async_nats::ConnectOptions;
use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use e2e::test_fleet::{TestFleet, listing};
use serde_json::json;
use testkit::app::eventually;
use testkit::fleet::options::server_password;

use crate::operator::Operator;

/// What nats-server has refused to anybody so far.
fn refusals(fleet: &TestFleet) -> Vec<String> {
    let log = fs::read_to_string(fleet.logs.join("nats-server.log")).unwrap();
    log.lines().filter(|line| line.to_lowercase().contains("violation")).map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_do_what_it_does_and_nothing_else() {
    // The sweep is too late for the hold that ends: a wake-up has to get through Redis. Nor does it end when the order
    // is announced, after 2, 6 and 14 s, since the event finds it as well.
    let settings = [("ORDER_TTL", "10s"), ("ANNOUNCE_AFTER", "2s"), ("TIMER_SWEEP_INTERVAL", "60s")];
    let fleet = TestFleet::start_with_server_auth(&settings).await.unwrap();
    let url = fleet.processes.servers().nats.url();
    let as_user = async |user: &str| {
        // Services listen for answers below their own name.
        let inbox = if user == "operator" { "_INBOX".to_owned() } else { format!("_INBOX_{user}") };
        let options = ConnectOptions::new().user_and_password(user.to_owned(), server_password(user));
        async_nats::jetstream::new(options.custom_inbox_prefix(inbox).connect(&url).await.unwrap())
    };

    // Everything that the fleet does: sign-up, sale, a hold that ends, announcements, dead letters.
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
    // By the tool for it, which is told who it is in the address.
    let mut fleet = fleet.processes.description();
    let credentials = format!("://operator:{}@", server_password("operator"));
    fleet["servers"]["nats"]["url"] = json!(url.replace("://", &credentials));
    let file = fleet.logs.with_file_name("fleet-of-the-operator.json");
    fs::write(&file, fleet.to_string()).unwrap();
    let tool = Operator::from_fleet_file(file);
    let list = async || tool.run_ok(&["dead-letters", "list"]).await;
    eventually("a letter of each subscription", async || list().await.ends_with("10 dead letters\n")).await;
    tool.run_ok(&["dead-letters", "drop", "1"]).await;
    tool.run_ok(&["dead-letters", "replay", "2"]).await;
    assert_eq!(refusals(&fleet), Vec::<String>::new());

    // At Redis too: all count requests, expiration is woken, and nobody reads what is not theirs.
    let metrics = async |service: &str| {
        let url = format!("{}/metrics", fleet.processes.service(service).unwrap().admin_url());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    for service in ["auth", "tickets", "orders", "payments", "web"] {
        eventually("Redis to count", async || metrics(service).await.contains("rate_limit_redis_up 1")).await;
    }
    let told = metrics("expiration").await;
    assert!(
        !told.contains("wake_up_requests_dropped_total") && !told.contains("wake_up_worker_restarts_total"),
        "{told}"
    );
    assert!(told.contains("found_by=\"wake-up\""), "{told}");
    let redis = fleet.processes.servers().redis.url();
    let at_redis = |user: &str| redis.replace("://", &format!("://{user}:{}@", server_password(user)));
    let open = async |url: String| redis::Client::open(url).unwrap().get_multiplexed_async_connection().await;
    if let Ok(mut nobody) = open(redis.clone()).await {
        let end: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut nobody).await;
        assert!(end.is_err(), "it asks who is there");
    }
    let mut orders = open(at_redis("orders")).await.unwrap();
    for refused in ["KEYS *", "FLUSHALL", "GET ticketing:limit:x", "INCRBY ticketing:expiration:x 1"] {
        let mut words = refused.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        let end: redis::RedisResult<()> = command.query_async(&mut orders).await;
        assert!(end.is_err_and(|error| error.to_string().contains("permissions")), "{refused}");
    }
    let operator = redis.replace("://", &format!("://:{}@", server_password("operator")));
    let policy: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory-policy")
        .query_async(&mut open(operator).await.unwrap())
        .await
        .unwrap();
    assert_eq!(policy, ["maxmemory-policy", "volatile-ttl"]);

    // And what nobody does who is what they say they are.
    let tickets = as_user("tickets").await;
    let forged = tickets.publish("ticketing.order.created.v1", "forged".into()).await.unwrap();
    assert!(forged.await.is_err(), "it tells nobody else's events");
    assert!(tickets.get_stream("ticketing-payments").await.is_err(), "it reads nobody else's stream");
    assert!(tickets.delete_stream("ticketing-tickets").await.is_err(), "nor removes its own");
    let refused = refusals(&fleet);
    assert!(refused[0].contains("ticketing.order.created.v1"), "{refused:?}");
    assert_eq!(refused.len(), 3, "{refused:?}");
}
