//! Confirmation of commands that delete or replace data.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Result, bail};

use crate::output::Rejected;

/// The answer that confirms.
const ANSWER: &str = "yes";

/// Prints on stderr what will be done and asks for confirmation, unless it is given by `--yes`.
///
/// Fails with [`Rejected`] if the answer is another one, or if there is no terminal for the question.
pub(crate) fn ask(plan: &str, yes: bool) -> Result<()> {
    eprintln!("{plan}");
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        bail!(Rejected("there is no terminal to confirm this at; run the command again with --yes".to_owned()));
    }
    eprint!("Type \"{ANSWER}\" to do this: ");
    read_answer(&mut io::stdin().lock())
}

fn read_answer(input: &mut impl BufRead) -> Result<()> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if answer.trim() != ANSWER {
        bail!(Rejected(format!("the answer was not \"{ANSWER}\"")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_confirms() {
        read_answer(&mut "yes\n".as_bytes()).unwrap();
        for answer in ["", "\n", "y\n", "no\n"] {
            let error = read_answer(&mut answer.as_bytes()).unwrap_err();
            assert!(error.is::<Rejected>(), "{answer:?}: {error:#}");
        }
    }

    #[test]
    fn yes_needs_no_terminal() {
        ask("One dead letter will be dropped.", true).unwrap();
    }
}
