//! The roles of the staff: GET /roles, POST /roles/give and POST /roles/take on the admin port.

use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;

use crate::support::{PASSWORD, SignedInUser, app, claims, refresh, sign_in, sign_up};

async fn change(app: &TestApp, path: &str, email: &str, role: &str) -> Response {
    app.admin("POST", path).json(&json!({ "email": email, "role": role })).send().await
}

async fn staff(app: &TestApp) -> Vec<Value> {
    let list = app.admin("GET", "/roles").send().await.expect(200).json();
    list["members"].as_array().unwrap().clone()
}

/// The roles in an access token; null if there are none.
fn roles(user: &SignedInUser) -> Value {
    claims(&user.access)["roles"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn role_is_in_the_next_access_token_until_it_is_taken() {
    let app = app().await;
    let (ana, ben) = (sign_up(&app).await, sign_up(&app).await);
    assert_eq!((staff(&app).await, roles(&ana)), (vec![], Value::Null));
    let given = change(&app, "/roles/give", &ana.email().to_uppercase(), "support").await.expect(200).json();
    let member = json!({ "id": ana.id(), "email": ana.email(), "displayName": "Ana", "roles": ["support"] });
    assert_eq!(given, member);
    assert_eq!(change(&app, "/roles/give", ana.email(), "support").await.expect(200).json(), member, "a repeat");
    let ana = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
    assert_eq!(roles(&ana), json!(["support"]));
    change(&app, "/roles/give", ana.email(), "finance").await.expect(200);
    let phone = SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200));
    assert_eq!(roles(&phone), json!(["support", "finance"]));
    let members = staff(&app).await;
    assert_eq!(members.len(), 1, "{members:?}");
    assert_eq!(members[0]["roles"], json!(["support", "finance"]));

    // Taking a role ends all sessions of the user, and of nobody else.
    let left = change(&app, "/roles/take", ana.email(), "support").await.expect(200).json();
    assert_eq!(left["roles"], json!(["finance"]));
    for token in [&ana.refresh, &phone.refresh] {
        refresh(&app, token).await.expect(401);
    }
    refresh(&app, &ben.refresh).await.expect(200);
    let again = SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200));
    assert_eq!(roles(&again), json!(["finance"]));
    // A repeat ends them again: the first request may have failed in between.
    change(&app, "/roles/take", ana.email(), "support").await.expect(200);
    refresh(&app, &again.refresh).await.expect(401);
    change(&app, "/roles/take", ana.email(), "finance").await.expect(200);
    assert!(staff(&app).await.is_empty());

    // Each change is one event, which does not contain the roles.
    app.wait_until_idle().await;
    let history = app.history("auth", ana.id()).await;
    let expected = ["registered", "rolesChanged", "rolesChanged", "rolesChanged", "rolesChanged"];
    let expected: Vec<_> = (0_u64..).zip(expected).map(|(at, change)| (format!("user.{change}.v1"), at)).collect();
    assert_eq!(history, expected);
    let payloads = app.events("auth").await.into_iter().map(|event| event.data.to_string()).collect::<String>();
    assert!(!payloads.contains("finance"), "{payloads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_user_and_role_are_rejected() {
    let app = app().await;
    let ana = sign_up(&app).await;
    for path in ["/roles/give", "/roles/take"] {
        change(&app, path, "nobody@example.com", "support").await.expect(404);
        assert_eq!(change(&app, path, ana.email(), "owner").await.expect(400).fields(), ["role"]);
    }
    refresh(&app, &ana.refresh).await.expect(200);
    // The routes are those of the admin port alone.
    app.request("GET", "/roles").send().await.expect(404);
}
