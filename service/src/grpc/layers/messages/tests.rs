use std::io::Write;

use bytes::BytesMut;
use contacts_proto::v1;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use http_body_util::BodyExt;
use prost::Message;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

use super::super::from_fn::from_fn_with_state;
use super::*;

const CHECK: &str = "/whatatalk.contacts.v1.OptInService/CheckOptIn";
const BATCH: &str = "/whatatalk.contacts.v1.ContactService/BatchUpsertContacts";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const STREAM: &str = "/whatatalk.contacts.v1.OptInService/CheckOptInStream";

fn config() -> Config {
    Config::for_tests("unused.db")
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a small message").to_be_bytes();
    [&[flag][..], &length, message].concat().into()
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).expect("compressed");
    encoder.finish().expect("compressed")
}

/// The parts of a request, which ends, or stays open.
fn body(parts: Vec<Bytes>, is_open: bool) -> Body {
    let parts = stream::iter(parts.into_iter().map(|part| Ok::<_, Status>(Frame::data(part))));
    match is_open {
        true => Body::new(StreamBody::new(parts.chain(stream::pending()))),
        false => Body::new(StreamBody::new(parts)),
    }
}

/// What a service inside receives, or the status instead.
async fn receive_in(messages: &Arc<Messages>, path: &str, body: Body) -> Result<Bytes, Status> {
    let service = service_fn(|request: Request<Body>| async {
        let mut body = request.into_body();
        let mut received = BytesMut::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => received.extend_from_slice(&frame.into_data().expect("data")),
                Err(status) => return Ok(status.into_http()),
            }
        }
        Ok::<_, Infallible>(Response::new(Body::new(Full::new(received.freeze()))))
    });
    let layer = from_fn_with_state(Arc::clone(messages), receive);
    let service = tower::Layer::layer(&layer, service);
    let request = Request::post(path).header(ENCODING, "gzip").body(body).expect("a request");
    let response = service.oneshot(request).await.expect("infallible");
    match Status::from_header_map(response.headers()) {
        Some(status) => Err(status),
        None => Ok(response.into_body().collect().await.expect("a body").to_bytes()),
    }
}

fn messages(config: &Config) -> Arc<Messages> {
    let methods = Arc::new(Methods::of_this_server().expect("descriptors"));
    Arc::new(Messages::new(methods, config, SideRuntime::default()))
}

async fn receive_all(path: &str, parts: Vec<Bytes>) -> Result<Bytes, Status> {
    let messages = messages(&config());
    let received = receive_in(&messages, path, body(parts, false)).await;
    assert_eq!(messages.memory.used(), 0, "memory is not given back");
    received
}

fn refused(received: Result<Bytes, Status>) -> String {
    let details = received.expect_err("refused").get_error_details();
    details.error_info().expect("an ErrorInfo").reason.clone()
}

fn rows(count: usize) -> Vec<u8> {
    vec![
        v1::BatchUpsertContactsRequest {
            rows: vec![v1::ImportRow::default()],
            ..Default::default()
        }
        .encode_to_vec();
        count
    ]
    .concat()
}

#[tokio::test]
async fn messages_are_whole_however_they_arrive() {
    let large = rows(15_000);
    let sent = [framed(0, b""), framed(0, b"abc"), framed(0, &large), framed(0, b"z")].concat();
    for size in [1, 2, 5, 7, 1000, 1 << 20] {
        let parts: Vec<Bytes> = sent.chunks(size).map(Bytes::copy_from_slice).collect();
        let received = receive_all(STREAM, parts).await.expect("messages");
        assert!(received == sent, "{size}");
    }
    for message in [&b""[..], b"abc", &large] {
        let sent = framed(0, message);
        for size in [1, 4, 6, 1000, 1 << 20] {
            let parts: Vec<Bytes> = sent.chunks(size).map(Bytes::copy_from_slice).collect();
            assert!(receive_all(BATCH, parts).await.expect("a message") == sent, "{size}");
        }
    }
    // The service inside refuses what is cut off, unknown or too much.
    for sent in
        [vec![framed(0, b"abc").slice(..7)], vec![framed(7, b"a")], vec![framed(0, b"a"); 2]]
    {
        let received = receive_all(CHECK, sent.clone()).await.expect("what was sent");
        assert_eq!(received, sent.concat());
    }
}

