//! A standby, which may lag behind, answers no checks.

use contacts_sdk::{
    ContactsClient, ErrorKind, MessageCategory, NewContact, OptInSource, RetryPolicy,
};
use contacts_tests::{PostgresServer, Proxy, ServiceProcess, builder_with_long_deadlines, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_is_answered_from_a_standby() {
    let primary = PostgresServer::start(&[]).await;
    let way = Proxy::to(primary.address()).await;
    let url = primary.url().replace(&primary.address().to_string(), &way.address().to_string());
    let server = ServiceProcess::start(&url);
    let client = server.client();
    client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    client.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert!(client.opt_in().may_send(phone(1), MARKETING).await);

    let standby = primary.standby("standby", &[]).await;
    let consent = "SELECT count(*) FROM contact WHERE (opt_in_marketing & 7) = 2";
    let copied: i64 = sqlx::query_scalar(consent)
        .fetch_one(&mut standby.connect("postgres").await)
        .await
        .expect("the copy can be read");
    assert_eq!(copied, 1, "the standby would say yes");

    // Route the server's connections to the standby, as a misconfigured load balancer would.
    way.route_to(standby.address());
    way.cut();
    for _ in 0..10 {
        refused(&server).await;
    }
    let error = once(&server).opt_in().record_opt_out(phone(1)).await.expect_err("read only");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");

    // Back to the primary: the server recovers without a restart.
    way.route_to(primary.address());
    way.cut();
    assert!(client.opt_in().check(phone(1), MARKETING).await.expect("an answer").is_allowed());

    // A server does not start on a standby.
    let mut lost = ServiceProcess::launch_with(&["--database-url", &standby.url()]);
    lost.try_until_ready().expect_err("a standby");
    assert!(lost.log().contains("is a standby"), "{}", lost.log());
}

fn once(server: &ServiceProcess) -> ContactsClient {
    let client = builder_with_long_deadlines(&server.url()).retry_policy(RetryPolicy::never());
    client.connect_lazy().expect("a client")
}

/// Checks that every kind of check fails and none allows.
async fn refused(server: &ServiceProcess) {
    let opt_in = once(server).opt_in();
    assert!(!opt_in.may_send(phone(1), MARKETING).await);
    let errors = [
        opt_in.check(phone(1), MARKETING).await.map(drop),
        opt_in.check_batch(&[phone(1)], MARKETING).await.map(drop),
    ];
    for error in errors {
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.retry_delay().is_some(), "{error:?}");
    }
}
