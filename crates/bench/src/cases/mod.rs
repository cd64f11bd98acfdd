//! Measures the benchmark cases.

mod baseline;
pub(crate) mod footprint;
mod live;
mod pages;
mod propagation;
mod requests;
pub(crate) mod workload;

use anyhow::Result;

use self::workload::Workload;
use crate::results::{Case, Results};
use crate::testbed::TestBed;

/// Measures a case and adds its results.
pub(crate) async fn measure(case: Case, bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    match case {
        Case::Footprint => footprint::before_load(bed, workload, results).await,
        Case::OneTicket => requests::one_ticket(bed, workload, results).await,
        Case::FirstPage => requests::first_page(bed, workload, results).await,
        Case::Pages => pages::pages(bed, workload, results).await,
        Case::Search => pages::search(bed, workload, workload.listings, results).await,
        Case::SearchGrown => pages::search(bed, workload, workload.many_listings, results).await,
        Case::OpenPages => live::open_pages(bed, workload, results).await,
        Case::CreateTicket => requests::create_ticket(bed, workload, results).await,
        Case::CreateOrder => requests::create_order(bed, workload, results).await,
        Case::CreateOrderGrown => requests::create_order_grown(bed, workload, results).await,
        Case::Pay => requests::pay(bed, workload, results).await,
        Case::Reserved => propagation::reserved(bed, workload, results).await,
        Case::Sold => propagation::sold(bed, workload, results).await,
        Case::SignUp => requests::sign_up(bed, workload, results).await,
        Case::SignIn => requests::sign_in(bed, workload, results).await,
        Case::BaselineFind => baseline::find(bed, workload, results).await,
        Case::BaselineInsert => baseline::insert(bed, workload, results).await,
        Case::BaselinePublish => baseline::publish(bed, workload, results).await,
        Case::BaselineHash => baseline::hash(bed, workload, results).await,
    }
}
