//! The display name that a user typed whose session had ended: the address of the account's page keeps it through
//! sign-in.

use super::layout::with_parameters;

/// The path of the account's page with a name that is not saved yet.
pub(super) fn path(display_name: &str) -> String {
    with_parameters("/account", &[("display_name", display_name)])
}

/// Whether the page of this path has such a name.
pub(super) fn is_kept(path: &str) -> bool {
    path.starts_with("/account?display_name=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::form::safe_redirect_path;

    #[test]
    fn name_is_kept_in_a_path_of_this_site() {
        let kept = path("Zoë & Co");
        assert_eq!(safe_redirect_path(&kept), kept);
        assert!(is_kept(&kept) && !is_kept(&path("")), "{kept}");
    }
}
