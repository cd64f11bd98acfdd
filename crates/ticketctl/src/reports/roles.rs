//! The reports of `ticketctl role`.

use std::io::{self, Write};

use common::api::admin::{Staff, StaffMember};

use crate::output::Report;

impl Report for StaffMember {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        let Self { id, email, display_name, roles } = self;
        let roles: Vec<&str> = roles.iter().map(AsRef::as_ref).collect();
        let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
        writeln!(to, "{email} ({display_name}, {id}): {roles}")
    }
}

impl Report for Staff {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        if self.members.is_empty() {
            return writeln!(to, "no user has a role");
        }
        self.members.iter().try_for_each(|member| member.text(to))
    }
}
