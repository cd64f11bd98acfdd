//! Stripe's list object: newest first, cursors by id, filters on the time of creation.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::params::Params;
use crate::table::{Row, Table};

/// The parameters that every list takes.
pub(crate) const LIST_PARAMS: &str = "limit starting_after ending_before created expand";

/// One page of the rows that `keep` accepts.
pub(crate) fn page<T: Row>(
    table: &Table<T>,
    params: &Params,
    url: &str,
    keep: impl Fn(&T) -> bool,
    render: impl Fn(&T) -> Value,
) -> Result<Value, ApiError> {
    let limit = params.integer("limit")?.unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
        let message = "This value must be between 1 and 100.";
        ApiError::parameter("limit", message).code("parameter_invalid_integer")
    })?;
    let within = created(params)?;
    let after = cursor(table, params, "starting_after")?;
    let before = cursor(table, params, "ending_before")?;
    let matching = |row: &&T| keep(row) && within.iter().all(|test| test.holds(row.created()));

    let rows = table.rows();
    // Newest first: what follows a cursor in the answer stands before it in the table.
    let (mut found, more): (Vec<&T>, bool) = if let Some(before) = before {
        let newer = rows.get(before + 1..).unwrap_or_default();
        let mut found: Vec<&T> = newer.iter().filter(matching).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        found.reverse();
        (found, more)
    } else {
        let older = rows.get(..after.unwrap_or(rows.len())).unwrap_or_default();
        let found: Vec<&T> = older.iter().rev().filter(matching).take(limit + 1).collect();
        let more = found.len() > limit;
        (found, more)
    };
    found.truncate(limit);
    let data: Vec<Value> = found.into_iter().map(render).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": more, "url": url }))
}

fn cursor<T: Row>(table: &Table<T>, params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    let Some(id) = params.text(name) else {
        return Ok(None);
    };
    match table.place(id) {
        Some(place) => Ok(Some(place)),
        None => Err(ApiError::no_such("object", id, name)),
    }
}

enum Test {
    Equal(i64),
    Above(i64),
    AtLeast(i64),
    Below(i64),
    AtMost(i64),
}

impl Test {
    fn holds(&self, time: i64) -> bool {
        match *self {
            Self::Equal(bound) => time == bound,
            Self::Above(bound) => time > bound,
            Self::AtLeast(bound) => time >= bound,
            Self::Below(bound) => time < bound,
            Self::AtMost(bound) => time <= bound,
        }
    }
}

fn created(params: &Params) -> Result<Vec<Test>, ApiError> {
    let tests = [
        params.integer("created")?.map(Test::Equal),
        params.integer("created.gt")?.map(Test::Above),
        params.integer("created.gte")?.map(Test::AtLeast),
        params.integer("created.lt")?.map(Test::Below),
        params.integer("created.lte")?.map(Test::AtMost),
    ];
    Ok(tests.into_iter().flatten().collect())
}
