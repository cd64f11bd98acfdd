//! Error pages, assets, the content security policy and robots.txt.

use crate::support::{app, assert_contains, assert_page, page, with_settings};

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_pages_outside_the_api_and_problems_inside() {
    let app = app().await;
    for (method, path, status, title) in [
        ("GET", "/nothing/here", 404, "We couldn’t find that page"),
        ("POST", "/", 405, "This page can’t be opened this way"),
        ("DELETE", "/orders", 405, "This page can’t be opened this way"),
        ("GET", "/tickets/%FF", 400, "That didn’t look right"),
    ] {
        let response = app.request(method, path).send().await.expect(status);
        assert_page(&response);
        assert_contains(&response.text(), &[&format!("<h1>{title}</h1>"), response.header("x-request-id")]);
    }
    let response = app.request("POST", "/orders").header("sec-fetch-site", "cross-site").send().await.expect(403);
    assert_page(&response);
    assert_contains(&response.text(), &["<h1>You can’t do that</h1>", "we don’t accept what another site sends"]);
    let german =
        app.request("GET", "/nothing/here").header("accept-language", "de-DE,en;q=0.5").send().await.expect(404);
    assert_contains(&german.text(), &["<h1>Diese Seite haben wir nicht gefunden</h1>", "Fehler 404", "lang=\"de\""]);
    let ana = app.signer.user();
    let own = app.request("GET", "/nothing/here").as_user(&ana).send().await.expect(404);
    assert_contains(&own.text(), &["href=\"/account\"", "action=\"/browse\""]);
    // A restored tab that showed the response to a command gets the page with the command.
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (command, page) in [
        (format!("/tickets/{id}/hold?key=a"), format!("/tickets/{id}")),
        (format!("/tickets/{id}/watch"), format!("/tickets/{id}")),
        (format!("/shows/jazz-{id}/unwatch"), format!("/shows/jazz-{id}")),
        (format!("/orders/{id}/cancel"), format!("/orders/{id}")),
        (format!("/account/sessions/{id}/revoke"), "/account".to_owned()),
        ("/account/password".to_owned(), "/account".to_owned()),
        ("/notifications/read".to_owned(), "/notifications".to_owned()),
        ("/signout".to_owned(), "/".to_owned()),
    ] {
        let response = app.request("GET", &command).send().await.expect(303);
        assert_eq!(response.header("location"), page, "{command}");
    }
    assert_eq!(app.request("GET", "/api/nothing").send().await.expect(404).problem(), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_assets_are_immutable_and_compressed() {
    let app = app().await;
    let html = page(&app, "/").await;
    let paths: Vec<_> = html.split("=\"/assets/").skip(1).map(|tail| tail.split('"').next().unwrap()).collect();
    assert_eq!(paths.len(), 7, "the font, the icon twice and as PNG, the style sheet, two scripts: {html}");
    for path in paths {
        let kind = match path.rsplit('.').next().unwrap() {
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "woff2" => "font/woff2",
            "css" => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        };
        let path = format!("/assets/{path}");
        let response = app.request("GET", &path).send().await.expect(200);
        assert_eq!(response.header("content-type"), kind);
        // Assets are compressed at build time, unless their format is compressed itself.
        let is_compressed = matches!(kind, "image/png" | "font/woff2");
        for (accepted, encoding) in [("gzip, br;q=0", "gzip"), ("gzip, deflate, br", "br"), ("identity", "")] {
            let small = app.request("GET", &path).header("accept-encoding", accepted).send().await.expect(200);
            let encoding = if is_compressed { "" } else { encoding };
            assert_eq!((small.header("content-encoding"), small.header("content-type")), (encoding, kind));
            assert!(encoding.is_empty() || small.bytes.len() < response.bytes.len(), "{path} as {encoding}");
        }
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
    }
    // The hash of another version gets this version's file, uncacheable.
    let other = app.request("GET", "/assets/style-000000000000.css").send().await.expect(200);
    assert_eq!((other.header("cache-control"), other.header("content-type")), ("no-cache", "text/css; charset=utf-8"));
    for missing in ["/assets/style.css", "/assets/other-000000000000.css", "/assets/", "/assets/..%2Fsrc%2Flib.rs"] {
        app.request("GET", missing).send().await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_inline_code_and_basic_accessibility() {
    let app = app().await;
    for (path, status) in [("/", 200), ("/orders", 401), ("/nothing", 404)] {
        let response = app.request("GET", path).send().await.expect(status);
        let html = response.text();
        assert_contains(
            &html,
            &["<html lang=\"en\">", "<main id=\"main\"", "<nav aria-label=\"Main\">", "name=\"viewport\""],
        );
        assert_eq!(html.matches("<h1").count(), 1, "{html}");
        for inline in ["<style", " style=", " onclick=", "javascript:", "hx-on"] {
            assert!(!html.contains(inline), "{inline} is in {html}");
        }
        // The only inline script is the import map, allowed by a nonce in this response's policy.
        let policy = response.header("content-security-policy");
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            let nonce = tag.split("nonce=\"").nth(1).and_then(|tail| tail.split('"').next());
            match nonce {
                Some(nonce) => assert!(policy.contains(&format!("'nonce-{nonce}'")), "{tag}: {policy}"),
                None => assert!(tag.contains("src=\"/assets/"), "{tag}"),
            }
        }
    }
    // Password managers send their users there.
    let response = app.request("GET", "/.well-known/change-password").send().await.expect(303);
    assert_eq!(response.header("location"), "/account#password");
    assert!(app.request("GET", "/robots.txt").send().await.expect(200).text().contains("Disallow: /api/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_about_the_shop_name_its_operator_in_the_readers_language() {
    let app = with_settings(&[("OPERATOR_NAME", "Ana & Sons Ltd"), ("OPERATOR_EMAIL", "hello@example.com")]).await;
    let home = page(&app, "/").await;
    for (path, english, german) in [
        ("/help", "<h1>Help</h1>", "<h1>Hilfe</h1>"),
        ("/terms", "<h1>Terms of use</h1>", "<h1>Nutzungsbedingungen</h1>"),
        ("/privacy", "<h1>Privacy</h1>", "<h1>Datenschutz</h1>"),
        ("/imprint", "<h1>Imprint</h1>", "<h1>Impressum</h1>"),
    ] {
        assert_contains(&home, &[&format!("href=\"{path}\"")]);
        let canonical = format!("rel=\"canonical\" href=\"http://localhost:8080{path}\"");
        for (accepted, heading, tag) in [("de-AT, en;q=0.5", german, "de"), ("fr, en;q=0.5, de;q=0.1", english, "en")] {
            let response = app.request("GET", path).header("accept-language", accepted).send().await.expect(200);
            assert_page(&response);
            assert_contains(&response.text(), &[heading, &canonical, &format!("lang=\"{tag}\""), "hello@example.com"]);
        }
        let html = page(&app, path).await;
        assert_contains(&html, &[english]);
    }
    let imprint = page(&app, "/imprint").await;
    // What is not set is marked.
    assert_contains(&imprint, &["Ana &#38; Sons Ltd", "[OPERATOR_ADDRESS]"]);
}
