//! The gRPC API: handlers that decode a request, call an operation and encode its
//! outcome; the conversions; the mapping of errors to statuses; and the layers
//! around all calls. No code outside of this module depends on tonic.

mod access;
mod api;
mod api_tokens;
mod attributes;
mod body;
mod bulk;
mod check_stream;
mod connection;
mod connections;
mod contacts;
mod convert;
mod duplicates;
mod elements;
mod error;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod health;
mod idempotency;
mod import;
mod layers;
mod methods;
mod mutation;
mod opt_in;
mod opt_in_events;
mod pages;
mod permissions;
mod resumable;
mod stream;
mod subject;
mod tags;
mod tls_stream;
mod tokens;
mod transport;
mod webhooks;
mod workspace_places;
mod workspaces;
mod write_stall;

use std::sync::Arc;

use contacts_proto::v1::attribute_service_server::AttributeServiceServer;
use contacts_proto::v1::contact_service_server::ContactServiceServer;
use contacts_proto::v1::opt_in_service_server::OptInServiceServer;
use contacts_proto::v1::tag_service_server::TagServiceServer;
use contacts_proto::v1::token_service_server::TokenServiceServer;
use contacts_proto::v1::webhook_service_server::WebhookServiceServer;
use contacts_proto::v1::workspace_service_server::WorkspaceServiceServer;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use self::api::Api;
use self::layers::Telemetry;
use self::methods::Methods;
use self::transport::Capacity;
use crate::authenticator::Authenticator;
use crate::config::{Auth, Config, Switch};
use crate::runtime::SideRuntime;
use crate::shutdown::Shutdown;
use crate::store::{Store, random};
use crate::telemetry::access::AccessLog;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::metrics::{Metrics, READY};
use crate::telemetry::request_id::RequestIds;
use crate::tls::Tls;
use crate::webhook_secrets::WebhookSecrets;

/// Serves the API until the server drains and the calls under way have ended.
/// Dropping the future aborts the calls that are left.
pub(crate) async fn serve(
    (store, webhook_secrets): (Store, WebhookSecrets),
    (metrics, audit): (Arc<Metrics>, Arc<AuditLog>),
    listener: (TcpListener, Option<Tls>),
    config: &Config,
    background: SideRuntime,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let Config { limits, timeouts, .. } = config;
    let authenticator = match config.access.auth {
        Auth::None => None,
        Auth::Tokens => Some(Authenticator::new(store.clone(), timeouts.check_timeout)),
    };
    let drain = shutdown.drain.clone();
    let running = (background.clone(), drain);
    let api = Arc::new(Api::new(store.clone(), webhook_secrets, running, config, &metrics));
    let ready = metrics.gauge(&READY, &[]);
    let health = health::reporter(&ready).await;
    let routes = routes(api, &health, config)?;
    let methods = Arc::new(Methods::of_this_server().map_err(std::io::Error::other)?);
    let telemetry = Telemetry {
        ids: RequestIds::new(random().map_err(std::io::Error::other)?),
        access: AccessLog::new(config.log.access_log, &metrics),
        audit,
        clock: store.clock(),
        metrics: Arc::clone(&metrics),
    };
    let callers = (authenticator, telemetry);
    let service = layers::stack(routes.prepare(), methods, config.clone(), callers, background);
    let reporting = health::report((health, ready), store, shutdown.clone());
    let limits = Capacity::new(limits, connections::max(limits.max_connections), &metrics);
    let serving = transport::serve(service, listener, limits, timeouts, shutdown.drain);
    tokio::join!(serving, reporting);
    Ok(())
}

/// The services, with the limits of their messages.
fn routes(api: Arc<Api>, health: &HealthReporter, config: &Config) -> std::io::Result<Routes> {
    // A full chunk of an import, 1000 rows of 190 bytes on average, has a twentieth of
    // the default.
    let max_request = usize::try_from(config.limits.max_request_size.as_u64());
    let max_request = max_request.map_err(std::io::Error::other)?;
    macro_rules! service {
        ($server:ident) => {
            $server::from_arc(Arc::clone(&api))
                .max_decoding_message_size(max_request)
                .accept_compressed(Gzip)
        };
    }
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    let mut routes = Routes::new(service!(WorkspaceServiceServer))
        .add_service(service!(ContactServiceServer))
        .add_service(service!(TagServiceServer))
        .add_service(service!(AttributeServiceServer))
        .add_service(service!(OptInServiceServer))
        .add_service(service!(WebhookServiceServer))
        .add_service(service!(TokenServiceServer))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health));
    if config.listener.reflection == Switch::On {
        let builder = || {
            methods::DESCRIPTORS
                .iter()
                .fold(tonic_reflection::server::Builder::configure(), |builder, set| {
                    builder.register_encoded_file_descriptor_set(set)
                })
        };
        // Older tools ask for v1alpha, newer ones for v1 first.
        routes = routes
            .add_service(builder().build_v1().map_err(std::io::Error::other)?)
            .add_service(builder().build_v1alpha().map_err(std::io::Error::other)?);
    }
    Ok(routes)
}
