//! One trace covers a purchase, from the form in the browser to the charge and the sold ticket.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use common::api::Endpoint;
use common::api::payments::{CreatePayment, NewPayment};
use common::api::tickets::ReadListing;
use common::api::users::{NewUser, Password, SignUp};
use common::events::ticket::TicketStatus;
use common::id::OrderId;
use common::text::Text;
use e2e::test_fleet::{PASSWORD, TestFleet, listing};
use fakestripe::faults::Faults;
use futures::StreamExt;
use reqwest::redirect::Policy;
use serde_json::Value;
use testkit::app::eventually;

/// The trace id of a `traceparent`.
fn trace_id(traceparent: &str) -> String {
    traceparent.split('-').nth(1).unwrap_or_else(|| panic!("{traceparent}")).to_owned()
}

/// The trace id of each published change of these entities, by event type.
async fn traces_by_event_type(fleet: &TestFleet, entities: &[String]) -> BTreeMap<String, Option<String>> {
    let jetstream = jetstream::new(async_nats::connect(fleet.processes.servers().nats.url()).await.unwrap());
    let mut traces = BTreeMap::new();
    for service in ["tickets", "orders", "payments"] {
        let mut stream = jetstream.get_stream(format!("ticketing-{service}")).await.unwrap();
        let count = usize::try_from(stream.info().await.unwrap().state.messages).unwrap();
        let reader = stream.create_consumer(pull::OrderedConfig::default()).await.unwrap();
        let mut messages = reader.messages().await.unwrap().take(count);
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            if entities.iter().any(|entity| event["subject"] == **entity) {
                let header = message.headers.as_ref().and_then(|headers| headers.get("traceparent"));
                let kind = event["type"].as_str().unwrap().trim_end_matches(".v1").to_owned();
                traces.insert(kind, header.map(|header| trace_id(header.as_str())));
            }
        }
    }
    traces
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_is_one_trace_from_the_form_to_the_charge() {
    // Tracing is enabled, with an exporter that is unreachable.
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), ("ANNOUNCE_AFTER", "1h")];
    let fleet = TestFleet::start(&settings).await.unwrap();
    // Webhooks are dropped, because a webhook starts a separate trace, and may record the capture before our request.
    fleet.fakestripe.set_faults(&Faults { drop_webhooks: true, ..Faults::default() }).await.unwrap();
    let seller = fleet.sign_up("Mara").await.unwrap();
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let browser = reqwest::Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let at = |path: &str| format!("{}{path}", fleet.url());
    let (email, password) = (Text::new("ben@example.com"), Password::new(PASSWORD));
    let user = NewUser { email, password, display_name: Some(Text::new("Ben")) };
    assert_eq!(browser.post(at(SignUp::PATH)).json(&user).send().await.unwrap().status(), 201);

    // The form's request carries no traceparent; the checkout page that it leads to embeds one.
    let mut location = String::new();
    eventually("the hold", async || {
        let form = browser.post(at(&format!("/tickets/{ticket}/hold"))).body("key=the-key");
        let held = form.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        location = held.headers().get("location").map_or("", |to| to.to_str().unwrap()).to_owned();
        held.status() == 303
    })
    .await;
    let order = location.strip_prefix("/checkout/").and_then(|order| order.parse().ok());
    let order: OrderId = order.unwrap_or_else(|| panic!("{location}"));
    let page = browser.get(at(&location)).send().await.unwrap().text().await.unwrap();
    let traceparent = page.split("data-trace=\"").nth(1).and_then(|rest| rest.split('"').next());
    let traceparent = traceparent.unwrap_or_else(|| panic!("{page}")).to_owned();

    // Pays as the page's script does.
    let pay = NewPayment { order_id: order, payment_method: Text::new("pm_card_visa") };
    let mut payment = None;
    eventually("the payment", async || {
        let request = browser.post(at(CreatePayment::PATH)).header("traceparent", &traceparent).json(&pay);
        let response = request.send().await.unwrap();
        let status = response.status();
        payment = CreatePayment::parse_response(status, &response.bytes().await.unwrap()).ok();
        status == 201
    })
    .await;
    let payment = payment.unwrap().id;
    eventually("the ticket to be sold", async || {
        seller.send(&ReadListing { id: ticket }).await.unwrap().body.status == TicketStatus::Sold
    })
    .await;

    // The API returns stored state; the event of the last step may not be published yet.
    let entities = [ticket.to_string(), order.to_string(), payment.to_string()];
    let mut traces = BTreeMap::new();
    eventually("the event of the last step", async || {
        traces = traces_by_event_type(&fleet, &entities).await;
        traces.contains_key("ticket.sold")
    })
    .await;
    let listed = traces.remove("ticket.created").unwrap();
    let expected = [
        "order.authorized",
        "order.completed",
        "order.confirmed",
        "order.created",
        "payment.authorized",
        "payment.captured",
        "payment.started",
        "ticket.reserved",
        "ticket.sold",
    ];
    assert!(traces.keys().eq(expected), "{traces:?}");
    let purchase = Some(trace_id(&traceparent));
    assert!(traces.values().all(|trace| *trace == purchase), "{purchase:?}: {traces:?}");
    assert!(listed.is_some() && listed != purchase, "the listing has a separate trace");
}
