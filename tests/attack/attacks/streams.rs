//! Places, memory and connections that are taken and kept.

use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1;
use contacts_tests::{Call, Wire, message};
use futures::StreamExt;
use futures::future::{join_all, try_join_all};
use futures::stream::FuturesUnordered;
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::Result;
use super::super::target::Target;

/// Window of a stream that nobody reads: the smallest that clients begin with.
const SMALL_WINDOW: u32 = 65_535;
const LARGE_WINDOW: u32 = 64 << 20;

/// Opens calls on several connections, as many as the server lets it.
async fn open(target: &Target, connections: usize, calls: usize, method: &str) -> Opened {
    let mut opened = Opened { calls: Vec::new(), connections: Vec::new() };
    for _ in 0..connections {
        let settings = h2::client::Builder::new();
        let Ok(wire) = Wire::try_connect(target.server.address(), settings).await else { continue };
        for _ in 0..calls {
            // Waits if the connection has as many calls as the server permits.
            let call = timeout(Duration::from_secs(1), wire.try_open(method, &[]));
            match call.await {
                Ok(Ok(call)) => opened.calls.push(call),
                _ => break,
            }
        }
        opened.connections.push(wire);
    }
    opened
}

struct Opened {
    calls: Vec<Call>,
    connections: Vec<Wire>,
}

pub async fn idle(target: &Target, time: Duration) -> Result {
    let opened = open(target, 3, 700, "OptInService/CheckOptInStream").await;
    sleep(time).await;
    drop(opened.calls);
    drop(opened.connections);
    Ok(())
}

/// Calls of which nothing but the headers is sent, and others as soon as they are refused.
pub async fn half_calls(target: &Target, time: Duration) -> Result {
    flood(target, time, &["OptInService/CheckOptIn", "OptInService/RecordOptOut"], &[], None).await
}

/// As many checks as the server answers or refuses.
pub async fn checks(target: &Target, time: Duration) -> Result {
    flood(target, time, &["OptInService/CheckOptIn"], &[], Some(check())).await
}

fn check() -> Bytes {
    let request = v1::CheckOptInRequest {
        recipient: Some(v1::check_opt_in_request::Recipient::PhoneNumber("15551234567".to_owned())),
        category: v1::MessageCategory::Marketing.into(),
        ..Default::default()
    };
    message(&request.encode_to_vec())
}

/// Whole checks, of whose answers the client takes nothing but the headers.
pub async fn unread(target: &Target, time: Duration) -> Result {
    let mut opened = Opened { calls: Vec::new(), connections: Vec::new() };
    for _ in 0..12 {
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(0);
        let wire = Wire::try_connect(target.server.address(), settings).await?;
        for _ in 0..1000 {
            let call =
                timeout(Duration::from_secs(1), wire.try_open("OptInService/CheckOptIn", &[]));
            let Ok(Ok(mut call)) = call.await else { break };
            drop(call.request.send_data(check(), true));
            opened.calls.push(call);
        }
        opened.connections.push(wire);
    }
    sleep(time).await;
    Ok(())
}

/// Opt-outs of one person, each given up as soon as it is sent, six connections with 150 at a time.
pub async fn resets(target: &Target, time: Duration) -> Result {
    let request = v1::RecordOptOutRequest {
        recipient: Some(v1::record_opt_out_request::Recipient::PhoneNumber(
            "15551234567".to_owned(),
        )),
        ..Default::default()
    };
    let message = &message(&request.encode_to_vec());
    let send = |_| async move {
        // The server ends a connection that gives up too many at once.
        loop {
            let settings = h2::client::Builder::new();
            let wire = Wire::try_connect(target.server.address(), settings).await?;
            while try_join_all((0..150).map(|_| give_up(&wire, message))).await.is_ok() {}
        }
    };
    let attack = try_join_all((0..6).map(send));
    match timeout(time, attack).await {
        Ok(ended) => ended.map(|_: Vec<()>| ()),
        Err(_) => Ok(()),
    }
}

