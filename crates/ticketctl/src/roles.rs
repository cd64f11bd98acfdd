//! `ticketctl role`: gives, takes and lists the roles of the staff.

use anyhow::{Error, Result};
use clap::{Args, Subcommand};
use common::api::admin::{GIVE_ROLE, ROLES, RoleChange, Staff, StaffMember, TAKE_ROLE};
use common::identity::Role;
use common::text::Text;
use reqwest::Method;

use crate::confirm::ask;
use crate::output::{Output, Rejected};
use crate::services::{RequestRejected, Services};

/// The service that stores users.
const OWNER: &str = "auth";

/// Gives, takes and lists the roles of the staff.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Give a user a role. The user has it from the next sign-in on, or once the access token is renewed.
    Give(RoleArgs),
    /// Take a role from a user and end all sessions of the user. Access tokens with the role expire within minutes. Asks
    /// for confirmation first.
    Take(RoleArgs),
    /// List the users that have a role.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    /// The role: support, finance or operator.
    #[arg(value_parser = parse_role)]
    role: Role,
    /// The user's email address.
    email: String,
}

fn parse_role(name: &str) -> Result<Role, String> {
    let names: Vec<&str> = Role::ALL.iter().map(AsRef::as_ref).collect();
    name.parse().map_err(|_| format!("the roles are {}", names.join(", ")))
}

/// Runs the command and prints the roles that the user has then, or all users that have one.
///
/// # Errors
/// [`Rejected`] if there is no such user, or if taking a role is not confirmed. `yes` confirms it in advance.
pub(crate) async fn run(command: RoleCommand, services: &Services, output: Output, yes: bool) -> Result<()> {
    let (path, args) = match command {
        RoleCommand::Give(args) => (GIVE_ROLE, args),
        RoleCommand::Take(args) => {
            let (role, email) = (args.role.as_ref(), &args.email);
            ask(&format!("{email} will lose the role {role} and be signed out everywhere."), yes)?;
            (TAKE_ROLE, args)
        }
        RoleCommand::List => return output.print(&services.send::<Staff>(Method::GET, OWNER, ROLES).await?),
    };
    let request = RoleChange { email: Text::new(&args.email), role: args.role };
    let member: StaffMember = services.post(OWNER, path, &request).await.map_err(explain)?;
    output.print(&member)
}

/// Says that there is no such user where the service has not found one.
fn explain(error: Error) -> Error {
    if error.downcast_ref::<RequestRejected>().is_some_and(RequestRejected::is_not_found) {
        return Rejected("no user has this email address".to_owned()).into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_role_lists_the_roles() {
        assert_eq!(parse_role("finance"), Ok(Role::Finance));
        assert_eq!(parse_role("owner"), Err("the roles are support, finance, operator".to_owned()));
    }
}
