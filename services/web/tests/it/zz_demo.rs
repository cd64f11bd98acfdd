use crate::support::*;
use common::events::order::*;
use common::events::payment::*;
#[tokio::test(flavor = "multi_thread")]
async fn demo() {
    let app = app().await;
    let ana = app.signer.user();
    registered(&app, ana.id, "Ana Lopez").await;
    for (n, t) in ["Nina Simone Tribute Night", "Tosca", "FC United vs Rovers", "Hamlet", "Late Laughs with a really long title that goes on and on until it wraps", "Summer Festival, Day 2", "Jazz at Noon"].iter().enumerate() {
        let mut x = listing(&app, t, n as u64 * 3000);
        x.seller_id = ana.id;
        if n == 0 { x.face_value = Some(x.price.clone()); x.description = Some("Aisle seat, great view.\nMobile ticket, transferred the same day.".into()); x.terms.section = Some("B".into()); x.terms.row = Some("12".into()); x.category = Some(common::events::ticket::Category::Concert);
            std::fs::write("/tmp/demo_path", path(&x)).unwrap(); }
        listed(&app, &x).await;
        if n < 2 { let o = order(&app, &x, ana.id, if n==0 {OrderStatus::AwaitingPayment} else {OrderStatus::Completed});
          let p = payment(&app, &o, PaymentStatus::Captured);
          app.publish(OrderChange::Created, o.id, 0, o).await; if n==1 { app.publish(PaymentChange::Captured, p.id, 2, p).await; } }
    }
    app.settle().await;
    std::fs::write("/tmp/demo_cookie", &ana.token).unwrap();
    std::fs::write("/tmp/demo_orders.html", app.request("GET", "/orders").by(&ana).send().await.text()).unwrap();
    let l = tokio::net::TcpListener::bind("127.0.0.1:18999").await.unwrap();
    let r = app.running.public.clone();
    let extra = axum::Router::new().route("/demo-orders", axum::routing::get(async || axum::response::Html(std::fs::read_to_string("/tmp/demo_orders.html").unwrap()))).fallback_service(r);
    tokio::select! { _ = axum::serve(l, extra) => {}, () = tokio::time::sleep(std::time::Duration::from_secs(420)) => {} }
}