/// Sends an opt-out and gives it up before it is answered.
async fn give_up(wire: &Wire, message: &Bytes) -> std::result::Result<(), h2::Error> {
    let mut call = wire.try_open("OptInService/RecordOptOut", &[]).await?;
    call.request.send_data(message.clone(), true)?;
    // What is given up before it was sent is not sent.
    sleep(Duration::from_millis(1)).await;
    call.request.send_reset(h2::Reason::CANCEL);
    Ok(())
}

/// Six connections with 900 calls at a time each.
pub(super) async fn flood(
    target: &Target,
    time: Duration,
    methods: &[&str],
    headers: &[(&str, &str)],
    message: Option<Bytes>,
) -> Result {
    let message = message.as_ref();
    let send = |method| async move {
        // The server ends a connection with too many calls that it refuses before they have arrived.
        loop {
            let mut settings = h2::client::Builder::new();
            // With a small window, h2 ends the connection itself: that many small answers seem an attack.
            settings.initial_connection_window_size(LARGE_WINDOW);
            let wire = Wire::try_connect(target.server.address(), settings).await?;
            let open = || async {
                let mut call = wire.try_open(method, headers).await?;
                if let Some(message) = message {
                    drop(call.request.send_data(message.clone(), true));
                }
                call.try_response().await
            };
            let mut calls: FuturesUnordered<_> = (0..900).map(|_| open()).collect();
            while let Some(Ok(_)) = calls.next().await {
                calls.push(open());
            }
        }
    };
    let attack = try_join_all(methods.iter().copied().cycle().take(6).map(send));
    // It goes on until it is stopped.
    match timeout(time, attack).await {
        Ok(ended) => ended.map(|_: Vec<()>| ()),
        Err(_) => Ok(()),
    }
}

/// Half of them watch the health, half ask reflection for files and do not read the answers.
pub async fn watches(target: &Target, time: Duration) -> Result {
    const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const FILE: &str = "whatatalk/contacts/v1/contact_service.proto";
    let mut file = vec![0x1a, u8::try_from(FILE.len())?];
    file.extend(FILE.bytes());
    let mut watches = open(target, 10, 1000, "/grpc.health.v1.Health/Watch").await;
    for call in &mut watches.calls {
        drop(call.request.send_data(message(&[]), true));
    }
    let mut files = open(target, 10, 1000, REFLECTION).await;
    for call in &mut files.calls {
        drop(call.request.send_data(message(&file), false));
    }
    sleep(time).await;
    Ok(())
}

pub async fn stalled(target: &Target, time: Duration) -> Result {
    let mut settings = h2::client::Builder::new();
    settings.initial_window_size(SMALL_WINDOW).initial_connection_window_size(LARGE_WINDOW);
    let wire = Wire::try_connect(target.server.address(), settings).await?;
    let mut stalled = Vec::new();
    for _ in 0..500 {
        let Ok(mut call) = wire.try_open("ContactService/StreamContacts", &[]).await else { break };
        drop(call.request.send_data(message(&[]), true));
        stalled.push(tokio::spawn(async move { drop(call.read_without_acknowledging().await) }));
    }
    // The connection moves, so that it is not the connection that is stalled.
    let end = Instant::now() + time;
    let get = message(&v1::GetWorkspaceRequest::default().encode_to_vec());
    while Instant::now() < end {
        let Ok(mut call) = wire.try_open("WorkspaceService/GetWorkspace", &[]).await else { break };
        drop(call.request.send_data(get.clone(), true));
        drop(call.try_response().await);
        sleep(Duration::from_millis(50)).await;
    }
    for stream in stalled {
        stream.abort();
    }
    Ok(())
}

pub async fn connections(target: &Target, time: Duration) -> Result {
    let end = Instant::now() + time;
    let connect = |_| async {
        let Ok(stream) = TcpStream::connect(target.server.address()).await else { return };
        sleep_until(end).await;
        drop(stream);
    };
    join_all((0..300).map(connect)).await;
    Ok(())
}
