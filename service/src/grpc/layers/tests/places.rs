//! Who gets a place, and how long it is theirs.

use std::net::Ipv4Addr;
use std::pin::Pin;

use super::*;
use crate::telemetry::call;

/// Whether a call was refused for lack of a place, with the advice to retry.
async fn is_refused(
    response: Response<impl http_body::Body<Data = Bytes, Error = Status>>,
) -> bool {
    if !response.headers().contains_key(Status::GRPC_STATUS) {
        return false;
    }
    let (status, _) = read(response).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    assert!(status.get_error_details().retry_info().is_some());
    true
}

/// Begins a call. None if it is refused.
async fn begin<R, B>(call: R) -> Option<Pin<Box<R>>>
where
    R: Future<Output = Response<B>>,
    B: http_body::Body<Data = Bytes, Error = Status>,
{
    let mut call = Box::pin(call);
    if let Some(response) = call.as_mut().now_or_never() {
        assert!(is_refused(response).await, "it has ended");
        return None;
    }
    Some(call)
}

/// A whole response of this size.
fn whole(bytes: usize) -> Response<Body> {
    let frames = [Frame::data(vec![0; bytes].into()), trailers(&Status::ok(""))];
    Response::new(Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)))))
}

/// A request of a connection.
fn request_of(path: &str, client: &Arc<Client>) -> Request<Body> {
    let mut request = request(path, None);
    request.extensions_mut().insert(Arc::clone(client));
    request
}

/// A request of a connection, of which no more arrives than its headers.
fn unfinished(path: &str, client: &Arc<Client>) -> Request<Body> {
    let mut request = request_of(path, client);
    *request.body_mut() =
        Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>()));
    request
}