#[tokio::test]
async fn compressed_messages_are_decompressed_within_limits() {
    let small: Vec<u8> = (0..200).flat_map(|n: u32| n.to_string().into_bytes()).collect();
    let received = receive_all(CHECK, vec![framed(1, &gzip(&small))]).await;
    assert_eq!(received.expect("a message"), framed(0, &small));
    // A gigabyte would be a thousand times as large.
    let bomb = gzip(&vec![0; 3 << 20]);
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    assert_eq!(refused(receive_all(BATCH, vec![framed(1, &bomb)]).await), "MESSAGE_TOO_LARGE");
    assert_eq!(refused(receive_all(BATCH, vec![framed(1, b"no gzip")]).await), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn memory_is_taken_before_a_message_is_decompressed() {
    let mut config = config();
    config.limits.max_request_memory = bytesize::ByteSize::kib(100);
    let messages = messages(&config);
    let compressed: Vec<u8> = gzip(&(0..8000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    // The same with another size at its end. Whoever decompresses it first says something else.
    let saying = async |size: u32| {
        let (content, _) = compressed.split_last_chunk::<4>().expect("a size");
        let message = framed(1, &[content, &size.to_le_bytes()].concat());
        receive_in(&messages, BATCH, body(vec![message], false)).await
    };
    assert!(saying(32_000).await.is_ok());
    assert_eq!(refused(saying(200_000).await), "OVERLOADED");
    assert_eq!(refused(saying(u32::MAX).await), "MESSAGE_TOO_LARGE");
    assert_eq!(refused(saying(31_999).await), "INVALID_ARGUMENT");
    assert_eq!(refused(saying(32_001).await), "INVALID_ARGUMENT");
    assert_eq!(messages.memory.used(), 0);
}

#[tokio::test]
async fn messages_have_a_size_and_a_number_of_elements() {
    // Nothing but the prefix has arrived.
    let prefix = framed(0, &vec![0; 70_000]).slice(..5);
    let received = receive_all(CHECK, vec![prefix.clone()]).await;
    assert_eq!(received.as_ref().expect_err("refused").code(), Code::ResourceExhausted);
    assert_eq!(refused(received), "MESSAGE_TOO_LARGE");
    assert!(receive_all(BATCH, vec![prefix]).await.is_ok());
    let prefix = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(refused(receive_all(BATCH, vec![prefix]).await), "MESSAGE_TOO_LARGE");

    let received = receive_all(BATCH, vec![framed(0, &rows(2_000_000))]).await;
    assert_eq!(refused(received), "LIMIT_EXCEEDED");
    // Compressed, they are few bytes: 4 KB for 2 000 000 rows, if the ratio permitted it.
    let received = receive_all(BATCH, vec![framed(1, &gzip(&rows(2_000_000)))]).await;
    assert_eq!(refused(received), "MESSAGE_TOO_LARGE");
}

#[tokio::test(start_paused = true)]
async fn unfinished_messages_and_idle_streams_are_cut() {
    let messages = messages(&config());
    let cut = framed(0, b"abc").slice(..6);
    for (path, parts, seconds, reason) in [
        (CHECK, vec![], 10, "DEADLINE_EXCEEDED"),
        (HEALTH, vec![], 2, "DEADLINE_EXCEEDED"),
        (CHECK, vec![cut.clone()], 10, "DEADLINE_EXCEEDED"),
        // Whole, but the request does not end.
        (CHECK, vec![framed(0, b"abc")], 10, "DEADLINE_EXCEEDED"),
        (STREAM, vec![cut.clone()], 10, "DEADLINE_EXCEEDED"),
        (STREAM, vec![framed(0, b"abc"), cut], 10, "DEADLINE_EXCEEDED"),
        (STREAM, vec![], 60, "STREAM_IDLE"),
        (STREAM, vec![framed(0, b"abc")], 60, "STREAM_IDLE"),
    ] {
        let began = Instant::now();
        assert_eq!(refused(receive_in(&messages, path, body(parts, true)).await), reason);
        assert_eq!(began.elapsed().as_secs(), seconds, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_have_a_budget_of_memory() {
    let mut config = config();
    config.limits.max_request_memory = bytesize::ByteSize::kib(100);
    let messages = messages(&config);
    let half = |bytes: usize| {
        let parts = vec![framed(0, &vec![0; 2 * bytes]).slice(..bytes)];
        receive_in(&messages, BATCH, body(parts, true))
    };
    let check = async || {
        let check = vec![framed(0, b"abc")];
        receive_in(&messages, CHECK, body(check, false)).await
    };
    let (first, second, third, check) =
        tokio::join!(half(60_000), half(30_000), half(30_000), check());
    assert_eq!(
        (refused(first), refused(second)),
        ("DEADLINE_EXCEEDED".into(), "DEADLINE_EXCEEDED".into())
    );
    assert_eq!(refused(third), "OVERLOADED");
    assert!(check.is_ok(), "checks need none of it");
    assert_eq!(messages.memory.used(), 0);
}
