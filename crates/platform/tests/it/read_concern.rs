//! Reads have majority concern and go to the primary, whatever the connection string says.

use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria};
use testkit::app::proxy::Proxy;

use crate::demo::{app_with, insert};

#[tokio::test(flavor = "multi_thread")]
async fn connection_string_cannot_weaken_the_concerns() {
    let mongodb = Proxy::of_mongodb();
    let url = format!("{}&readConcernLevel=local&readPreference=secondaryPreferred&w=1&journal=false", mongodb.url());
    let app = app_with(&[("MONGODB_URL", &url)]).await;
    let database = &app.context.database;
    assert_eq!(database.read_concern(), Some(&ReadConcern::majority()));
    assert_eq!(database.selection_criteria(), Some(&SelectionCriteria::ReadPreference(ReadPreference::Primary)));
    let concern = database.write_concern().unwrap();
    assert_eq!((concern.w.clone(), concern.journal), (Some(mongodb::options::Acknowledgment::Majority), Some(true)));
    let made = insert(&app, "one").await;
    app.request("GET", &format!("/api/demo/{}", made.id)).send().await.expect(200);
    app.wait_until_idle().await;
}
