//! The name of a device, for the list of a user's sessions.

use crate::i18n::msg;

/// What a `User-Agent` header contains for each browser, and the browser's name. Most headers contain the marks of several
/// browsers, so the first mark that is found counts.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The same for operating systems.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// The shown length of a header that names no known browser or system.
const MAX_CHARS: usize = 40;

/// `Chrome on Android`, from a `User-Agent` header; the beginning of the header if browser or system is not known.
pub(crate) fn device_name(user_agent: &str) -> String {
    let find =
        |marks: &[(&str, &'static str)]| marks.iter().find(|(mark, _)| user_agent.contains(mark)).map(|found| found.1);
    if let (Some(browser), Some(system)) = (find(&BROWSERS), find(&SYSTEMS)) {
        return msg::account_device(browser, system);
    }
    let mut rest = user_agent.chars();
    let beginning: String = rest.by_ref().take(MAX_CHARS).collect();
    if rest.next().is_some() { format!("{beginning}…") } else { beginning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::testing::in_german;

    #[test]
    fn browser_and_system_are_named() {
        let like_gecko = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (system, program, expected) in [
            ("X11; Linux x86_64", "Chrome/142.0.0.0 Safari/537.36", "Chrome on Linux"),
            ("Linux; Android 10; K", "Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
            ("Linux; Android 10; K", "Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0", "Edge on Android"),
            (
                "Linux; Android 13; SM-S901B",
                "SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("Windows NT 10.0; Win64; x64", "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
            ("Windows NT 10.0; Win64; x64", "Chrome/142.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
            ("Macintosh; Intel Mac OS X 10_15_7", "Version/18.0 Safari/605.1.15", "Safari on macOS"),
            ("iPhone; CPU iPhone OS 18_0 like Mac OS X", "Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
            ("iPad; CPU OS 18_0 like Mac OS X", "CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome on iPad"),
        ] {
            assert_eq!(device_name(&format!("Mozilla/5.0 ({system}) {like_gecko} {program}")), expected);
        }
        let firefox = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        assert_eq!(device_name(firefox), "Firefox on Linux");
        assert_eq!(in_german(|| device_name(firefox)), "Firefox unter Linux");
    }

    #[test]
    fn other_text_is_shortened() {
        assert_eq!(device_name("curl/8.5.0"), "curl/8.5.0");
        let longest = "ü".repeat(MAX_CHARS);
        assert_eq!(device_name(&longest), longest);
        assert_eq!(device_name(&format!("{longest}ü")), format!("{longest}…"));
    }
}
