//! The same searches among few listings and among many.

use anyhow::{Result, ensure};

use super::scale::Scale;
use crate::catalogue::SEARCHES;
use crate::figures::{Figures, Search};
use crate::http1::get;
use crate::latency::Latencies;
use crate::shop::Shop;

/// Among fewer listings a search for several words may find nothing.
const MANY: usize = 100_000;

pub(super) async fn among_few(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    among(shop, scale, scale.listings, figures).await
}

pub(super) async fn among_many(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    among(shop, scale, scale.many_listings, figures).await
}

/// Each search some hundred times, one after the other, as the page that it is: found, sorted, rendered.
async fn among(shop: &Shop, scale: &Scale, listings: usize, figures: &mut Figures) -> Result<()> {
    shop.list_up_to(listings).await?;
    let mut connections = shop.connections("web", 1).await?;
    let mut took = Vec::new();
    for connection in &mut connections {
        for (path, finds) in SEARCHES {
            let body = connection.fetch(get(path)?).await?;
            // Where nothing is found the page says so, and shows something else instead.
            let found = !String::from_utf8_lossy(&body).contains("class=\"empty\"");
            let as_expected = found == finds || (finds && listings < MANY);
            ensure!(as_expected, "{path} among {listings} listings: found something is {found}");
            for _ in 0..scale.searches / 10 {
                connection.fetch(get(path)?).await?;
            }
            let mut latencies = Latencies::default();
            for _ in 0..scale.searches {
                let began = tokio::time::Instant::now();
                connection.fetch(get(path)?).await?;
                latencies.record(began.elapsed());
            }
            took.push((path, latencies));
        }
    }
    figures.searches.push(Search { listings: shop.listed.get(), took });
    Ok(())
}
