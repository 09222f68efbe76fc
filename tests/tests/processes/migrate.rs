//! Several processes migrate one database at the same time.

use contacts_tests::{Backend, ServiceProcess, TestDatabase, service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_migrate_commands_succeed() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let migrate = || {
        let mut command = service();
        command.args(["migrate", "--database-url", &database.url()]).spawn().expect("the program")
    };
    let migrations: Vec<_> = (0..4).map(|_| migrate()).collect();
    for mut migration in migrations {
        assert!(migration.wait().expect("its end").success());
    }
    let mut server = ServiceProcess::start(&database.url());
    server.client().contacts().count().await.expect("a count");
    server.stop();
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_migrate_start_concurrently() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let mut servers: Vec<_> = (0..4).map(|_| ServiceProcess::launch(&database.url())).collect();
    for server in &mut servers {
        server.wait_until_ready();
    }
    for server in &servers {
        let workspaces = server.client().workspaces().list().await.expect("workspaces");
        assert_eq!(workspaces.items.len(), 1, "one of them made the workspace");
    }
    drop(servers);
    database.remove().await;
}
