//! Attributes of the forms and fields in the templates, by which browsers and password managers fill and restore them.

/// The tags of an element in all templates, each after the name of its template.
fn tags(element: &str) -> Vec<String> {
    let elements = elements(element).into_iter();
    elements.map(|(name, text)| format!("{name}: {}", text.split('>').next().unwrap())).collect()
}

/// The elements of a name in all templates, from after its name to the next such element: the template's name and the text.
fn elements(element: &str) -> Vec<(String, String)> {
    let (start, mut found) = (format!("<{element} "), Vec::new());
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(text.split(start.as_str()).skip(1).map(|tail| (name.clone(), tail.to_owned())));
    }
    found
}

#[test]
fn each_field_says_what_may_fill_it() {
    let fields = tags("input");
    let typed =
        |tag: &&String| ["checkbox", "radio", "hidden"].iter().all(|kind| !tag.contains(&format!("type=\"{kind}\"")));
    let unsaid: Vec<_> = fields.iter().filter(typed).filter(|tag| !tag.contains("autocomplete=\"")).collect();
    assert!(unsaid.is_empty(), "{unsaid:#?}");
    for (template, name, filled_with) in [
        // Password managers store the email with the password.
        ("email_field.html", "email", "username"),
        ("sign_in.html", "password", "current-password"),
        ("sign_up.html", "password", "new-password"),
        ("sign_up.html", "displayName", "nickname"),
        ("account.html", "username", "username"),
        ("account.html", "current", "current-password"),
        ("account.html", "new", "new-password"),
        ("account.html", "displayName", "nickname"),
    ] {
        let is_field = |tag: &&String| tag.starts_with(template) && tag.contains(&format!(" name=\"{name}\""));
        let tag = fields.iter().find(is_field).unwrap_or_else(|| panic!("{template} has no {name}"));
        assert!(tag.contains(&format!("autocomplete=\"{filled_with}\"")), "{tag}");
    }
}

/// Some browsers restore what was chosen before a reload, but not what was typed. The price would be the server's, and its
/// currency an older one.
#[test]
fn forms_with_choices_are_those_of_the_server_after_a_reload() {
    let has_choice = |text: &str| text.split("</form>").next().unwrap().contains("<select ");
    let forms: Vec<_> = elements("form").into_iter().filter(|(_, text)| has_choice(text)).collect();
    assert!(forms.len() >= 3, "{forms:#?}");
    for (template, text) in forms {
        let tag = text.split('>').next().unwrap();
        assert!(tag.contains(" autocomplete=\"off\""), "{template}: {tag}");
    }
}

/// Browsers that restore fields would show other filters than those of the results.
#[test]
fn filters_are_those_of_the_address_after_a_reload() {
    let forms: Vec<_> = tags("form").into_iter().filter(|tag| tag.contains("hx-get=")).collect();
    assert!(forms.len() >= 3, "{forms:#?}");
    for form in forms {
        assert!(form.contains(" autocomplete=\"off\""), "{form}");
    }
}
