//! What the audit reports.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::names::Invariant;
use super::remedy::Remedy;

/// A violated invariant. Findings are equal if all their fields are, so the text describes the wrong state and nothing
/// that changes without a write, such as an age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The number of the invariant in docs/reliability.md.
    pub invariant: u8,
    /// The short name of the invariant, such as `held-once`.
    pub kind: String,
    /// The database of the wrong document, or of the first one where several disagree.
    pub database: String,
    /// The ids of the entities that the finding is about, the wrong one first.
    pub ids: Vec<String>,
    /// What is wrong.
    pub text: String,
    /// The commands that may repair it, in order; none if an operator has to decide.
    #[serde(default)]
    pub remedies: Vec<Remedy>,
}

impl Finding {
    /// A violation of this invariant.
    pub fn new(
        invariant: Invariant,
        database: &str,
        ids: impl IntoIterator<Item = impl Into<String>>,
        text: String,
    ) -> Self {
        let ids = ids.into_iter().map(Into::into).collect();
        let (database, kind) = (database.to_owned(), invariant.name.to_owned());
        Self { invariant: invariant.number, kind, database, ids, text, remedies: Vec::new() }
    }

    /// The finding with the commands that may repair it.
    #[must_use]
    pub fn repaired_by(self, remedies: impl IntoIterator<Item = Remedy>) -> Self {
        Self { remedies: remedies.into_iter().collect(), ..self }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, kind, text, .. } = self;
        write!(f, "{invariant} {kind}: {text}")
    }
}
