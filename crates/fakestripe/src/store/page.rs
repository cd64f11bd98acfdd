//! Stripe's list object: newest first, cursors by id, filters on the creation time.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::params::Params;
use crate::table::{Row, Table};

/// The parameters that every list accepts.
pub(crate) const LIST_PARAMS: &str = "limit starting_after ending_before created expand";

type Comparison = fn(&i64, &i64) -> bool;

/// Parameters that compare the creation time with a bound.
const CREATED_FILTERS: [(&str, Comparison); 5] = [
    ("created", i64::eq),
    ("created.gt", i64::gt),
    ("created.gte", i64::ge),
    ("created.lt", i64::lt),
    ("created.lte", i64::le),
];

/// One page of the rows that `keep` accepts.
pub(crate) fn paginate<T: Row>(
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
    let filters = created_filters(params)?;
    let after = cursor(table, params, "starting_after")?;
    let before = cursor(table, params, "ending_before")?;
    let matching = |row: &&T| keep(row) && filters.iter().all(|(compare, bound)| compare(&row.created(), bound));

    // The table is oldest first and the page newest first: what follows a cursor in the page precedes it in the table.
    let rows = table.rows();
    let mut found: Vec<&T> = if let Some(before) = before {
        rows.get(before + 1..).unwrap_or_default().iter().filter(matching).take(limit + 1).collect()
    } else {
        let older = rows.get(..after.unwrap_or(rows.len())).unwrap_or_default();
        older.iter().rev().filter(matching).take(limit + 1).collect()
    };
    let has_more = found.len() > limit;
    found.truncate(limit);
    if before.is_some() {
        found.reverse();
    }
    let data: Vec<Value> = found.into_iter().map(render).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

fn cursor<T: Row>(table: &Table<T>, params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    let Some(id) = params.text(name) else { return Ok(None) };
    table.position(id).map(Some).ok_or_else(|| ApiError::no_such("object", id, name))
}

fn created_filters(params: &Params) -> Result<Vec<(Comparison, i64)>, ApiError> {
    let mut filters = Vec::new();
    for (name, compare) in CREATED_FILTERS {
        filters.extend(params.integer(name)?.map(|bound| (compare, bound)));
    }
    Ok(filters)
}
