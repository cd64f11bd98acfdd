//! Invalid API keys, paths and parameters, rejected as Stripe rejects them.

use reqwest::Method;

use crate::client::Server;
use fakestripe::Config;

#[tokio::test]
async fn api_key_is_required() {
    let server = Server::start().await;
    let path = "/v1/payment_intents";
    let missing = server.send(server.unauthenticated(Method::GET, path)).await;
    assert_eq!(missing.status, 401);
    assert_eq!(missing.error("type"), "invalid_request_error");
    assert!(missing.error("message").starts_with("You did not provide an API key."));
    let blank = server.unauthenticated(Method::GET, path).bearer_auth("");
    assert_eq!(server.send(blank).await.status, 401);
    let wrong = server.unauthenticated(Method::GET, path).bearer_auth("sk_live_1234567890abcd");
    let wrong = server.send(wrong).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.error("message").starts_with("Invalid API Key provided: sk_live_"));
    let basic = server.unauthenticated(Method::GET, path).basic_auth("sk_test_x", Some(""));
    assert_eq!(server.send(basic).await.status, 200);
    let page = server.unauthenticated(Method::GET, path).bearer_auth("pk_test_x");
    assert_eq!(server.send(page).await.error("code"), "secret_key_required");
}

#[tokio::test]
async fn configured_key_is_the_only_one_accepted() {
    let config = Config { key: Some("sk_test_only".to_owned()), ..Config::default() };
    let server = Server::with(config).await;
    assert_eq!(server.get("/v1/events").await.status, 401);
    let right = server.unauthenticated(Method::GET, "/v1/events").bearer_auth("sk_test_only");
    assert_eq!(server.send(right).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_objects_are_404() {
    let server = Server::start().await;
    for path in ["/v1/nothing", "/v2/x", "/", "/v1/payment_intents/"] {
        let response = server.get(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.error("type"), "invalid_request_error");
        let start = format!("Unrecognized request URL (GET: {path})");
        assert!(response.error("message").starts_with(&start));
        assert!(response.header("request-id").starts_with("req_"));
    }
    for (path, noun) in [
        ("/v1/payment_intents/pi_x", "payment_intent"),
        ("/v1/charges/pi_x", "charge"),
        ("/v1/refunds/pi_x", "refund"),
        ("/v1/events/pi_x", "event"),
        ("/v1/payment_methods/pi_x", "PaymentMethod"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.error("code"), "resource_missing");
        assert_eq!(response.error("message"), format!("No such {noun}: 'pi_x'"));
    }
}

#[tokio::test]
async fn invalid_parameters_are_named() {
    let server = Server::start().await;
    let cases: [(&str, &str, &str); 11] = [
        ("currency=usd", "amount", "parameter_missing"),
        ("amount=500", "currency", "parameter_missing"),
        ("amount=x&currency=usd", "amount", "parameter_invalid_integer"),
        ("amount=-5&currency=usd", "amount", "parameter_invalid_integer"),
        ("amount=49&currency=usd", "amount", "amount_too_small"),
        ("amount=100000000&currency=usd", "amount", "amount_too_large"),
        ("amount=500&currency=xyz", "currency", ""),
        ("amount=500&currency=usd&colour=red", "colour", "parameter_unknown"),
        ("amount=500&currency=usd&capture_method=later", "capture_method", ""),
        ("amount=500&currency=usd&customer=cus_1", "customer", "resource_missing"),
        ("amount=500&currency=usd&payment_method=pm_no", "payment_method", "resource_missing"),
    ];
    for (form, param, code) in cases {
        let request = server.request(Method::POST, "/v1/payment_intents");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = server.send(request.body(form)).await;
        assert_eq!(response.status, 400, "{form}");
        assert_eq!(response.error("type"), "invalid_request_error", "{form}");
        assert_eq!(response.error("param"), param, "{form}");
        assert_eq!(response.error("code"), code, "{form}");
    }
    let response = server.pay("pm_nothing", &[]).await;
    assert_eq!(response.error("message"), "No such PaymentMethod: 'pm_nothing'");
    assert!(server.state().await["paymentIntents"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn json_body_is_rejected() {
    let server = Server::start().await;
    let request = server.request(Method::POST, "/v1/payment_intents");
    let response = server.send(request.json(&serde_json::json!({"amount": 5}))).await;
    assert_eq!(response.status, 400);
    assert!(response.error("message").contains("application/x-www-form-urlencoded"));
}
