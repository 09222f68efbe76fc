//! Tables that imports make grow are analyzed.

use crate::support::*;

#[test]
fn a_first_import_does_not_wait_for_autovacuum_to_analyze() {
    with_database(|database| async move {
        let store = database.store().await;
        import(&store, (0..1000).map(|n| profile(&format!("1555{n:07}")))).await;
        let mut db = database.connect().await;
        for table in ["consent", "contact"] {
            // -1 if nobody analyzed it.
            let known = "SELECT reltuples::bigint FROM pg_class WHERE oid = $1::regclass";
            let known: i64 =
                sqlx::query_scalar(known).bind(table).fetch_one(&mut db).await.unwrap();
            assert!(known >= 1000, "{table}: {known}");
        }
        store.close().await;
    });
}