fn client(port: u16) -> Arc<Client> {
    Arc::new(Client::new((Ipv4Addr::LOCALHOST, port).into()))
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_place_until_it_was_taken() {
    let service = layered(|| async { Response::new(ticking()) }, limited(1));
    let call = async |path| service.clone().oneshot(request(path, None)).await.expect("infallible");
    let first = call(STREAM).await;
    assert!(is_refused(call(STREAM).await).await);
    drop(first);
    assert!(!is_refused(call(STREAM).await).await, "the place was not given back");
}

#[tokio::test(start_paused = true)]
async fn no_class_of_calls_takes_the_places_of_another() {
    let paths = [
        STREAM,
        UNARY,
        "/whatatalk.contacts.v1.OptInService/RecordOptOut",
        "/whatatalk.contacts.v1.ContactService/GetContact",
    ];
    let service = layered(pending, limited(1));
    let call =
        |path| service.clone().oneshot(request(path, None)).map(|done| done.expect("infallible"));
    let mut open = Vec::new();
    for path in paths {
        open.push(begin(call(path)).await.expect(path));
        assert!(begin(call(path)).await.is_none(), "{path}");
    }
    assert!(begin(call(HEALTH)).await.is_some(), "health is refused");

    // Watches and reflection are limited too, and leave health checks alone.
    let mut watches = Vec::new();
    while let Some(watch) = begin(call("/grpc.health.v1.Health/Watch")).await {
        watches.push(watch);
        assert!(watches.len() < 1000, "watches are not limited");
    }
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert!(begin(call(reflection)).await.is_none());
    assert!(begin(call(HEALTH)).await.is_some(), "health is refused");
}

#[tokio::test]
async fn a_response_waits_for_its_client_without_a_place() {
    let service = layered(|| async { whole(100) }, limited(1));
    for path in [UNARY, HEALTH, "/whatatalk.contacts.v1.OptInService/RecordOptOut"] {
        let mut waiting = Vec::new();
        for _ in 0..300 {
            let response = service.clone().oneshot(request(path, None)).await.expect("infallible");
            assert!(!response.headers().contains_key(Status::GRPC_STATUS), "{path}");
            waiting.push(response);
        }
        for response in waiting {
            let (status, bytes) = read(response).await;
            assert_eq!((status.code(), bytes), (Code::Ok, 100));
        }
    }
}

#[tokio::test]
async fn what_outlives_its_caller_keeps_the_place() {
    let (end, ended) = tokio::sync::watch::channel(false);
    let handler = move || {
        let mut ended = ended.clone();
        tokio::spawn(call::outliving(
            async move { ended.wait_for(|ended| *ended).await.map(drop) },
        ));
        pending()
    };
    let service = layered(handler, limited(1));
    let call =
        || service.clone().oneshot(request(UNARY, None)).map(|done| done.expect("infallible"));
    let first = begin(call()).await.expect("a place");
    drop(first);
    assert!(begin(call()).await.is_none(), "what the first began goes on");
    end.send_replace(true);
    tokio::task::yield_now().await;
    assert!(begin(call()).await.is_some(), "the place was not given back");
}

#[tokio::test]
async fn responses_that_wait_for_their_clients_have_a_budget_of_memory() {
    let mut config = limited(2);
    config.limits.max_request_memory = bytesize::ByteSize::mib(1);
    let service = layered(|| async { whole(300 << 10) }, config);
    let client = client(7);
    let call =
        async |path| service.clone().oneshot(request_of(path, &client)).await.expect("infallible");
    let (read_one, change) = (
        "/whatatalk.contacts.v1.ContactService/GetContact",
        "/whatatalk.contacts.v1.ContactService/CreateContact",
    );
    let waiting = [call(read_one).await, call(read_one).await];
    assert!(waiting.iter().all(|one| !one.headers().contains_key(Status::GRPC_STATUS)));
    assert!(is_refused(call(read_one).await).await, "there is no memory");
    // What a change did is told, and its place is not given back before.
    let changed = call(change).await;
    assert!(!changed.headers().contains_key(Status::GRPC_STATUS));
    assert!(is_refused(call(change).await).await, "one that waits has the place");
    drop(changed);
    for response in waiting {
        assert_eq!(read(response).await.1, 300 << 10);
    }
    let again = read(call(read_one).await).await;
    assert_eq!((again.0.code(), again.1), (Code::Ok, 300 << 10));
}

#[tokio::test(start_paused = true)]
async fn calls_that_have_not_arrived_give_way() {
    // Health checks have more places.
    for (path, places) in
        [(UNARY, 4), ("/whatatalk.contacts.v1.OptInService/RecordOptOut", 4), (HEALTH, 256)]
    {
        let service = layered(pending, limited(4));
        let call = |request| service.clone().oneshot(request).map(|done| done.expect("infallible"));
        let (one, another) = (client(7), client(8));
        let mut open: Vec<_> = (0..600)
            .map(|n| Box::pin(call(unfinished(path, if n == 1 { &one } else { &another }))))
            .collect();
        for call in &mut open {
            assert!(call.now_or_never().is_none(), "{path}");
        }
        let mut gave_way = Vec::new();
        for (n, call) in open.iter_mut().enumerate() {
            if let Some(response) = call.now_or_never() {
                assert!(is_refused(response).await, "{path}");
                gave_way.push(n);
            }
        }
        // The oldest of the connection that has half of the places.
        let expected: Vec<_> = (0..600 - places / 2).filter(|n| *n != 1).collect();
        assert_eq!(gave_way, expected, "{path}");
        // Those that arrive take the places of the others, and keep them.
        let mut arrived = Vec::new();
        for _ in 0..places {
            arrived.push(begin(call(request(path, None))).await.expect(path));
        }
        assert!(begin(call(request(path, None))).await.is_none(), "{path}");
        assert!(begin(call(unfinished(path, &client(9)))).await.is_none(), "{path}");
        drop(arrived);
        drop(open);
        // No place was lost, and none was made.
        let mut again = Vec::new();
        for _ in 0..places {
            again.push(begin(call(request(path, None))).await.expect(path));
        }
        assert!(begin(call(request(path, None))).await.is_none(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_leaves_places_to_others() {
    let service = layered(pending, limited(60));
    let call = |client: &Arc<Client>| {
        let call = service.clone().oneshot(request_of(UNARY, client));
        begin(call.map(|done| done.expect("infallible")))
    };
    let clients: Vec<_> = (0..5).map(client).collect();
    let mut open: Vec<Vec<_>> = Vec::new();
    for client in &clients {
        let mut held = Vec::new();
        while let Some(one) = call(client).await {
            held.push(one);
        }
        open.push(held);
    }
    // Each has half of what those before it left.
    assert_eq!(open.iter().map(Vec::len).collect::<Vec<_>>(), [30, 15, 8, 4, 2]);
    assert!(call(&client(9)).await.is_some(), "one is left");
    // What is given back is the next one's.
    open[0].truncate(10);
    assert!(call(&clients[4]).await.is_some());
    assert!(call(&clients[0]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_way_until_its_first_message() {
    const CHECKS: &str = "/whatatalk.contacts.v1.OptInService/CheckOptInStream";
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    // As long as the client sends, and nothing.
    let handler = service_fn(|request: Request<Body>| async {
        let silent = request.into_body().into_data_stream();
        let silent = silent.filter_map(|_| async { None::<Result<Frame<Bytes>, Status>> });
        Ok(Response::new(Body::new(StreamBody::new(silent))))
    });
    let mut config = Config::for_tests("unused.db");
    config.limits.max_concurrent_bulk = 1;
    let callers = (None, telemetry(Arc::default()));
    let service = stack(handler, methods, config, callers, SideRuntime::default());
    let first = service.clone().oneshot(unfinished(CHECKS, &client(7))).await.expect("infallible");
    let mut first = Box::pin(read(first));
    let moment = Duration::from_secs(1);
    assert!(timeout(moment, first.as_mut()).await.is_err());

    let parts = [Frame::data(Bytes::from_static(&[0; 5]))].map(Ok::<_, Status>);
    let mut begun = unfinished(CHECKS, &client(7));
    *begun.body_mut() = Body::new(StreamBody::new(stream::iter(parts).chain(stream::pending())));
    let second = service.clone().oneshot(begun).await.expect("infallible");
    assert_eq!(reason(&first.await.0), "OVERLOADED");
    let mut second = Box::pin(read(second));
    assert!(timeout(moment, second.as_mut()).await.is_err());
    let third = service.oneshot(unfinished(CHECKS, &client(8))).await.expect("infallible");
    assert!(is_refused(third).await);
    assert!(timeout(moment, second.as_mut()).await.is_err(), "it has begun");
}
