//! The read model and the service's own data: indexes and queries. No other module depends on MongoDB.

pub mod drafts;
pub mod duplicate_seats;
mod generations;
pub mod lists;
pub mod model;
pub mod offers;
pub mod search;
pub mod searchable;
pub mod show_watches;
pub mod sitemap;
pub mod user_data;
pub mod vocabulary;

use mongodb::IndexModel;
use mongodb::bson::Document;
use mongodb::options::IndexOptions;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}
